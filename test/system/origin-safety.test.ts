import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { publishedTablesOf, rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  beforeEach(async () => {
    database = await createDatabase(
      inject(origin),
      `CREATE TABLE keyed (id int PRIMARY KEY, v int);
       INSERT INTO keyed SELECT i, i FROM generate_series(1, 20) AS i;
       CREATE TABLE keyless (id int, v int);
       INSERT INTO keyless SELECT * FROM keyed;
       CREATE TABLE nothing (id int PRIMARY KEY, v int);
       ALTER TABLE nothing REPLICA IDENTITY NOTHING;
       INSERT INTO nothing SELECT * FROM keyed;
       CREATE TABLE parent (id int PRIMARY KEY, v int);
       CREATE TABLE child () INHERITS (parent);
       INSERT INTO child SELECT * FROM keyed;
       CREATE TABLE losing (id int PRIMARY KEY, v int);
       INSERT INTO losing SELECT * FROM keyed;
       CREATE TABLE "Odd ""Name"", with $ and ;" ("Id" int PRIMARY KEY, v int);
       INSERT INTO "Odd ""Name"", with $ and ;" SELECT * FROM keyed;`,
    );
    pgfresh = await startPgfresh({ upstream: database.url });
  });

  afterEach(async () => {
    await pgfresh.stop();
    await database.drop();
  });

  const read = (table: string, column = 'id') => rowsOf(pgfresh.url, `SELECT v FROM ${table} WHERE ${column} = 1`);

  /** Reads `table` until an answer came from the cache, which is when it is published for sure. */
  async function warm(table: string, column = 'id'): Promise<void> {
    const before = (await pgfresh.status()).cache.hits;
    await waitFor(`a hit on ${table}`, async () => {
      await read(table, column);
      return (await pgfresh.status()).cache.hits > before;
    });
  }

  it('never publishes what would make the origin reject updates and deletes', async () => {
    for (let i = 0; i < 5; i++) for (const table of ['keyless', 'nothing', 'parent', 'child']) await read(table);
    await warm('keyed');
    const published = await publishedTablesOf(database.url);
    expect(published).toContain('public.keyed');
    expect(published.filter((table) => /keyless|nothing|parent|child/.test(table))).toEqual([]);
    for (const table of ['keyless', 'nothing', 'parent', 'child']) {
      for (const url of [pgfresh.url, database.url]) {
        await run(url, `UPDATE ${table} SET v = v + 1 WHERE id = 2; DELETE FROM ${table} WHERE id = 20`);
      }
    }
    expect(await rowsOf(pgfresh.url, 'SELECT v FROM keyless WHERE id = 2')).toEqual([[4]]);
  });

  it('lets a table that loses its primary key be updated and deleted from', async () => {
    await warm('losing');
    await run(database.url, 'ALTER TABLE losing DROP CONSTRAINT losing_pkey');
    await waitFor('losing to leave the publication', async () => {
      return !(await publishedTablesOf(database.url)).includes('public.losing');
    });
    await run(database.url, 'UPDATE losing SET v = 77 WHERE id = 1; DELETE FROM losing WHERE id = 2');
    await waitFor('the new row', async () => (await read('losing'))[0]?.[0] === 77);
  });

  it('publishes a table with an odd name, and sees its changes', async () => {
    const odd = '"Odd ""Name"", with $ and ;"';
    await warm(odd, '"Id"');
    await run(pgfresh.url, `UPDATE ${odd} SET v = 5000 WHERE "Id" = 1`);
    expect(await read(odd, '"Id"')).toEqual([[5000]]);
  });

  it('holds no transaction open on the origin and no lock on a table', async () => {
    await warm('keyed');
    const held = `SELECT a.query FROM pg_stat_activity a JOIN pg_locks l USING (pid)
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.state LIKE 'idle in transaction%'`;
    expect(await rowsOf(database.url, held)).toEqual([]);
    await run(database.url, "SET lock_timeout = '5s'; ALTER TABLE keyed ADD COLUMN w int DEFAULT 3; DROP TABLE keyed");
    // Direct DDL is promised within max_staleness, not at once.
    await expect
      .poll(() => read('keyed').then(String, (error) => error.message), { timeout: 10_000 })
      .toMatch(/does not exist/);
  });
});
