// Lesson 16: a table that the statement reads and the analysis does not know of: its changes invalidate nothing. The server knows which tables a
// statement reads: it locks them. Every cacheable statement of the corpus must name exactly those.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Bench, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { cacheable, schema } from '../unit/analyse-corpus.ts';

/** Tables in every place that a statement can have one. */
const places = [
  'SELECT (SELECT count(*) FROM whole) FROM customers',
  'SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM whole)) FROM customers',
  'SELECT max(id ORDER BY (SELECT a FROM whole LIMIT 1)) FROM customers',
  'SELECT count(*) OVER (PARTITION BY (SELECT a FROM whole LIMIT 1)) FROM customers',
  'SELECT count(*) OVER w FROM customers WINDOW w AS (ORDER BY (SELECT a FROM whole LIMIT 1))',
  'SELECT 1 FROM customers LIMIT (SELECT count(*) FROM whole)',
  'SELECT 1 FROM customers OFFSET (SELECT count(*) FROM whole)',
  'SELECT 1 FROM customers ORDER BY (SELECT a FROM whole LIMIT 1)',
  'SELECT 1 FROM customers GROUP BY (SELECT a FROM whole LIMIT 1)',
  'SELECT 1 FROM customers GROUP BY id HAVING id > (SELECT count(*) FROM whole)',
  'SELECT DISTINCT ON ((SELECT a FROM whole LIMIT 1)) 1 FROM customers',
  'SELECT 1 FROM customers JOIN orders ON EXISTS (SELECT FROM whole)',
  'SELECT 1 FROM customers, generate_series(1, (SELECT count(*) FROM whole)) g',
  'SELECT 1 FROM customers, LATERAL (SELECT FROM whole WHERE a = customers.id) l',
  'SELECT 1 FROM customers, (VALUES ((SELECT a FROM whole LIMIT 1))) v',
  'SELECT CASE WHEN EXISTS (SELECT FROM whole) THEN (SELECT count(*) FROM indexed) END FROM customers',
  'SELECT ARRAY[(SELECT a FROM whole LIMIT 1)], ARRAY(SELECT a FROM indexed) FROM customers',
  'SELECT ROW((SELECT a FROM whole LIMIT 1)), (ARRAY[1])[(SELECT a FROM whole LIMIT 1)] FROM customers',
  'SELECT coalesce((SELECT a FROM whole LIMIT 1), greatest((SELECT a FROM indexed LIMIT 1), 1)) FROM customers',
  'SELECT id IN (SELECT a FROM whole), id = ANY (SELECT a FROM indexed) FROM customers',
  'SELECT 1 FROM customers WHERE id BETWEEN 1 AND (SELECT count(*) FROM whole)',
  'SELECT 1 FROM customers WHERE (id, id) = (SELECT a, a FROM whole LIMIT 1)',
  'WITH w AS (SELECT * FROM whole) SELECT 1 FROM customers',
  'WITH w AS (SELECT * FROM whole) SELECT 1 FROM customers WHERE EXISTS (WITH x AS (SELECT FROM indexed) SELECT FROM x, w)',
  'WITH whole AS (SELECT 1) SELECT 1 FROM customers, whole, public.indexed',
  'SELECT 1 FROM customers WHERE id IN (WITH customers AS (SELECT a FROM whole) SELECT a FROM customers)',
  'SELECT id FROM customers UNION (SELECT a FROM whole EXCEPT SELECT a FROM indexed) ORDER BY 1',
  '(SELECT id FROM customers ORDER BY id LIMIT 1) UNION ALL (WITH w AS (SELECT a FROM whole) SELECT a FROM w)',
  'SELECT * FROM (SELECT * FROM (SELECT * FROM whole) a JOIN indexed b ON a.a = b.a) c',
  'SELECT (o).id IS NULL FROM customers o',
  'SELECT 1 FROM ((customers CROSS JOIN whole) LEFT JOIN indexed ON true)',
  'WITH RECURSIVE r AS (SELECT id FROM customers UNION SELECT a FROM whole, r WHERE EXISTS (SELECT FROM indexed)) TABLE r',
  'SELECT 1 FROM "Odd Name", shadow.things FETCH FIRST 2 ROWS ONLY',
];

describe.each(['pg15', 'pg18'] as const)('on %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let client: pg.Client;
  let bench: Bench;
  beforeAll(async () => {
    database = await createDatabase(inject(version), schema);
    client = await connect(database.url);
    await client.query('SET search_path = public');
    bench = await Bench.open(database.url);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it.each([...places, ...cacheable.map(([sql]) => sql)])('%s', async (sql) => {
    const analysis = bench.analyse(sql);
    if (!analysis.cacheable) return;
    const values = Array.from({ length: analysis.parameterCount }, () => null);
    await client.query('BEGIN');
    try {
      await client.query({ text: sql, values });
      const { rows } = await client.query<{ oid: number }>(
        `SELECT DISTINCT c.oid::int AS oid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.oid >= 16384 ORDER BY 1`,
      );
      expect([sql, [...analysis.relations].sort((a, b) => a - b)]).toEqual([sql, rows.map(({ oid }) => oid)]);
    } finally {
      await client.query('ROLLBACK');
    }
  });

  it('the places are cached at all', () => {
    const refused = places
      .map((sql) => `${bench.analyse(sql).reason}: ${sql}`)
      .filter((line) => !line.startsWith('null'));
    expect(refused).toEqual([]);
  });
});
