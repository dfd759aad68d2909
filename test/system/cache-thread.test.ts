import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CacheClient } from '../support/cache-client.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const setup = `
  CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL);
  INSERT INTO item SELECT i, 'item ' || i, i * 10 FROM generate_series(1, 100) i;
  CREATE TABLE other (id int PRIMARY KEY);
  CREATE TABLE keyless (v int);
`;
const one = 'SELECT name FROM item WHERE id = 1';
const two = 'SELECT name FROM item WHERE id = 2';
const all = 'SELECT count(*) FROM item';

describe.each(['pg15', 'pg18'] as const)('the cache thread in front of %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let cache: CacheClient;
  let direct: pg.Client;

  beforeAll(async () => {
    database = await createDatabase(inject(version), setup);
    direct = new pg.Client({ connectionString: database.url });
    await direct.connect();
    cache = await CacheClient.start(database.url);
    await cache.live();
  });
  afterAll(async () => {
    await cache.stop();
    const publications = await direct.query("SELECT FROM pg_publication WHERE pubname LIKE 'pgfresh%'");
    await direct.end();
    await database.drop();
    expect(publications.rowCount).toBe(0);
  });

  const gone = (contextId: number, text: string): Promise<void> =>
    waitFor(`no entry for ${text}`, () => cache.find(contextId, text) === null);

  it('caches an answer and gives it up when exactly its row changes', async () => {
    const { contextId, reason } = await cache.context();
    expect(reason).toBe(null);
    const verdict = await cache.verdict(contextId, one);
    expect(verdict).toMatchObject({ cacheable: true, readOnly: true, scope: 'shape' });
    expect(await cache.cache(contextId, one)).toBe('[["item 1"]]');
    await cache.cache(contextId, two);
    await cache.cache(contextId, all);
    await direct.query("UPDATE item SET name = 'changed' WHERE id = 1");
    await gone(contextId, one);
    await cache.nextRound();
    expect(cache.find(contextId, two)).toBe('[["item 2"]]');
    expect(cache.find(contextId, all)).toBe(null);
    expect(await cache.cache(contextId, one)).toBe('[["changed"]]');
    const status = await cache.thread.calls.status();
    expect(status.publishedTables).toContain('public.item');
    expect(status.cdc.state).toBe('streaming');
    expect(status.invalidated).toBeGreaterThanOrEqual(2);
  });

  it('refuses an answer that was asked for before a change that it does not contain', async () => {
    const { contextId } = await cache.context();
    await cache.cache(contextId, two);
    const token = cache.token();
    await direct.query("UPDATE item SET name = 'later' WHERE id = 2");
    await gone(contextId, two);
    cache.offer(contextId, two, token, 'stale');
    await waitFor('the refusal', async () => ((await cache.thread.calls.status()).reasons['fill.changed'] ?? 0) > 0);
    expect(cache.find(contextId, two)).toBe(null);
  });

  it('forgets everything about a truncated table', async () => {
    const { contextId } = await cache.context();
    await cache.cache(contextId, 'SELECT count(*) FROM other');
    await cache.cache(contextId, 'SELECT id FROM other WHERE id = 5');
    await cache.cache(contextId, one);
    await direct.query('TRUNCATE other');
    await gone(contextId, 'SELECT count(*) FROM other');
    await gone(contextId, 'SELECT id FROM other WHERE id = 5');
    expect(cache.find(contextId, one)).not.toBe(null);
  });

  it('forgets everything when the catalog changes, and learns the new one', async () => {
    const before = await cache.context();
    await cache.cache(before.contextId, one);
    await direct.query("ALTER TABLE item ADD COLUMN note text DEFAULT 'new'");
    await waitFor('the catalog to be noticed', () => cache.reader.catalogVersion() > before.catalogVersion);
    // The version rises first: from then on no worker uses a key of this context. The entries follow.
    await gone(before.contextId, one);
    await waitFor('a context', async () => (await cache.context()).contextId !== 0);
    const after = await cache.context();
    expect(after.contextId).not.toBe(before.contextId);
    expect(await cache.cache(after.contextId, 'SELECT note FROM item WHERE id = 1')).toBe('[["new"]]');
  });

  it('tells why a table cannot be cached, and what to do', async () => {
    const { contextId } = await cache.context();
    const verdict = await cache.verdict(contextId, 'SELECT * FROM keyless');
    expect(verdict).toMatchObject({ cacheable: false, reason: 'uncacheable.replicaIdentity' });
    const explanation = await cache.thread.calls.explain('SELECT * FROM keyless');
    expect(explanation.remedy).toMatch(/REPLICA IDENTITY/);
    const good = await cache.thread.calls.explain('SELECT name FROM item WHERE id IN (1, 2)');
    expect(good).toMatchObject({ cacheable: true, relations: ['public.item'], readOnly: true });
    expect(good.constraints.join()).toMatch(/public\.item: id IN/);
    await direct.query('INSERT INTO keyless VALUES (1); UPDATE keyless SET v = 2; DELETE FROM keyless');
  });

  it('takes a table that lost its key out of the publication, so that it can still be written', async () => {
    await run(
      database.url,
      'CREATE TABLE losing (id int CONSTRAINT losing_key PRIMARY KEY); INSERT INTO losing VALUES (1)',
    );
    await waitFor('the new table', async () => (await cache.context()).contextId !== 0);
    let { contextId } = await cache.context();
    await waitFor('an entry', async () => {
      contextId = (await cache.context()).contextId;
      if (contextId !== 0) await cache.fill(contextId, 'SELECT id FROM losing');
      return cache.find(contextId, 'SELECT id FROM losing') !== null;
    });
    await direct.query('ALTER TABLE losing DROP CONSTRAINT losing_key');
    await waitFor('the publication to be without it', async () => {
      const { rowCount } = await direct.query(
        "SELECT FROM pg_publication_tables WHERE pubname LIKE 'pgfresh%' AND tablename = 'losing'",
      );
      return rowCount === 0;
    });
    await direct.query('UPDATE losing SET id = 2');
  });

  it('knows sessions that it has no stream for', async () => {
    expect(await cache.context('postgres')).toMatchObject({ contextId: 0, reason: 'session.database' });
  });

  it('is down while the stream is lost, empty, and live again by itself', async () => {
    const { contextId } = await cache.context();
    await cache.cache(contextId, one);
    const token = cache.token();
    await direct.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'pgfresh stream' AND datname = current_database()`);
    // The epoch rises last, when the store is down and empty.
    await waitFor('the stream to be noticed as lost', () => cache.reader.streamEpoch() > token.streamEpoch);
    expect(cache.find(contextId, one)).toBe(null);
    await direct.query("UPDATE item SET name = 'meanwhile' WHERE id = 1");
    await cache.live();
    cache.offer(contextId, one, token, 'from before');
    await waitFor('the refusal', async () => ((await cache.thread.calls.status()).reasons['fill.generation'] ?? 0) > 0);
    const again = await cache.context();
    expect(await cache.cache(again.contextId, one)).toBe('[["meanwhile"]]');
    await direct.query("UPDATE item SET name = 'and on' WHERE id = 1");
    await gone(again.contextId, one);
  });

  it('survives the loss of its other connections', async () => {
    for (const name of ['pgfresh rounds', 'pgfresh work']) {
      const epoch = cache.reader.streamEpoch();
      await direct.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = $2',
        [name, database.name],
      );
      await waitFor(`the loss of ${name}`, () => cache.reader.streamEpoch() > epoch);
      await cache.live();
    }
    const { contextId } = await cache.context();
    await cache.cache(contextId, one);
  });

  it('begins anew when somebody drops its publication', async () => {
    const { contextId } = await cache.context();
    await cache.cache(contextId, one);
    const epoch = cache.reader.streamEpoch();
    const { rows } = await direct.query<{ pubname: string }>(
      "SELECT pubname FROM pg_publication WHERE pubname LIKE 'pgfresh%'",
    );
    await direct.query(`DROP PUBLICATION "${rows[0]!.pubname}"`);
    await waitFor('the loss to be noticed', () => cache.reader.streamEpoch() > epoch);
    await cache.live();
    const again = await cache.context();
    await cache.cache(again.contextId, one);
    await direct.query("UPDATE item SET name = 'x' WHERE id = 1");
    await gone(again.contextId, one);
  });
});
