// Lesson 13: the cache served over a black-holed change stream. The WAL sender is stopped: connected, and silent.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../support/fixture.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, run, startCluster } from '../support/postgres.ts';
import { hangStream } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

const sql = 'SELECT v FROM t WHERE id = 1';
let pgfresh: Pgfresh;
let cluster: Cluster;
let database: Awaited<ReturnType<typeof createDatabase>>;
let sessions: pg.Client[] = [];
let resume: () => void = () => undefined;

async function begin(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<pg.Client[]> {
  database = await createDatabase(
    cluster.url,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
  );
  pgfresh = await startPgfresh({ upstream: database.url, args, env });
  sessions = [1, 2].map(() => new pg.Client({ connectionString: pgfresh.url }));
  for (const session of sessions) {
    await session.connect();
    await waitFor('a hit', async () => {
      const { hits } = (await pgfresh.status()).cache;
      await ask(session, sql);
      return (await pgfresh.status()).cache.hits > hits;
    });
  }
  resume = await hangStream(database.url);
  return sessions;
}

beforeAll(async () => {
  // A stopped process may hold a lock that others wait for: not on the server that all tests share.
  cluster = await startCluster({ version: 18 });
});
afterAll(() => cluster.stop());
afterEach(async () => {
  resume();
  resume = () => undefined;
  await Promise.all(sessions.map((session) => session.end()));
  await pgfresh.stop();
  await database.drop();
});

describe('while the change stream hangs', () => {
  it('a write through pgfresh is seen by every session at once (strong)', async () => {
    const [writer, reader] = await begin();
    for (let v = 1; v <= 10; v++) {
      await writer!.query(`UPDATE t SET v = ${v}`);
      expect([await ask(reader!, sql), await ask(writer!, sql)]).toEqual([[[v]], [[v]]]);
    }
  });

  it('a session sees its own write (session)', async () => {
    const [writer] = await begin(['--consistency', 'session']);
    await writer!.query('UPDATE t SET v = 1');
    expect(await ask(writer!, sql)).toEqual([[1]]);
  });

  it('a direct write is seen once max_staleness has passed, and hits come back when the stream goes on', async () => {
    const [reader] = await begin();
    await run(database.url, 'UPDATE t SET v = 5');
    await delay(1_010);
    for (let i = 0; i < 5; i++) expect(await ask(reader!, sql)).toEqual([[5]]);
    resume();
    const { hits } = (await pgfresh.status()).cache;
    await waitFor('hits to come back', async () => {
      expect(await ask(reader!, sql)).toEqual([[5]]);
      return (await pgfresh.status()).cache.hits > hits;
    });
  });

  it('the test notices when fences are switched off', async () => {
    const [writer, reader] = await begin([], { PGFRESH_FAULTS: 'fence' });
    let stale = 0;
    for (let v = 1; v <= 10; v++) {
      await writer!.query(`UPDATE t SET v = ${v}`);
      if ((await ask(reader!, sql))[0]![0] !== v) stale++;
    }
    expect(stale).toBeGreaterThan(0);
  });
});
