/**
 * How fast a committed transaction of many rows is carried into the cache, by the number of entries, beside what `pg_recvlogical` alone drains: rows per
 * second from the acknowledgement of the commit until its last row has been applied, and the longest that the event loop was kept from anything else.
 *
 *   node bench/micro-cdc.ts [rows] [rounds]
 */
import { spawn } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import pg from 'pg';
import { Apply } from '../src/cache/apply.ts';
import { ChangeLog } from '../src/cache/change-log.ts';
import { DependencyIndex } from '../src/cache/dependency-index.ts';
import { ReplicationStream } from '../src/cache/replication.ts';
import { Settler } from '../src/cache/settle.ts';
import { monotonicClock } from '../src/shared/clock.ts';
import { type Cluster, startCluster } from '../test/support/postgres.ts';

const rows = Number(process.argv[2] ?? 300_000);
const rounds = Number(process.argv[3] ?? 3);
const publication = 'bench';
const deadlineMs = 120_000;

interface Figure {
  readonly rowsPerSecond: number;
  readonly stallMs: number | null;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Changes every row; the time when it was acknowledged. */
async function change(client: pg.Client): Promise<number> {
  await client.query('UPDATE big SET v = v + 1');
  return performance.now();
}

/** An index with an entry for each of the first `count` keys, and a stream that is applied to it. */
async function pgfresh(cluster: Cluster, client: pg.Client, relation: number, count: number): Promise<Figure> {
  const index = new DependencyIndex(() => ['id']);
  for (let i = 1; i <= count; i++) {
    index.add(i, [{ relation, terms: [{ column: 'id', values: [String(i)] }] }]);
  }
  let stamp = 0;
  const settler = new Settler({ nextStamp: () => ++stamp, publish: () => undefined, pendingMax: 1_000 });
  const store = { remove: (block: number) => index.remove(block) };
  const apply = new Apply({ index, log: new ChangeLog(), store, settler, ancestorsOf: () => [] });
  const { hostname, port } = new URL(cluster.url);
  const stream = new ReplicationStream({
    upstream: {
      ...{ host: hostname, port: Number(port), user: 'postgres', password: 'secret', database: 'postgres' },
      sslmode: 'disable',
    },
    ...{ applicationName: 'bench', slotName: `bench_${process.pid}`, temporary: true, publication, sink: apply },
    ...{ clock: monotonicClock, connectTimeoutMs: 60_000, slotTimeoutMs: 60_000, lagBytesMax: 1 << 40 },
    ...{ silence: { askMs: 60_000, deadMs: 600_000 }, statusMs: 1_000, messages: false },
  });
  await stream.start();
  const before = stream.transactions;
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const startMs = await change(client);
  loop.enable();
  await until('the transaction to be applied', () => stream.transactions > before);
  const seconds = (performance.now() - startMs) / 1000;
  loop.disable();
  await stream.stop();
  return { rowsPerSecond: rows / seconds, stallMs: loop.max / 1e6 };
}

/** The client that comes with PostgreSQL, writing to nowhere. */
async function recvlogical(cluster: Cluster, client: pg.Client): Promise<Figure> {
  const slot = `recv_${process.pid}`;
  await client.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  const target = ['-h', cluster.host, '-p', String(cluster.port), '-U', 'postgres', '-d', 'postgres', '--slot', slot];
  const options = ['-o', 'proto_version=1', '-o', `publication_names=${publication}`, '-f', '/dev/null', '--no-loop'];
  // The end is known only after the change: it is running before, and is told by what it confirms.
  const child = spawn(
    'pg_recvlogical',
    [...target, '--start', ...options, '--status-interval=1', '--fsync-interval=0'],
    {
      env: { ...process.env, PGPASSWORD: 'secret' },
      stdio: 'ignore',
    },
  );
  try {
    const state = "SELECT sent_lsn >= $1 AS reached FROM pg_stat_replication WHERE application_name = 'pg_recvlogical'";
    const sent = async (lsn: string) =>
      (await client.query<{ reached: boolean }>(state, [lsn])).rows[0]?.reached === true;
    await until('pg_recvlogical to be there', () => sent('0/0'));
    const startMs = await change(client);
    // A position behind the commit: the WAL sender has passed it when all of the transaction has been sent.
    const { rows: end } = await client.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn');
    await until('pg_recvlogical to have it all', () => sent(end[0]!.lsn));
    return { rowsPerSecond: rows / ((performance.now() - startMs) / 1000), stallMs: null };
  } finally {
    child.kill('SIGINT');
    await new Promise((resolve) => child.once('exit', resolve));
    // The WAL sender takes a moment to notice.
    await until('the slot to be free', () =>
      client.query(`SELECT pg_drop_replication_slot('${slot}')`).then(
        () => true,
        () => false,
      ),
    );
  }
}

async function main(): Promise<void> {
  const cluster = await startCluster({ version: 18, settings: ['max_wal_size=4GB', 'autovacuum=off'] });
  const client = new pg.Client({ connectionString: cluster.url });
  try {
    await client.connect();
    await client.query(`CREATE TABLE big (id int PRIMARY KEY, v int NOT NULL, note text NOT NULL)`);
    await client.query(`INSERT INTO big SELECT i, 0, 'note ' || i FROM generate_series(1, ${rows}) i`);
    await client.query(`CREATE PUBLICATION ${publication} FOR TABLE big`);
    const { rows: found } = await client.query<{ oid: number }>("SELECT 'big'::regclass::oid::int AS oid");
    const relation = found[0]!.oid;
    const ways: readonly (readonly [string, () => Promise<Figure>])[] = [
      ['pg_recvlogical to /dev/null', () => recvlogical(cluster, client)],
      ...[0, 10_000, 1_000_000].map(
        (count) =>
          [`pgfresh, ${count.toLocaleString('en')} entries`, () => pgfresh(cluster, client, relation, count)] as const,
      ),
    ];
    const figures = new Map<string, Figure[]>(ways.map(([name]) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, measure] of ways) {
        figures.get(name)!.push(await measure());
        // Dead rows of the last change would make the next one slower.
        await client.query('VACUUM big');
      }
    }
    process.stdout.write(`${rows} rows updated in one transaction, ${rounds} rounds, medians\n`);
    for (const [name, each] of figures) {
      const stalls = each.map(({ stallMs }) => stallMs).filter((value) => value !== null);
      const stall = stalls.length === 0 ? '' : `, event loop kept for at most ${median(stalls).toFixed(1)} ms`;
      process.stdout.write(
        `${name.padStart(28)}: ${Math.round(median(each.map(({ rowsPerSecond }) => rowsPerSecond)))} rows/s${stall}\n`,
      );
    }
  } finally {
    await client.end();
    await cluster.stop();
  }
}

await main();
process.exit();
