// C24, C12: a primary whose synchronous standby is away. Whoever commits there waits, and nobody else does: not pgfresh's own statements, not the fills and
// hits of other rows, and what was committed but is not acknowledged shows to nobody before the origin shows it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, run, startCluster } from '../support/postgres.ts';
import { hangCommit } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

let cluster: Cluster;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;

/** Part of the tests: a pgfresh that waits for the standby itself never gets there. */
async function begin(): Promise<void> {
  pgfresh ??= await startPgfresh({ upstream: database.url });
}

beforeAll(async () => {
  cluster = await startCluster({
    version: 15,
    settings: ['synchronous_standby_names=nobody', 'synchronous_commit=local'],
  });
  database = await createDatabase(
    cluster.url,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 9) i',
  );
  // Sessions of this database wait for the standby unless they say that they do not.
  await run(cluster.url, `ALTER DATABASE ${database.name} SET synchronous_commit = on`);
});
afterAll(async () => {
  await pgfresh?.stop();
  await database?.drop();
  await cluster.stop();
});

const read = async (id: number): Promise<number> =>
  Number((await rowsOf(pgfresh.url, `SELECT v FROM t WHERE id = ${id}`))[0]![0]);
const cache = async () => (await pgfresh.status()).cache;

async function untilHit(id: number, expected: number): Promise<void> {
  await waitFor(`a hit of row ${id}`, async () => {
    const { hits } = await cache();
    expect(await read(id)).toBe(expected);
    return (await cache()).hits > hits;
  });
}

it('pgfresh makes what it needs on the origin, and rounds complete', async () => {
  await begin();
  await untilHit(1, 0);
});

it('one commit that hangs holds up its own rows and nobody else', async () => {
  await begin();
  await untilHit(1, 0);
  const { invalidated } = await cache();
  const commit = await hangCommit(database.url, 'UPDATE t SET v = 1 WHERE id = 1');
  await waitFor('the change to be applied', async () => (await cache()).invalidated > invalidated);
  // Others are admitted and hit, and written rows are seen at once: neither rounds nor the settle rule wait for the one that hangs.
  const through = new URL(pgfresh.url);
  through.searchParams.set('options', '-c synchronous_commit=local');
  for (const id of [2, 3]) {
    await untilHit(id, 0);
    await run(through.href, `UPDATE t SET v = 5 WHERE id = ${id}`);
    expect(await read(id)).toBe(5);
    await untilHit(id, 5);
  }
  for (let i = 0; i < 10; i++) expect(await read(1)).toBe(0);
  await commit.release();
  await waitFor('the commit to show', async () => (await read(1)) === 1);
  await untilHit(1, 1);
});
