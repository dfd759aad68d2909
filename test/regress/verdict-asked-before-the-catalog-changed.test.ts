// A verdict asked for just before the catalog changed was refused: of a statement prepared then it stayed unknown for ever what it means, so
// it was never answered from the cache again, and each run of it counted as a write of anything.
import { expect, inject, it } from 'vitest';
import { CacheClient } from '../support/cache-client.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

it('is of the catalog that it was asked under, while that is the one before', async () => {
  const tables = 'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)';
  const database = await createDatabase(inject('pg18'), tables);
  const cache = await CacheClient.start(database.url);
  const read = 'SELECT * FROM t WHERE id = 1';
  try {
    await cache.live();
    /** A change that has been noticed, and the context under it. */
    const after = async (ddl: string) => {
      const before = cache.reader.catalogVersion();
      await run(database.url, ddl);
      await waitFor('another catalog', () => cache.reader.catalogVersion() > before);
      return cache.context();
    };
    const first = await cache.context();
    await run(database.url, 'ALTER TABLE t ADD COLUMN v int');
    // While the catalog is being loaded, too.
    await waitFor('the end of the first catalog', () => cache.reader.catalogVersion() > first.catalogVersion);
    const late = await cache.verdict(first.contextId, read);
    expect(late).toMatchObject({ cacheable: true, catalogVersion: first.catalogVersion });

    const second = await cache.context();
    const now = await cache.verdict(second.contextId, read);
    expect(now).toMatchObject({ cacheable: true, catalogVersion: second.catalogVersion });
    expect(now.signature).not.toBe(late.signature);
    expect((await cache.verdict(first.contextId, read)).signature).toBe(late.signature);
    // The same for what the change had nothing to do with.
    const other = async (contextId: number) =>
      (await cache.verdict(contextId, 'SELECT * FROM u WHERE id = 1')).signature;
    expect(await other(first.contextId)).toBe(await other(second.contextId));

    const third = await after('DROP TABLE u');
    expect(await cache.verdict(third.contextId, read)).toMatchObject({ signature: now.signature });
    expect(await cache.verdict(second.contextId, read)).toMatchObject({ catalogVersion: second.catalogVersion });
    await expect(cache.verdict(first.contextId, read)).rejects.toThrow('is not known');
  } finally {
    await cache.stop();
    await database.drop();
  }
});
