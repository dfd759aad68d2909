// Lesson 5 (and 2): the name in a statement means another object than the one that was cached: an earlier schema, a temporary
// table, a user's function, operator or type. What a name means is compared with what the server says.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Names } from '../../src/cache/analyse/names.ts';
import { Bench, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

const names = ['t', 'u', 'pg_class', 'v', 'only_a', 'pg_stat_activity', 'nosuch', 'i', 's'];
const paths = ['a, b', 'b, a', 'b', 'pg_catalog, a', 'a, pg_catalog, b', 'nosuch, a', 'a, pg_temp', '"$user", public'];

describe.each(['pg15', 'pg18'] as const)('on %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let client: pg.Client;
  let bench: Bench;
  beforeAll(async () => {
    database = await createDatabase(
      inject(version),
      `CREATE SCHEMA a; CREATE SCHEMA b;
       CREATE TABLE a.t (id int PRIMARY KEY); CREATE TABLE b.t (id int PRIMARY KEY, x text); CREATE TABLE b.u (id int PRIMARY KEY);
       CREATE TABLE a.pg_class (id int PRIMARY KEY); CREATE VIEW a.v AS SELECT 1; CREATE TABLE b.v (id int PRIMARY KEY);
       CREATE TABLE a.only_a (id int PRIMARY KEY); CREATE INDEX i ON a.t (id); CREATE TABLE b.i (id int PRIMARY KEY);
       CREATE SEQUENCE a.s; CREATE TABLE b.s (id int PRIMARY KEY);
       CREATE SCHEMA f; CREATE FUNCTION f.upper(text) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
       CREATE FUNCTION f.upper(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
       CREATE SCHEMA o; CREATE FUNCTION o.mine(varchar, varchar) RETURNS bool LANGUAGE sql AS 'SELECT false'; CREATE OPERATOR o.= (leftarg = varchar, rightarg = varchar, function = o.mine);
       CREATE SCHEMA d; CREATE DOMAIN d.int8 AS int; CREATE DOMAIN d.date AS text; CREATE TABLE d.uuid (id int);
       CREATE TABLE b.w (id int PRIMARY KEY, code varchar(8), name text);`,
    );
    client = await connect(database.url);
    bench = await Bench.open(database.url);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it.each(paths)('with search_path %s names of relations mean what they mean to the server', async (path) => {
    await client.query(`SET search_path = ${path}`);
    const { rows } = await client.query<{ name: string; oid: number | null; schemas: string[] }>(
      `SELECT name, to_regclass(name)::oid::int8::int AS oid, current_schemas(true)::text[] AS schemas FROM unnest($1::text[]) name`,
      [names],
    );
    const known = new Names(bench.catalog, rows[0]!.schemas);
    for (const { name, oid } of rows)
      expect([name, known.relation({ relname: name })?.oid ?? null]).toEqual([name, oid]);
    await client.query('SET search_path = pg_catalog');
  });

  it.each([
    [['pg_catalog', 'b'], 'SELECT upper(name) FROM w', 'w'],
    [['pg_catalog', 'b', 'f'], 'SELECT upper(name) FROM w', 'uncacheable.userFunction'],
    [['pg_catalog', 'b', 'f'], 'SELECT pg_catalog.upper(name) FROM w', 'w'],
    [['pg_catalog', 'b'], "SELECT id FROM w WHERE code = 'x'", 'w(code=x)'],
    [['pg_catalog', 'b', 'o'], "SELECT id FROM w WHERE code = 'x'", 'uncacheable.userType'],
    [['pg_catalog', 'b', 'o'], "SELECT id FROM w WHERE code OPERATOR(pg_catalog.=) 'x'", 'w(code=x)'],
    [['pg_catalog', 'b', 'o'], 'SELECT id FROM w WHERE code IN ($1)', 'uncacheable.userType'],
    [['pg_catalog', 'b', 'o'], 'SELECT CASE code WHEN $1 THEN 1 END FROM w', 'uncacheable.userType'],
    [['pg_catalog', 'b', 'o'], 'SELECT nullif(code, $1) FROM w', 'uncacheable.userType'],
    [['pg_catalog', 'b', 'o'], 'SELECT 1 FROM w JOIN w x USING (code)', 'uncacheable.userType'],
    [['pg_catalog', 'b', 'o'], 'SELECT 1 FROM w WHERE code IN (SELECT code FROM w)', 'uncacheable.userType'],
    [['pg_catalog', 'b', 'd'], "SELECT 1 FROM w WHERE id = '1'::int8", 'w(id=1)'],
    [['d', 'pg_catalog', 'b'], "SELECT 1 FROM w WHERE id = '1'::int8", 'uncacheable.userType'],
    [['d', 'pg_catalog', 'b'], "SELECT 1 FROM w WHERE id = '1'::bigint", 'w(id=1)'],
    [['d', 'pg_catalog', 'b'], 'SELECT NULL::uuid FROM w', 'uncacheable.userType'],
  ] as const)('with schemas %j: %s', (schemas, sql, verdict) => {
    expect(bench.verdict(sql, { schemas })).toBe(verdict);
  });

  it('a new table in front changes what the next catalog says', async () => {
    const schemas = ['pg_catalog', 'a', 'b'];
    const before = bench.analyse('SELECT id FROM u', { schemas }).relations;
    await client.query('CREATE TABLE a.u (id int PRIMARY KEY)');
    const after = (await Bench.open(database.url)).analyse('SELECT id FROM u', { schemas }).relations;
    expect(after).not.toEqual(before);
    await client.query('DROP TABLE a.u');
  });
});
