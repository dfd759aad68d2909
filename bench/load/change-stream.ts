/**
 * How fast a committed transaction of many rows is carried into the cache, and what `pg_recvlogical` alone drains: rows per second from the acknowledgement
 * of the commit until its last row has been applied, and the longest that the event loop was kept from anything else.
 */
import { spawn } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type pg from 'pg';
import { Apply } from '../../src/cache/apply.ts';
import { ChangeLog } from '../../src/cache/change-log.ts';
import { DependencyIndex } from '../../src/cache/dependency-index.ts';
import { ReplicationStream } from '../../src/cache/replication.ts';
import { Settler } from '../../src/cache/settle.ts';
import { monotonicClock } from '../../src/shared/clock.ts';

const changedRows = 200_000;
const publication = 'followed';
const deadlineMs = 120_000;

export const changedTableSql: readonly string[] = [
  'CREATE TABLE big (id int PRIMARY KEY, v int NOT NULL, note text NOT NULL)',
  `INSERT INTO big SELECT i, 0, 'note ' || i FROM generate_series(1, ${changedRows}) i`,
  `CREATE PUBLICATION ${publication} FOR TABLE big`,
];

interface Drained {
  readonly rowsPerSecond: number;
  /** Longest turn of the event loop, and processor time of each row; null where they are somebody else's. */
  readonly own: { readonly stallMs: number; readonly cpuUs: number } | null;
}

interface Origin {
  readonly port: number;
  readonly database: string;
  /** Of that database. */
  readonly client: pg.Client;
}

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
export async function applyChanges({ port, database, client }: Origin, count: number): Promise<Drained> {
  const { rows } = await client.query<{ oid: number }>("SELECT 'big'::regclass::oid::int AS oid");
  const relation = rows[0]!.oid;
  const index = new DependencyIndex(() => ['id']);
  for (let i = 1; i <= count; i++) {
    index.add(i, [{ relation, terms: [{ column: 'id', values: [String(i)] }] }]);
  }
  let stamp = 0;
  const settler = new Settler({ nextStamp: () => ++stamp, publish: () => undefined, pendingMax: 1_000 });
  const store = { remove: (block: number) => index.remove(block) };
  const apply = new Apply({ index, log: new ChangeLog(), store, settler, ancestorsOf: () => [] });
  const stream = new ReplicationStream({
    upstream: {
      ...{ host: '127.0.0.1', port, user: 'postgres', password: '', database },
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
  const cpuBefore = process.cpuUsage();
  await until('the transaction to be applied', () => stream.transactions > before);
  const seconds = (performance.now() - startMs) / 1000;
  loop.disable();
  const { user, system } = process.cpuUsage(cpuBefore);
  await stream.stop();
  return {
    rowsPerSecond: changedRows / seconds,
    own: { stallMs: loop.max / 1e6, cpuUs: (user + system) / changedRows },
  };
}

/** The client that comes with PostgreSQL, writing to nowhere. */
export async function drainAlone({ port, database, client }: Origin): Promise<Drained> {
  const slot = `recv_${process.pid}`;
  await client.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  const target = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-d', database, '--slot', slot];
  const options = ['-o', 'proto_version=1', '-o', `publication_names=${publication}`, '-f', '/dev/null', '--no-loop'];
  // The end is known only after the change: it is running before, and is told by what it confirms.
  const child = spawn(
    'pg_recvlogical',
    [...target, '--start', ...options, '--status-interval=1', '--fsync-interval=0'],
    { stdio: 'ignore' },
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
    return { rowsPerSecond: changedRows / ((performance.now() - startMs) / 1000), own: null };
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
