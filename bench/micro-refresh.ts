/**
 * What refresh ahead (ADR-019) gains and costs: sessions of a pool read aggregates at some pace and write a tenth of the time to the same keys. Printed
 * for `cache.refresh_ahead` off and on: the share of reads that hit, of the first reads after a write, their latency, and what the origin was asked.
 *
 *   node bench/micro-refresh.ts [seconds] [pause between the reads of a session, ms] [rounds]
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { seededRandom } from '../test/model/random.ts';
import { type Cluster, freePort, startCluster } from '../test/support/postgres.ts';

const seconds = Number(process.argv[2] ?? 8);
const pauseMs = Number(process.argv[3] ?? 20);
const rounds = Number(process.argv[4] ?? 2);
const sessions = 16;
const keys = 20;
const cli = fileURLToPath(new URL('../bin/pgfresh.js', import.meta.url));
const read = 'SELECT count(*), sum(v) FROM big WHERE g = $1';

interface Figure {
  readonly reads: number;
  readonly hits: number;
  readonly first: number;
  readonly firstHits: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstP50Ms: number;
  /** Executions of the aggregate at the origin, for each read. */
  readonly asked: number;
  readonly refreshed: number;
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Hits are told from misses by what they take: a hit is some ten times faster than the aggregate. */
const HIT_MS_MAX = 1.5;

async function measure(cluster: Cluster, isOn: boolean, seed: number): Promise<Figure> {
  const [port, admin] = [await freePort(), await freePort()];
  const args = [cli, 'serve', '--upstream', cluster.url, '--listen', `127.0.0.1:${port}`, '--workers', '1'];
  const more = ['--admin', `127.0.0.1:${admin}`, '--cache-refresh-ahead', isOn ? 'on' : 'off', '--log-level', 'warn'];
  const child = spawn(process.execPath, [...args, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => chunk.includes('pgfresh ready') && resolve());
  });
  const url = new URL(cluster.url);
  url.host = `127.0.0.1:${port}`;
  const status = async (): Promise<{ cache: Record<string, number> }> =>
    (await (await fetch(`http://127.0.0.1:${admin}/status`)).json()) as { cache: Record<string, number> };
  const clients = await Promise.all(
    Array.from({ length: sessions }, async () => {
      const client = new pg.Client({ connectionString: url.href });
      await client.connect();
      return client;
    }),
  );
  const isWritten = new Uint8Array(keys);
  const [all, first]: [number[], number[]] = [[], []];
  let isOver = false;
  let isCounted = false;
  const drive = async (client: pg.Client, random: ReturnType<typeof seededRandom>) => {
    while (!isOver) {
      const key = random.skewed(keys);
      if (random.next() < 0.1) {
        await client.query('UPDATE big SET v = v + 1 WHERE id = $1', [key * 1000 + random.below(1000)]);
        isWritten[key] = 1;
      } else {
        const isFirst = isWritten[key] === 1;
        isWritten[key] = 0;
        const startMs = performance.now();
        await client.query({ name: 'read', text: read, values: [key] });
        const tookMs = performance.now() - startMs;
        if (isCounted) all.push(tookMs);
        if (isCounted && isFirst) first.push(tookMs);
      }
      await sleep(pauseMs * 2 * random.next());
    }
  };
  const base = seededRandom(seed);
  const driven = Promise.all(clients.map((client, i) => drive(client, base.fork(i))));
  await sleep(2_000);
  const before = await status();
  isCounted = true;
  await sleep(seconds * 1000);
  isCounted = false;
  const after = await status();
  isOver = true;
  await driven;
  await Promise.all(clients.map((client) => client.end()));
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
  const of = (name: string): number => (after.cache[name] ?? 0) - (before.cache[name] ?? 0);
  const hits = of('hits');
  return {
    ...{ reads: all.length, hits, first: first.length, firstHits: first.filter((ms) => ms < HIT_MS_MAX).length },
    ...{ p50Ms: quantile(all, 0.5), p99Ms: quantile(all, 0.99), firstP50Ms: quantile(first, 0.5) },
    ...{ asked: (all.length - hits + of('refreshed')) / all.length, refreshed: of('refreshed') },
  };
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

async function main(): Promise<void> {
  const cluster = await startCluster({ version: 18, settings: ['autovacuum=off'] });
  const client = new pg.Client({ connectionString: cluster.url });
  await client.connect();
  await client.query(`CREATE TABLE big (id int PRIMARY KEY, g int, v int); ALTER TABLE big REPLICA IDENTITY FULL;
    INSERT INTO big SELECT i, i / 1000, 0 FROM generate_series(0, ${keys * 1000 - 1}) i; ANALYZE big`);
  process.stdout.write(`${sessions} sessions, ${keys} keys, a pause of ${pauseMs} ms, 10 % writes, ${seconds} s\n`);
  for (let round = 0; round < rounds; round++) {
    for (const isOn of round % 2 === 0 ? [false, true] : [true, false]) {
      const f = await measure(cluster, isOn, 7 + round);
      process.stdout.write(
        `${isOn ? 'on ' : 'off'}: ${f.reads} reads, ${percent(f.hits, f.reads)} hits; first after a write ` +
          `${percent(f.firstHits, f.first)} of ${f.first}, p50 ${f.firstP50Ms.toFixed(2)} ms; all p50 ${f.p50Ms.toFixed(2)}, ` +
          `p99 ${f.p99Ms.toFixed(1)} ms; origin asked ${f.asked.toFixed(3)} times a read, ${f.refreshed} refreshed\n`,
      );
    }
  }
  await client.end();
  await cluster.stop();
}

await main();
process.exit();
