/** Contexts as the origin reports them: what makes sessions alike, and what rules a session out. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import type { Catalog } from '../../src/cache/catalog.ts';
import { ContextRegistry, contextQuery, parseContext, parseNameArray } from '../../src/cache/context.ts';
import type { ContextAnswer, ContextRow } from '../../src/shared/messages.ts';
import { catalogOf } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

const counter =
  (first = 1) =>
  () =>
    first++;

describe.each(['pg15roles', 'pg18roles'] as const)('sessions of %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let catalog: Catalog;
  let registry: ContextRegistry;
  const role = `r_${version}`;

  beforeAll(async () => {
    database = await createDatabase(
      inject(version),
      `CREATE SCHEMA "a, ""b"" \\"; CREATE SCHEMA s; CREATE TABLE s.t (a int); CREATE DOMAIN s.whole AS int;
       CREATE FUNCTION s.f() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE ROLE ${role}; GRANT ${role} TO postgres`,
    );
    catalog = await catalogOf(database.url);
    registry = new ContextRegistry(catalog, 7, counter());
  });
  afterAll(async () => {
    await database.drop();
    await withSession(inject(version), '', (client) => client.query(`DROP ROLE ${role}`));
  });

  async function withSession<T>(url: string, setup: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(setup);
      return await use(client);
    } finally {
      await client.end();
    }
  }

  /** What the origin answers a session that has run `setup`, without the backend's pid. */
  function rowAfter(setup: string, url = database.url): Promise<ContextRow> {
    return withSession(url, setup, async (client) => {
      const text = contextQuery(catalog);
      const types = { getTypeParser: () => (value: string | Buffer) => String(value) };
      const { rows } = await client.query<(string | null)[]>({ text, rowMode: 'array', types });
      expect(rows[0]![0]).toMatch(/^\d+$/);
      return rows[0]!.slice(2);
    });
  }

  const answerAfter = async (setup: string): Promise<ContextAnswer> => registry.intern(await rowAfter(setup));

  it('are one context when they are alike', async () => {
    const first = await answerAfter('');
    expect(first).toEqual({ contextId: expect.any(Number), reason: null, catalogVersion: 7 });
    expect(await answerAfter('SELECT 1')).toEqual(first);
    expect(registry.get(first.contextId)).toMatchObject({
      databaseOid: catalog.databaseOid,
      schemas: ['pg_catalog', 'public'],
      clientEncoding: 'UTF8',
      standardStrings: true,
      temporary: 'none',
    });
  });

  it.each([
    'SET search_path = s',
    'SET search_path = s, pg_catalog',
    `SET ROLE r_${version}`,
    `SET SESSION AUTHORIZATION r_${version}`,
    `SET TimeZone = 'Asia/Tokyo'`,
    `SET DateStyle = 'German'`,
    `SET IntervalStyle = 'iso_8601'`,
    `SET bytea_output = 'escape'`,
    'SET extra_float_digits = 0',
    `SET client_encoding = 'LATIN1'`,
    `SET lc_monetary = 'C.UTF-8'`,
    `SET xmlbinary = 'hex'`,
    'SET array_nulls = off',
    'SET transform_null_equals = on',
    'SET row_security = off',
    `SET default_text_search_config = 'simple'`,
    `SELECT set_config('TimeZone', 'Asia/Tokyo', false)`,
    'SET synchronous_commit = off',
  ])('are another context after %s', async (setup) => {
    const plain = await answerAfter('');
    const other = await answerAfter(setup);
    expect(other.reason).toBeNull();
    expect(other.contextId).not.toBe(plain.contextId);
    // And the same one again: ids are for contexts, not for sessions.
    expect(await answerAfter(setup)).toEqual(other);
  });

  it('are the context they were when a setting is taken back', async () => {
    expect(await answerAfter(`SET TimeZone = 'Asia/Tokyo'; RESET TimeZone`)).toEqual(await answerAfter(''));
    expect(await answerAfter(`BEGIN; SET TimeZone = 'Asia/Tokyo'; ROLLBACK`)).toEqual(await answerAfter(''));
  });

  it.each([
    ['CREATE TEMP TABLE t (a int)', 'session.temporarySchema'],
    ['CREATE TYPE pg_temp.x AS ENUM ()', 'session.temporarySchema'],
    [`SET default_transaction_isolation = 'repeatable read'`, 'session.isolation'],
    [`SET default_transaction_isolation = 'serializable'`, 'session.isolation'],
    ['SET standard_conforming_strings = off', 'session.settings'],
  ])('cannot be served after %s, but their statements can be analysed', async (setup, reason) => {
    const answer = await answerAfter(setup);
    expect(answer).toMatchObject({ reason, catalogVersion: 7 });
    expect(answer.contextId).toBeGreaterThan(0);
    expect(registry.isKeyable(answer.contextId)).toBe(false);
    // Another session of the kind, with another role even, costs no other number.
    expect(await answerAfter(`SET ROLE r_${version}; ${setup}`)).toEqual(answer);
    expect(registry.isKeyable((await answerAfter('')).contextId)).toBe(true);
  });

  it.each([
    ['CREATE TEMP TABLE x (a serial PRIMARY KEY, b text DEFAULT upper(current_user)); CREATE INDEX ON x (b)', 'plain'],
    ['CREATE TEMP TABLE x (a int) PARTITION BY RANGE (a)', 'plain'],
    [`CREATE TYPE pg_temp.x AS ENUM ('a'); CREATE TEMP TABLE y (a pg_temp.x)`, 'plain'],
    ['CREATE TEMP VIEW x AS SELECT 1', 'other'],
    ['CREATE DOMAIN pg_temp.x AS int', 'other'],
    ['CREATE TYPE pg_temp.x AS (a int)', 'other'],
    ['CREATE TEMP TABLE x (a s.whole)', 'other'],
    ['CREATE TEMP TABLE x (a int DEFAULT s.f())', 'other'],
    ['CREATE TEMP TABLE x (a int CHECK (s.f() > a))', 'other'],
    ['CREATE TEMP TABLE x (a int); CREATE INDEX ON x ((a + s.f()))', 'other'],
    ['CREATE TEMP TABLE x (a int); ALTER TABLE x ENABLE ROW LEVEL SECURITY', 'other'],
    ['CREATE TEMP TABLE x (a int); CREATE RULE r AS ON INSERT TO x DO ALSO SELECT 1', 'other'],
    [
      'CREATE TEMP TABLE x (a int); CREATE TRIGGER g BEFORE UPDATE ON x FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
      'other',
    ],
  ])('know what stands in front after %s', async (setup, temporary) => {
    expect(parseContext(await rowAfter(setup)).temporary).toBe(temporary);
  });

  it('are like the others when their temporary tables are gone', async () => {
    expect(await answerAfter('CREATE TEMP TABLE t (a int); DROP TABLE t')).toEqual(await answerAfter(''));
  });

  it('of another database or server are told apart', async () => {
    const row = await rowAfter('', inject(version));
    expect(registry.intern(row).reason).toBe('session.database');
    const elsewhere = new ContextRegistry({ ...catalog, systemIdentifier: '1' }, 7, counter());
    expect(elsewhere.intern(await rowAfter('')).reason).toBe('session.standby');
    const restarted = new ContextRegistry({ ...catalog, postmasterStart: '00' }, 7, counter());
    expect(restarted.intern(await rowAfter('')).reason).toBe('session.standby');
  });

  it('know the names that are in sight, however odd', async () => {
    const context = parseContext(await rowAfter(`SET search_path = "a, ""b"" \\", nosuch, "$user", s`));
    expect(context.schemas).toEqual(['pg_catalog', 'a, "b" \\', 's']);
  });

  it('cannot fool the question with objects of their own', async () => {
    const hostile = `
      SET search_path = s, pg_catalog;
      CREATE FUNCTION s.current_setting(text, bool) RETURNS text LANGUAGE sql AS $$ SELECT 'UTC' $$;
      CREATE FUNCTION s.current_schemas(bool) RETURNS name[] LANGUAGE sql AS $$ SELECT '{lie}'::name[] $$;
      CREATE FUNCTION s.current_database() RETURNS name LANGUAGE sql AS $$ SELECT 'lie'::name $$;
      CREATE TABLE s.pg_roles (oid oid, rolname name);
      CREATE DOMAIN s.text AS varchar(1);
      CREATE FUNCTION s.never(oid, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
      CREATE OPERATOR s.= (leftarg = oid, rightarg = int, function = s.never);
      CREATE FUNCTION s.nobody(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
      CREATE OPERATOR s.= (leftarg = name, rightarg = name, function = s.nobody);`;
    const { rows } = await withSession(database.url, '', (client) =>
      client.query<(string | null)[]>({ text: contextQuery(catalog), rowMode: 'array' }),
    );
    const row = await withSession(database.url, `BEGIN; ${hostile}`, async (client) => {
      const answer = await client.query<(string | null)[]>({ text: contextQuery(catalog), rowMode: 'array' });
      await client.query('ROLLBACK');
      return answer.rows[0]!.slice(2);
    });
    const [honest, fooled] = [parseContext(rows[0]!.slice(2)), parseContext(row)];
    expect(fooled).toEqual({ ...honest, schemas: ['s', 'pg_catalog'], resolutionClass: fooled.resolutionClass });
  });

  it('are not more than the registry holds', async () => {
    const small = new ContextRegistry(catalog, 1, counter(100), 2);
    const rows = await Promise.all(
      ['UTC', 'Asia/Tokyo', 'Asia/Seoul'].map((zone) => rowAfter(`SET TimeZone = '${zone}'`)),
    );
    expect(rows.map((row) => small.intern(row).contextId)).toEqual([100, 101, 0]);
    expect(small.intern(rows[0]!).contextId).toBe(100);
    expect(small.size).toBe(2);
  });
});

it('a row of another length is refused', () => {
  expect(() => parseContext(['1'])).toThrow(TypeError);
});

it.each([
  ['{}', []],
  ['{a}', ['a']],
  ['{a,"b c","d\\"e","f\\\\",","}', ['a', 'b c', 'd"e', 'f\\', ',']],
])('the array %s holds its names', (text, names) => {
  expect(parseNameArray(text)).toEqual(names);
});
