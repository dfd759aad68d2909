import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { CacheClient } from '../support/cache-client.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const setup = 'CREATE TABLE item (id int PRIMARY KEY, name text); INSERT INTO item VALUES (1, $$one$$), (2, $$two$$)';
const one = 'SELECT name FROM item WHERE id = 1';

it('says what an origin lacks and how to give it, and explains statements all the same', async () => {
  const database = await createDatabase(inject('pg18roles'), setup);
  const role = `r_${database.name}`;
  await run(
    database.url,
    `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT CREATE ON DATABASE ${database.name} TO ${role}`,
  );
  const cache = await CacheClient.start(database.url.replace('postgres:secret', `${role}:secret`));
  try {
    await waitFor('the diagnosis', async () => (await cache.thread.calls.status()).cdc.state === 'failed');
    const { cdc } = await cache.thread.calls.status();
    expect(cdc.problem).toMatch(/ALTER ROLE .* REPLICATION/);
    expect(cache.isLive).toBe(false);
    expect(await cache.thread.calls.explain(one)).toMatchObject({ cacheable: true });
    // Mended, it goes live without a restart.
    await run(database.url, `ALTER ROLE ${role} REPLICATION; ALTER TABLE item OWNER TO ${role}`);
    await cache.live();
    const { contextId } = await cache.context();
    await cache.cache(contextId, one);
  } finally {
    await cache.stop();
    await database.drop();
    await run(inject('pg18roles'), `DROP ROLE ${role}`);
  }
});

it('marks a table that it may not publish, with whose help it could', async () => {
  const database = await createDatabase(inject('pg15roles'), setup);
  const role = `r_${database.name}`;
  await run(
    database.url,
    `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'; GRANT CREATE ON DATABASE ${database.name} TO ${role};
     GRANT SELECT ON item TO ${role}`,
  );
  const cache = await CacheClient.start(database.url.replace('postgres:secret', `${role}:secret`));
  try {
    await cache.live();
    const { contextId } = await cache.context();
    const verdict = await cache.verdict(contextId, one);
    expect(verdict).toMatchObject({ cacheable: false, reason: 'uncacheable.notPublished' });
    const [marked] = (await cache.thread.calls.status()).uncacheableTables;
    expect(marked).toMatchObject({ reason: 'uncacheable.notPublished' });
    expect(marked!.remedy).toMatch(/GRANT/);
  } finally {
    await cache.stop();
    await database.drop();
    await run(inject('pg15roles'), `DROP ROLE ${role}`);
  }
});

it('keeps trying to reach an origin that is not there', async () => {
  const database = await createDatabase(inject('pg18roles'), setup);
  const cache = await CacheClient.start(database.url, { 'cdc.url': 'postgres://postgres:secret@127.0.0.1:1/nowhere' });
  try {
    await waitFor('the failure', async () => (await cache.thread.calls.status()).cdc.state === 'failed');
    const { cdc } = await cache.thread.calls.status();
    expect(cdc.problem).toMatch(/127\.0\.0\.1:1 cannot be reached/);
    expect(cdc.problem).not.toMatch(/secret/);
    expect(cache.isLive).toBe(false);
  } finally {
    await cache.stop();
    await database.drop();
  }
});

it('waits for a writer that began before its table was published', async () => {
  const database = await createDatabase(inject('pg18roles'), setup);
  const writer = new pg.Client({ connectionString: database.url });
  await writer.connect();
  const cache = await CacheClient.start(database.url);
  try {
    await cache.live();
    const { contextId } = await cache.context();
    // It holds only a lock that ALTER PUBLICATION does not wait for.
    await writer.query("BEGIN; UPDATE item SET name = 'in flight' WHERE id = 1");
    await cache.verdict(contextId, one);
    await waitFor('the table to be published', async () =>
      (await cache.thread.calls.status()).publishedTables.includes('public.item'),
    );
    await cache.fill(contextId, one);
    await waitFor('the refusal', async () => {
      const { reasons } = await cache.thread.calls.status();
      return (reasons['uncacheable.publishing'] ?? 0) > 0;
    });
    const late = cache.token();
    expect(cache.find(contextId, one)).toBe(null);
    await writer.query('COMMIT');
    cache.offer(contextId, one, late, '[["one"]]');
    expect(await cache.cache(contextId, one)).toBe('[["in flight"]]');
  } finally {
    await writer.end();
    await cache.stop();
    await database.drop();
  }
});

it('takes its state word down before it dies of a fault of its own', async () => {
  const database = await createDatabase(inject('pg18roles'), setup);
  const cache = await CacheClient.start(database.url, { faults: 'admin' });
  try {
    await cache.live();
    cache.thread.fault('throw');
    const exit = await cache.thread.exited;
    expect(exit.exitCode).toBe(1);
    expect(cache.isLive).toBe(false);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await waitFor('its slot to be gone', async () => {
      const { rowCount } = await client.query(
        "SELECT FROM pg_replication_slots WHERE database = current_database() AND slot_name LIKE 'pgfresh%'",
      );
      return rowCount === 0;
    });
    await client.end();
  } finally {
    await cache.session.end();
    await cache.kill();
    await database.drop();
  }
});
