// Lesson 4: a function that looks at the clock, the session or another table, anywhere in a statement, and the cached answer is wrong a second
// later. Every function that the server has is tried, not only those that we thought of.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { settingsFunctions } from '../../src/cache/analyse/volatility.ts';
import { Bench, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

describe.each(['pg15', 'pg18'] as const)('on %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let client: pg.Client;
  let bench: Bench;
  beforeAll(async () => {
    database = await createDatabase(inject(version), 'CREATE TABLE t (id int PRIMARY KEY, name text, day date)');
    client = await connect(database.url);
    bench = await Bench.open(database.url);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('no call of a volatile function, nor of a stable one that is not known to follow the settings, can be cached', async () => {
    const { rows } = await client.query<{ name: string; count: number; volatility: string }>(`
      SELECT DISTINCT proname AS name, n AS count, provolatile AS volatility FROM pg_proc,
        generate_series((pronargs - pronargdefaults)::int, pronargs::int) n
      WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile <> 'i' AND oid < 16384`);
    expect(rows.length).toBeGreaterThan(500);
    const trusted = new Set<string>();
    for (const { name, count, volatility } of rows) {
      const call = `pg_catalog."${name}"(${Array.from({ length: count }, () => 'id').join(', ')})`;
      if (!bench.analyse(`SELECT ${call} FROM t`).cacheable) continue;
      trusted.add(`${name} ${volatility}`);
    }
    const strangers = [...trusted].filter(
      (entry) => !entry.endsWith(' s') || !settingsFunctions.has(entry.slice(0, -2)),
    );
    // date(), time() … are casts: of a column of type int in this test, hence refused all the same.
    expect(strangers).toEqual([]);
  });

  it.each([
    'SELECT random() FROM t',
    'SELECT 1 FROM t WHERE random() < 1',
    'SELECT 1 FROM t ORDER BY random()',
    'SELECT 1 FROM t GROUP BY random()',
    'SELECT 1 FROM t GROUP BY id HAVING random() < 1',
    'SELECT 1 FROM t LIMIT random() * 5',
    'SELECT 1 FROM t OFFSET random() * 5',
    'SELECT DISTINCT ON (random()) 1 FROM t',
    'SELECT count(*) FILTER (WHERE random() < 1) FROM t',
    'SELECT string_agg(name, name ORDER BY random()) FROM t',
    'SELECT count(*) OVER (ORDER BY random()) FROM t',
    'SELECT count(*) OVER w FROM t WINDOW w AS (PARTITION BY random())',
    'SELECT count(*) OVER (ROWS random()::int PRECEDING) FROM t',
    'SELECT 1 FROM t JOIN t u ON random() < 1',
    'SELECT 1 FROM t, random() r',
    'SELECT 1 FROM t, LATERAL (SELECT random()) r',
    'SELECT 1 FROM t, (VALUES (random())) r',
    'SELECT (SELECT random()) FROM t',
    'SELECT 1 FROM t WHERE EXISTS (SELECT random())',
    'SELECT 1 FROM t WHERE id IN (SELECT random()::int)',
    'WITH r AS (SELECT random()) SELECT 1 FROM t, r',
    'WITH r AS (SELECT random()) SELECT 1 FROM t',
    'SELECT 1 FROM t UNION SELECT random()::int',
    'SELECT CASE WHEN id = 1 THEN random() END FROM t',
    'SELECT coalesce(id, random()) FROM t',
    'SELECT ARRAY[random()] FROM t',
    'SELECT ROW(random()) FROM t',
    'SELECT (ARRAY[1])[random()::int] FROM t',
    'SELECT greatest(1, random()) FROM t',
    'SELECT upper(random()::text) FROM t',
    'SELECT random() IS NULL FROM t',
    'SELECT id BETWEEN 1 AND random() FROM t',
    'SELECT id IN (1, random()) FROM t',
    'SELECT name LIKE random()::text FROM t',
    'SELECT (random()::text COLLATE "C") FROM t',
    'SELECT * FROM t TABLESAMPLE bernoulli (random())',
    'SELECT 1 FROM t GROUP BY GROUPING SETS ((id), (random()))',
  ])('%s', (sql) => {
    expect(bench.analyse(sql).cacheable).toBe(false);
  });

  it.each(['current_date', 'current_time', 'current_timestamp(0)', 'localtime', 'localtimestamp'])(
    '%s is refused',
    (sql) => expect(bench.verdict(`SELECT ${sql} FROM t`)).toBe('uncacheable.volatileFunction'),
  );

  it.each(['current_user', 'session_user', 'user', 'current_role', 'current_catalog', 'current_schema'])(
    '%s is the same for all sessions that share a key',
    (sql) => expect(bench.verdict(`SELECT ${sql} FROM t`)).toBe('t'),
  );

  it.each([
    "'now'",
    "' NOW '",
    "'Today'",
    "'tomorrow'::timestamptz",
    "date 'yesterday'",
    "E'\\x6eow'",
    "U&'\\006eow'",
    '$$now$$',
    "'no'\n'w'",
    "CAST('now' AS date)",
    "date('now')",
    "'now'::text::date",
    'name::date',
    "(name || '')::date",
  ])('a date column is not compared with %s', (value) =>
    expect(bench.verdict(`SELECT 1 FROM t WHERE day = ${value}`)).toBe('uncacheable.volatileFunction'),
  );

  it("the shape of a harmless string is not that of 'today'", () => {
    const harmless = bench.analyse("SELECT 1 FROM t WHERE day = '2020-01-01'");
    expect([harmless.cacheable, harmless.scope]).toEqual([true, 'shape']);
    expect(bench.analyse("SELECT 1 FROM t WHERE day = 'today'").cacheable).toBe(false);
  });
});
