// Lesson 11: DDL without DML puts nothing on the stream, yet changes what a cached statement would answer.
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { askOnceAs, type Form, forms, queryAs } from '../support/forms.ts';
import { run } from '../support/postgres.ts';

const tables = ['added', 'dropped', 'renamed', 'retyped', 'shadowed', 'swapped', 'defaulted', 'parted', 'truncated'];
const proxy = useProxy(`
  CREATE SCHEMA early;
  DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = early, public', current_database()); END $$;
  ${[...tables, 'other'].map((t) => `CREATE TABLE public.${t} (id int PRIMARY KEY, v text); INSERT INTO public.${t} VALUES (1, '${t}');`).join('\n')}`);

interface Case {
  readonly table: string;
  readonly ddl: string;
  readonly sql: string;
}

const cases: readonly Case[] = [
  {
    table: 'added',
    ddl: "ALTER TABLE added ADD COLUMN w text DEFAULT 'filled'",
    sql: 'SELECT * FROM added WHERE id = 1',
  },
  { table: 'dropped', ddl: 'ALTER TABLE dropped DROP COLUMN v', sql: 'SELECT * FROM dropped WHERE id = 1' },
  { table: 'renamed', ddl: 'ALTER TABLE renamed RENAME COLUMN v TO value', sql: 'SELECT * FROM renamed WHERE id = 1' },
  {
    table: 'retyped',
    ddl: 'ALTER TABLE retyped ALTER COLUMN v TYPE int USING 42',
    sql: 'SELECT * FROM retyped WHERE id = 1',
  },
  {
    table: 'shadowed',
    ddl: "CREATE TABLE early.shadowed AS SELECT 1 AS id, 'in front' AS v",
    sql: 'SELECT v FROM shadowed WHERE id = 1',
  },
  {
    table: 'swapped',
    ddl: 'BEGIN; ALTER TABLE swapped RENAME TO away; ALTER TABLE other RENAME TO swapped; COMMIT',
    sql: 'SELECT v FROM swapped WHERE id = 1',
  },
  {
    table: 'parted',
    ddl: "CREATE TABLE child () INHERITS (parted); INSERT INTO child VALUES (1, 'child')",
    sql: 'SELECT v FROM parted WHERE id = 1 ORDER BY v',
  },
  { table: 'truncated', ddl: 'TRUNCATE truncated', sql: 'SELECT v FROM truncated WHERE id = 1' },
];

/** Column names, rows, or the error: all that a client could tell. */
async function shown(url: string, form: Form, sql: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { fields, rows } = await client.query(queryAs(form, sql));
    return JSON.stringify([fields.map(({ name, dataTypeID }) => [name, dataTypeID]), rows]);
  } catch (error) {
    return `error ${(error as { code?: string }).code}`;
  } finally {
    await client.end();
  }
}

describe.each(cases)('$ddl', ({ sql, ddl, table }) => {
  it('is seen by a statement that was cached before it, in every form', async () => {
    for (const form of forms) await proxy.warm(() => askOnceAs(proxy.url, form, sql), `a hit on ${table}, ${form}`);
    const before = await shown(proxy.originUrl, 'simple', sql);
    await run(proxy.originUrl, ddl);
    const after = await shown(proxy.originUrl, 'simple', sql);
    expect(after).not.toBe(before);
    // Direct changes are promised within max_staleness; once seen they must stay seen.
    for (const form of forms) {
      await expect.poll(() => shown(proxy.url, form, sql), { timeout: 10_000, message: form }).toBe(after);
      for (let i = 0; i < 4; i++) expect([form, await shown(proxy.url, form, sql)]).toEqual([form, after]);
    }
  });
});

it.each(forms)('DDL through pgfresh is seen at once, %s', async (form) => {
  const sql = 'SELECT * FROM defaulted WHERE id = 1';
  await proxy.warm(() => askOnceAs(proxy.url, form, sql));
  const [row] = await askOnceAs(proxy.url, form, sql);
  await run(proxy.url, `ALTER TABLE defaulted ADD COLUMN ${form} text DEFAULT 'now'`);
  expect(await askOnceAs(proxy.url, form, sql)).toEqual([[...row!, 'now']]);
});
