// A context asked for while the catalog was being loaded was refused, and the refusal remembered for as long as the catalog lasted:
// sessions with that context never hit again.
import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { CacheClient } from '../support/cache-client.ts';
import { createDatabase } from '../support/postgres.ts';

it('is answered once the catalog is there', async () => {
  const database = await createDatabase(inject('pg18'), 'CREATE TABLE t (id int PRIMARY KEY)');
  const direct = new pg.Client({ connectionString: database.url });
  await direct.connect();
  const cache = await CacheClient.start(database.url);
  try {
    await cache.live();
    const row = await cache.contextRow();
    for (let i = 0; i < 5; i++) {
      const before = cache.reader.catalogVersion();
      await direct.query(`CREATE TABLE another_${i} (id int)`);
      while (cache.reader.catalogVersion() === before) await new Promise((resolve) => setImmediate(resolve));
      expect(await cache.intern(row)).toMatchObject({ contextId: expect.any(Number), reason: null });
    }
  } finally {
    await cache.stop();
    await direct.end();
    await database.drop();
  }
});
