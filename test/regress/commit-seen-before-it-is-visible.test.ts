// Lesson 10: a fill that races an invalidation. A commit reaches the change stream before new snapshots see it: an answer asked
// for in between is old although the change has been applied already, and nothing will ever remove it (settle rule).
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { History } from '../model/history.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, startCluster } from '../support/postgres.ts';
import { hangCommit } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

const maxStalenessMs = 1000;
let cluster: Cluster;
let pgfresh: Pgfresh | undefined;

beforeAll(async () => {
  cluster = await startCluster({
    version: 18,
    settings: ['synchronous_standby_names=nobody', 'synchronous_commit=local'],
  });
});
afterEach(async () => {
  await pgfresh?.stop();
  pgfresh = undefined;
});
afterAll(() => cluster.stop());

/** Runs the schedule and returns what the checker has against the answers. */
async function schedule(env: Readonly<Record<string, string>>): Promise<string[]> {
  const database = await createDatabase(
    cluster.url,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
  );
  pgfresh = await startPgfresh({ upstream: database.url, env });
  const history = new History({ keys: 1, level: 'strong', maxStalenessMs, slackMs: 2, nowMs: () => performance.now() });
  const read = async () => {
    const [bound] = history.beginRead(1, [0]);
    const [[version]] = (await rowsOf(pgfresh!.url, 'SELECT v FROM t WHERE id = 1')) as [[number]];
    history.judge(1, 'schedule', bound!, { version });
    return version;
  };
  const cache = async () => (await pgfresh!.status()).cache;
  await waitFor('a hit', async () => {
    await read();
    return (await cache()).hits > 0;
  });
  const { invalidated } = await cache();
  const write = history.beginWrite(0, 2, 'origin');
  const commit = await hangCommit(database.url, 'UPDATE t SET v = 1 WHERE id = 1');
  await waitFor('the change to be applied', async () => (await cache()).invalidated > invalidated);
  // No snapshot of the origin shows it yet, so nobody may see it (C21: corrected answers wait, too).
  const early: number[] = [];
  for (let i = 0; i < 20; i++) if ((await read()) !== 0) early.push(i);
  expect(early).toEqual([]);
  await commit.release();
  history.acknowledge(write, 1);
  await delay(maxStalenessMs + 50);
  for (let i = 0; i < 20; i++) await read();
  await pgfresh.stop();
  pgfresh = undefined;
  await database.drop();
  return history.violations.map(({ rule }) => rule);
}

it('the answer of before the commit is not admitted', async () => {
  expect(await schedule({})).toEqual([]);
});

it('the checker finds it when the settle rule is switched off', async () => {
  expect(await schedule({ PGFRESH_FAULTS: 'settle' })).toContain('max_staleness');
});
