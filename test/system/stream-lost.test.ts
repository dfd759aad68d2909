// Issue 5, bad input: the slot is invalidated or dropped, the publication is changed by somebody else, a table loses its replica identity. Each is noticed,
// the reason is shown, and no stale answer is given.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { publicationsOf, rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, run, startCluster } from '../support/postgres.ts';
import { hangStream } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

const maxStalenessMs = 300;
const slot = 'pgfresh_lost_slot';
const sql = 'SELECT v FROM t WHERE id = 1';
let cluster: Cluster;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
let version = 0;
/** Lines printed before the test. */
let linesBefore = 0;
let resume: () => void = () => undefined;

beforeAll(async () => {
  cluster = await startCluster({ version: 15, settings: ['max_slot_wal_keep_size=1MB', 'wal_keep_size=0'] });
  database = await createDatabase(
    cluster.url,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
  );
  pgfresh = await startPgfresh({
    upstream: database.url,
    args: ['--cache-max-staleness', `${maxStalenessMs}ms`, '--cdc-slot', slot],
  });
}, 120_000);
beforeEach(async () => {
  await untilHit();
  linesBefore = pgfresh.lines.length;
});
afterEach(() => resume());
afterAll(async () => {
  await pgfresh?.stop();
  await cluster?.stop();
});

const read = async (): Promise<unknown> => (await rowsOf(pgfresh.url, sql))[0]![0];

async function untilHit(): Promise<void> {
  const hits = async () => (await pgfresh.status()).cache.hits;
  const before = await hits();
  await waitFor(
    `a hit of ${version}`,
    async () => {
      expect(await read()).toBe(version);
      return (await hits()) > before;
    },
    40_000,
  );
}

/** A direct write is seen once max_staleness has passed. */
async function writeAndSee(): Promise<void> {
  await run(database.url, `UPDATE t SET v = ${++version} WHERE id = 1`);
  await delay(maxStalenessMs + 5);
  for (let i = 0; i < 3; i++) expect(await read()).toBe(version);
}

const noticed = (reason: RegExp): Promise<void> =>
  waitFor(
    `a line that says ${reason}`,
    () => pgfresh.lines.slice(linesBefore).some((line) => reason.test(line)),
    20_000,
    () => pgfresh.lines.slice(linesBefore).join('\n'),
  );

it('a slot that the origin invalidated is made anew', async () => {
  const go = await hangStream(database.url);
  resume = () => {
    resume = () => undefined;
    go();
  };
  // More log than the slot may hold back, in segments of their own, then a checkpoint that gives it up.
  await run(database.url, 'CREATE TABLE filler (x text)');
  for (let i = 0; i < 3; i++) {
    await run(database.url, "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    await run(database.url, 'SELECT pg_switch_wal()');
  }
  const checkpoint = run(database.url, 'CHECKPOINT');
  await writeAndSee();
  // The checkpoint waits for the WAL sender to end, which it cannot while it is stopped.
  resume();
  await checkpoint;
  await noticed(/change stream ended/);
  await writeAndSee();
  await untilHit();
  await writeAndSee();
}, 120_000);

it('a slot that somebody dropped is made anew', async () => {
  await waitFor('the slot to be dropped', async () => {
    await rowsOf(
      database.url,
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${slot}'`,
    );
    return rowsOf(database.url, `SELECT pg_drop_replication_slot('${slot}')`).then(
      () => true,
      () => false,
    );
  });
  await noticed(/change stream ended/);
  await writeAndSee();
  await untilHit();
}, 120_000);

it.each([
  ['takes a table out of the publication', (name: string) => `ALTER PUBLICATION ${name} DROP TABLE t`],
  ['publishes inserts only', (name: string) => `ALTER PUBLICATION ${name} SET (publish = 'insert')`],
  ['drops the publication', (name: string) => `DROP PUBLICATION ${name}`],
])(
  'somebody %s',
  async (_what, statement) => {
    const [name] = await publicationsOf(database.url);
    await run(database.url, statement(`"${name}"`));
    await writeAndSee();
    await noticed(/took tables out of pgfresh's publication|publication .* does not exist/);
    await untilHit();
    await writeAndSee();
  },
  120_000,
);

it('a replica identity that is taken away is noticed, with the remedy, and the table can still be written', async () => {
  await run(database.url, 'ALTER TABLE t REPLICA IDENTITY NOTHING');
  version++;
  await waitFor('the table to leave the publication', () =>
    run(database.url, `UPDATE t SET v = ${version} WHERE id = 1`).then(
      () => true,
      () => false,
    ),
  );
  await delay(maxStalenessMs + 5);
  expect(await read()).toBe(version);
  await waitFor('the reason', async () => {
    await read();
    const { tables } = (await pgfresh.status()) as unknown as { tables: { uncacheable: readonly object[] } };
    return JSON.stringify(tables.uncacheable).includes('REPLICA IDENTITY');
  });
  await run(database.url, 'ALTER TABLE t REPLICA IDENTITY FULL');
  await untilHit();
  await writeAndSee();
}, 120_000);
