// Issue 5, bad input: the slot is invalidated or dropped, the publication is changed by somebody else, a table loses its replica identity. Each is noticed,
// the reason is shown, and no stale answer is given.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { publicationsOf, rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, run, startCluster } from '../support/postgres.ts';
import { hangStream } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

const maxStalenessMs = 500;
const sql = 'SELECT v FROM t WHERE id = 1';
let cluster: Cluster;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
let resume: () => void = () => undefined;

beforeAll(async () => {
  cluster = await startCluster({ version: 15, settings: ['max_slot_wal_keep_size=1MB', 'wal_keep_size=0'] });
}, 120_000);
afterEach(async () => {
  resume();
  resume = () => undefined;
  await pgfresh?.stop();
  await database?.drop();
});
afterAll(() => cluster.stop());

async function begin(...args: readonly string[]): Promise<void> {
  database = await createDatabase(
    cluster.url,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
  );
  pgfresh = await startPgfresh({
    upstream: database.url,
    args: ['--cache-max-staleness', `${maxStalenessMs}ms`, ...args],
  });
  await untilHit(0);
}

const read = async (): Promise<unknown> => (await rowsOf(pgfresh.url, sql))[0]![0];

async function untilHit(expected: number): Promise<void> {
  const hits = async () => (await pgfresh.status()).cache.hits;
  const before = await hits();
  await waitFor(
    `a hit of ${expected}`,
    async () => {
      expect(await read()).toBe(expected);
      return (await hits()) > before;
    },
    40_000,
  );
}

/** A direct write is seen once max_staleness has passed. */
async function writeAndSee(v: number): Promise<void> {
  await run(database.url, `UPDATE t SET v = ${v} WHERE id = 1`);
  await delay(maxStalenessMs + 5);
  for (let i = 0; i < 3; i++) expect(await read()).toBe(v);
}

const noticed = (reason: RegExp): Promise<void> =>
  waitFor(
    `a line that says ${reason}`,
    () => pgfresh.lines.some((line) => reason.test(line)),
    20_000,
    () => pgfresh.lines.join('\n'),
  );

const streamEnded = /change stream ended/;

it('a named slot that the origin invalidated is made anew', async () => {
  await begin('--cdc-slot', 'pgfresh_lost_slot');
  const go = await hangStream(database.url);
  resume = () => {
    resume = () => undefined;
    go();
  };
  // More log than the slot may hold back, in segments of their own, then a checkpoint that gives it up.
  for (let i = 0; i < 4; i++) {
    await run(database.url, 'CREATE TABLE IF NOT EXISTS filler (x text)');
    await run(database.url, "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    await run(database.url, 'SELECT pg_switch_wal()');
  }
  const checkpoint = run(database.url, 'CHECKPOINT');
  await writeAndSee(1);
  // The checkpoint waits for the WAL sender to end, which it cannot while it is stopped.
  resume();
  await checkpoint;
  await noticed(streamEnded);
  await writeAndSee(2);
  await untilHit(2);
  await writeAndSee(3);
}, 120_000);

it('a slot that somebody dropped is made anew', async () => {
  await begin('--cdc-slot', 'pgfresh_dropped_slot');
  await waitFor('the slot to be dropped', async () => {
    await rowsOf(
      database.url,
      "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'pgfresh_dropped_slot'",
    );
    return rowsOf(database.url, "SELECT pg_drop_replication_slot('pgfresh_dropped_slot')").then(
      () => true,
      () => false,
    );
  });
  await noticed(streamEnded);
  await writeAndSee(1);
  await untilHit(1);
}, 120_000);

it.each([
  ['takes a table out of the publication', (name: string) => `ALTER PUBLICATION ${name} DROP TABLE t`],
  ['drops the publication', (name: string) => `DROP PUBLICATION ${name}`],
  ['publishes inserts only', (name: string) => `ALTER PUBLICATION ${name} SET (publish = 'insert')`],
])(
  'somebody %s',
  async (_what, statement) => {
    await begin();
    const [name] = await publicationsOf(database.url);
    await run(database.url, statement(`"${name}"`));
    await writeAndSee(1);
    await noticed(/took tables out of pgfresh's publication|publication .* does not exist/);
    await untilHit(1);
    await writeAndSee(2);
  },
  120_000,
);

it('a replica identity that is taken away is noticed, with the remedy, and the table can still be written', async () => {
  await begin();
  await run(database.url, 'ALTER TABLE t REPLICA IDENTITY NOTHING');
  await waitFor('the table to leave the publication', () =>
    run(database.url, 'UPDATE t SET v = 1 WHERE id = 1').then(
      () => true,
      () => false,
    ),
  );
  await delay(maxStalenessMs + 5);
  expect(await read()).toBe(1);
  const status = (await pgfresh.status()) as unknown as { tables: { uncacheable: readonly object[] } };
  await waitFor('the reason', async () => {
    await read();
    const { tables } = (await pgfresh.status()) as unknown as typeof status;
    return JSON.stringify(tables.uncacheable).includes('REPLICA IDENTITY');
  });
  await run(database.url, 'ALTER TABLE t REPLICA IDENTITY FULL');
  await untilHit(1);
  await writeAndSee(2);
}, 120_000);
