// No level is slower than a stricter one for want of thought: who asks for his own writes alone is not held up by them more than he who asks for all, and a
// monotonic session that was told something by the origin comes back to hits.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { attachFakeCache, type FakeCache } from '../support/fake-cache.ts';
import { ask, useProxy } from '../support/fixture.ts';
import { createDatabase } from '../support/postgres.ts';
import { hangStream } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';
import { cachedConfig, startWorker, type TestWorker } from '../support/worker.ts';

describe('session', () => {
  const proxy = useProxy(
    `CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a SELECT i, 0 FROM generate_series(1, 20) i;
     CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b SELECT i, 0 FROM generate_series(1, 20) i;`,
    { ownServer: 18, args: ['--cache-max-staleness', '20s'] },
  );
  let resume: () => void = () => undefined;
  afterEach(() => resume());

  it('goes on hitting what its own write does not concern, while nothing has been heard of the write', async () => {
    const [own, other] = [await proxy.session(), await proxy.session()];
    await ask(own, 'SET pgfresh.consistency = session');
    await ask(other, 'SET pgfresh.consistency = session');
    const read = (table: string, id: number): string => `SELECT v FROM ${table} WHERE id = ${id}`;
    for (const [table, id] of [
      ['a', 1],
      ['a', 2],
      ['b', 1],
    ] as const) {
      await proxy.warm(() => ask(own, read(table, id)));
    }
    // The first of its kind is taken for a write to any row: the verdict comes behind it.
    await ask(own, 'UPDATE a SET v = 0 WHERE id = 3');
    await proxy.warm(() => ask(own, read('a', 2)));
    resume = await hangStream(proxy.originUrl);
    await ask(own, 'UPDATE a SET v = 5 WHERE id = 1');
    const hits = async () => (await proxy.pgfresh.status()).cache.hits;
    const before = await hits();
    expect(await ask(own, read('b', 1))).toEqual([[0]]);
    expect(await ask(own, read('a', 2))).toEqual([[0]]);
    expect((await hits()) - before).toBe(2);
    // The very row is the origin's to tell; to others it is as it was.
    expect(await ask(own, read('a', 1))).toEqual([[5]]);
    expect((await hits()) - before).toBe(2);
    expect(await ask(other, read('a', 1))).toEqual([[0]]);
    expect((await hits()) - before).toBe(3);
    // Nobody can say what that wrote.
    await ask(own, 'DO $$ BEGIN UPDATE b SET v = 6 WHERE id = 1; END $$');
    expect(await ask(own, read('b', 1))).toEqual([[6]]);
    expect(await ask(own, read('a', 2))).toEqual([[0]]);
    expect((await hits()) - before).toBe(3);
  });
});

describe('monotonic', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let worker: TestWorker;
  let cache: FakeCache;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createDatabase(inject('pg18'), 'CREATE TABLE t (v int); INSERT INTO t VALUES (1)');
  });
  afterAll(() => database.drop());
  afterEach(async () => {
    await client.end();
    await worker.stop();
    cache.store.check();
  });

  /** `SELECT 1` is in the cache, and then the origin is asked for something else. */
  async function toldByTheOrigin(): Promise<void> {
    worker = await startWorker(cachedConfig(inject('pg18')));
    cache = attachFakeCache(worker.runtime);
    client = new pg.Client({ connectionString: worker.url(database.url) });
    await client.connect();
    await ask(client, 'SET pgfresh.consistency = monotonic');
    await waitFor('a hit', async () => {
      const hits = worker.count('hits');
      await ask(client, 'SELECT 1');
      return worker.count('hits') > hits;
    });
  }

  it('waits for the round that its floor needs, and hits', async () => {
    await toldByTheOrigin();
    for (let i = 2; i < 12; i++) {
      await ask(client, `SELECT ${i}`);
      const [hits, misses] = [worker.count('hits'), worker.count('misses') + worker.count('passthrough')];
      for (let again = 0; again < 3; again++) expect(await ask(client, 'SELECT 1')).toEqual([[1]]);
      expect(worker.count('hits') - hits).toBe(3);
      expect(worker.count('misses') + worker.count('passthrough')).toBe(misses);
    }
  });

  it('asks the origin where no round comes', async () => {
    await toldByTheOrigin();
    cache.followNudges(false);
    await ask(client, 'SELECT 2');
    const [hits, fenced] = [worker.count('hits'), worker.reason('cache.fenced')];
    expect(await ask(client, 'SELECT 1')).toEqual([[1]]);
    expect([worker.count('hits') - hits, worker.reason('cache.fenced') - fenced]).toEqual([0, 1]);
    // The wait of one statement is not that of the next.
    cache.followNudges(true);
    cache.round();
    expect(await ask(client, 'SELECT 1')).toEqual([[1]]);
    expect(worker.count('hits') - hits).toBe(1);
  });
});
