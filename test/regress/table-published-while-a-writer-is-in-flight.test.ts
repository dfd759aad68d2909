// Lesson 10: ALTER PUBLICATION … ADD TABLE while a writer is in flight: what it wrote before is not streamed when it commits (C2, C4).
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { History } from '../model/history.ts';
import { publishedTablesOf, rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, startCluster, type Version } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const maxStalenessMs = 1000;
const clusters: Cluster[] = [];
let pgfresh: Pgfresh | undefined;
afterEach(async () => {
  await pgfresh?.stop();
  pgfresh = undefined;
  for (const cluster of clusters.splice(0)) await cluster.stop();
});

async function schedule(version: Version, env: Readonly<Record<string, string>>): Promise<string[]> {
  // A server of its own: while a writing transaction is open, no replication slot can be made.
  const cluster = await startCluster({ version });
  clusters.push(cluster);
  const database = await createDatabase(
    cluster.url,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
  );
  const history = new History({ keys: 1, level: 'strong', maxStalenessMs, slackMs: 2, nowMs: () => performance.now() });
  pgfresh = await startPgfresh({ upstream: database.url, env });
  const writer = new pg.Client({ connectionString: database.url });
  await writer.connect();
  await writer.query('BEGIN');
  await writer.query('UPDATE t SET v = 1 WHERE id = 1');
  const write = history.beginWrite(0, 2, 'origin');
  const read = async () => {
    const [bound] = history.beginRead(1, [0]);
    const [[version]] = (await rowsOf(pgfresh!.url, 'SELECT v FROM t WHERE id = 1')) as [[number]];
    history.judge(1, 'schedule', bound!, { version });
  };
  await waitFor('the table to be published', async () => {
    await read();
    return (await publishedTablesOf(database.url)).includes('public.t');
  });
  // Whatever is admitted during these reads was read before the commit.
  const rounds = async () => (await pgfresh!.status()).cache.hits;
  for (let i = 0; i < 50; i++) await read();
  if (env['PGFRESH_FAULTS'] !== undefined) {
    await waitFor('a hit of the old row', async () => {
      await read();
      return (await rounds()) > 0;
    });
  }
  await writer.query('COMMIT');
  history.acknowledge(write, 1);
  await writer.end();
  await delay(maxStalenessMs + 50);
  for (let i = 0; i < 20; i++) await read();
  // The barrier ends with the writer: the table is cached from then on.
  if (env['PGFRESH_FAULTS'] === undefined) {
    await waitFor('a hit of the new row', async () => {
      await read();
      return (await rounds()) > 0;
    });
  }
  await pgfresh.stop();
  pgfresh = undefined;
  await database.drop();
  return history.violations.map(({ rule }) => rule);
}

it.each([15, 18] as const)('on PostgreSQL %i nothing of before the commit is admitted', async (version) => {
  expect(await schedule(version, {})).toEqual([]);
});

it('the checker finds it when the barrier is switched off', async () => {
  expect(await schedule(15, { PGFRESH_FAULTS: 'barrier' })).toContain('max_staleness');
});
