/**
 * C25 at full size: one transaction of ten million rows (`PGFRESH_SOAK_ROWS`), half of whose subtransactions are rolled back, of a table that is followed. Meanwhile others
 * read what is cached: how long each answer takes, how many are hits, and what the cache thread's event loop says.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { ask } from '../support/fixture.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, startCluster } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { SoakReport } from './report.ts';

const rows = Number(process.env['PGFRESH_SOAK_ROWS'] ?? 10_000_000);
const minutes = 30;
let cluster: Cluster | undefined;
let pgfresh: Pgfresh | undefined;
const sessions: pg.Client[] = [];

afterEach(async () => {
  await Promise.all(sessions.map((session) => session.end()));
  await pgfresh?.stop();
  await cluster?.stop();
});

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}

const at = (sorted: readonly number[], share: number): string =>
  (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);

interface Watch {
  readonly latenciesMs: number[];
  stop(): Promise<void>;
}

/** Reads a cached row again and again, a few milliseconds apart. */
function watch(reader: pg.Client): Watch {
  const latenciesMs: number[] = [];
  let running = true;
  const loop = (async () => {
    while (running) {
      const startMs = performance.now();
      expect(await ask(reader, 'SELECT v FROM small WHERE id = 1')).toEqual([[0]]);
      latenciesMs.push(performance.now() - startMs);
      await delay(5);
    }
  })();
  return {
    latenciesMs,
    async stop() {
      running = false;
      await loop;
      latenciesMs.sort((a, b) => a - b);
    },
  };
}

it(`a transaction of ${rows.toLocaleString('en')} rows stalls nobody else`, async () => {
  cluster = await startCluster({ version: 18, settings: ['max_wal_size=8GB', 'autovacuum=off'] });
  const writer = await connect(cluster.url);
  await writer.query(`CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, 0);
    CREATE TABLE huge (id int PRIMARY KEY, v int)`);
  pgfresh = await startPgfresh({ upstream: cluster.url, args: ['--cdc-max-slot-lag', '100GB'] });
  const reader = await connect(pgfresh.url);
  const hits = async () => (await pgfresh!.status()).cache.hits;
  for (const sql of ['SELECT v FROM small WHERE id = 1', 'SELECT count(*) FROM huge']) {
    const before = await hits();
    await waitFor(`a hit of ${sql}`, async () => {
      await ask(reader, sql);
      return (await hits()) > before;
    });
  }
  const quiet = watch(reader);
  await delay(5_000);
  await quiet.stop();
  const [hitsBefore, busy, startMs] = [await hits(), watch(reader), performance.now()];
  const transactionsBefore = ((await pgfresh.status()) as unknown as { cdc: { transactions: number } }).cdc
    .transactions;
  await writer.query('BEGIN');
  for (let part = 0; part < 10; part++) {
    const [from, to] = [(part * rows) / 10, ((part + 1) * rows) / 10 - 1];
    await writer.query(`SAVEPOINT s; INSERT INTO huge SELECT i, ${part} FROM generate_series(${from}, ${to}) i`);
    await writer.query(
      part % 2 === 0
        ? 'RELEASE s'
        : `ROLLBACK TO s; INSERT INTO huge SELECT i, -1 FROM generate_series(${from}, ${to}) i`,
    );
  }
  await writer.query('COMMIT');
  const writtenMs = performance.now() - startMs;
  await waitFor(
    'the transaction to be applied',
    async () => {
      const { cdc } = (await pgfresh!.status()) as unknown as { cdc: { transactions: number } };
      return cdc.transactions > transactionsBefore;
    },
    minutes * 60_000,
  );
  const appliedMs = performance.now() - startMs - writtenMs;
  await busy.stop();
  const hit = (await hits()) - hitsBefore;
  const loop = (await pgfresh.metrics())
    .split('\n')
    .filter((line) => /loop/.test(line) && /cache/.test(line) && !line.startsWith('#'));
  expect(await ask(reader, 'SELECT count(*) FROM huge')).toEqual([[String(rows)]]);
  const text =
    `One transaction of ${rows.toLocaleString('en')} rows that stay (half as many more rolled back): written in ${Math.round(writtenMs / 1000)} s, ` +
    `applied ${Math.round(appliedMs / 1000)} s after its commit. Meanwhile ${busy.latenciesMs.length} reads of another table, ${hit} of them hits: p50 ${at(busy.latenciesMs, 0.5)} ms, ` +
    `p99 ${at(busy.latenciesMs, 0.99)} ms, longest ${at(busy.latenciesMs, 0.99999)} ms; quiet before: p50 ${at(quiet.latenciesMs, 0.5)} ms, p99 ${at(quiet.latenciesMs, 0.99)} ms.`;
  process.stdout.write(`${text}\n${loop.join('\n')}\n`);
  new SoakReport('soak-huge-transaction.md').note(text);
  // While the stream is behind nobody knows how fresh the cache is: others are answered by the origin meanwhile, and hit again afterwards.
  const before = await hits();
  await waitFor('hits to come back', async () => {
    expect(await ask(reader, 'SELECT v FROM small WHERE id = 1')).toEqual([[0]]);
    return (await hits()) > before;
  });
});
