import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ControlConnection } from '../../src/cache/control-connection.ts';
import {
  changedCatalogs,
  digestOfObjects,
  type Fingerprint,
  fingerprintSql,
  objectsDigestSql,
  parseFingerprint,
  refreshedViews,
} from '../../src/cache/fingerprint.ts';
import { openControl, uniqueName } from '../support/origin.ts';
import { createDatabase, run } from '../support/postgres.ts';

const role = uniqueName('fp_role');

const schema = `
  CREATE TABLE item (id int PRIMARY KEY, name text, n int);
  CREATE TABLE child (id int PRIMARY KEY, item int);
  CREATE TABLE part (id int, d int) PARTITION BY RANGE (d);
  CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10);
  CREATE TABLE loose (id int, d int);
  CREATE VIEW v AS SELECT id FROM item;
  CREATE MATERIALIZED VIEW mv AS SELECT id FROM item;
  CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TYPE mood AS ENUM ('sad');
  CREATE TYPE pair AS (a int, b int);
  CREATE DOMAIN small AS int;
  CREATE SCHEMA later;
  CREATE SCHEMA own;
  CREATE ROLE ${role}; CREATE ROLE ${role}_b;
  CREATE POLICY p ON child USING (true);
  INSERT INTO item SELECT i, 'x', i FROM generate_series(1, 100) i;`;

/** In order: each starts from what the ones before it left. */
const changes: readonly (readonly [statement: string, catalog: string])[] = [
  ['ALTER TABLE item ADD COLUMN extra int DEFAULT 7', 'pg_attribute'],
  ['ALTER TABLE item RENAME COLUMN extra TO other', 'pg_attribute'],
  ['ALTER TABLE item ALTER COLUMN other TYPE bigint', 'pg_attribute'],
  ['ALTER TABLE item ALTER COLUMN other SET DEFAULT 8', 'pg_attrdef'],
  ['ALTER TABLE item DROP COLUMN other', 'pg_attribute'],
  ['ALTER TABLE item ALTER COLUMN name SET NOT NULL', 'pg_attribute'],
  ['ALTER TABLE item RENAME TO item2', 'pg_class'],
  ['ALTER TABLE item2 RENAME TO item', 'pg_class'],
  ['ALTER TABLE loose SET SCHEMA later', 'pg_class'],
  ['ALTER TABLE later.loose SET SCHEMA public', 'pg_class'],
  ['CREATE TABLE own.item (id int)', 'pg_class'],
  ['DROP TABLE own.item', 'pg_class'],
  ['CREATE OR REPLACE VIEW v AS SELECT id FROM item WHERE id > 5', 'pg_rewrite'],
  ['ALTER VIEW v SET (security_barrier = true)', 'pg_class'],
  ['CREATE RULE quiet AS ON UPDATE TO loose DO INSTEAD NOTHING', 'pg_rewrite'],
  ["CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'", 'pg_proc'],
  ['ALTER FUNCTION f() IMMUTABLE', 'pg_proc'],
  ['CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS $$SELECT 2$$', 'pg_proc'],
  ['CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION trg()', 'pg_trigger'],
  ['ALTER TABLE item DISABLE TRIGGER t', 'pg_trigger'],
  ['ALTER TABLE part ATTACH PARTITION loose FOR VALUES FROM (10) TO (20)', 'pg_inherits'],
  ['ALTER TABLE part DETACH PARTITION loose', 'pg_inherits'],
  ['CREATE TABLE kid () INHERITS (item)', 'pg_inherits'],
  ['ALTER TABLE item ENABLE ROW LEVEL SECURITY', 'pg_class'],
  ['CREATE POLICY p ON item USING (id > 3)', 'pg_policy'],
  ['ALTER POLICY p ON item USING (id > 4)', 'pg_policy'],
  ['ALTER TABLE item DISABLE ROW LEVEL SECURITY', 'pg_class'],
  [`GRANT SELECT ON item TO ${role}`, 'pg_class'],
  [`REVOKE SELECT ON item FROM ${role}`, 'pg_class'],
  [`GRANT SELECT (id) ON item TO ${role}`, 'pg_attribute'],
  [`GRANT USAGE ON SCHEMA own TO ${role}`, 'pg_namespace'],
  [`REVOKE USAGE ON SCHEMA public FROM PUBLIC`, 'pg_namespace'],
  ['GRANT USAGE ON SCHEMA public TO PUBLIC', 'pg_namespace'],
  [`GRANT EXECUTE ON FUNCTION f() TO ${role}`, 'pg_proc'],
  [`ALTER TABLE child OWNER TO ${role}`, 'pg_class'],
  [`GRANT ${role} TO ${role}_b`, 'pg_auth_members'],
  [`REVOKE ${role} FROM ${role}_b`, 'pg_auth_members'],
  [`ALTER ROLE ${role} SET search_path = own`, 'pg_db_role_setting'],
  [`ALTER ROLE ${role} BYPASSRLS`, 'pg_roles'],
  [`CREATE ROLE ${role}_c`, 'pg_roles'],
  [`DROP ROLE ${role}_c`, 'pg_roles'],
  ['ALTER TABLE child REPLICA IDENTITY FULL', 'pg_class'],
  ['ALTER TABLE child REPLICA IDENTITY USING INDEX child_pkey', 'pg_index'],
  ['ALTER TABLE child DROP CONSTRAINT child_pkey', 'pg_constraint'],
  ['ALTER TABLE child ADD CONSTRAINT c_fk FOREIGN KEY (item) REFERENCES item', 'pg_constraint'],
  ['CREATE INDEX by_code ON item (lower(name))', 'pg_index'],
  ['DROP INDEX by_code', 'pg_index'],
  ['ALTER TABLE loose SET UNLOGGED', 'pg_class'],
  ["ALTER TYPE mood ADD VALUE 'glad'", 'pg_enum'],
  ['ALTER TYPE pair ADD ATTRIBUTE c int', 'pg_attribute'],
  ['ALTER DOMAIN small ADD CHECK (VALUE > 0)', 'pg_constraint'],
  ['CREATE TYPE fresh AS ENUM ()', 'pg_type'],
  ['CREATE CAST (int AS mood) WITH INOUT AS IMPLICIT', 'pg_cast'],
  ['CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)', 'pg_operator'],
  ["CREATE COLLATION sorted (provider = 'libc', locale = 'C')", 'pg_collation'],
  ['CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)', 'pg_ts_config'],
  ['ALTER TEXT SEARCH CONFIGURATION words DROP MAPPING FOR word', 'pg_ts_config_map'],
  ['REFRESH MATERIALIZED VIEW mv', 'materialized views'],
  ['REFRESH MATERIALIZED VIEW mv WITH NO DATA', 'pg_class'],
  ['GRANT CONNECT ON DATABASE :db TO PUBLIC', 'pg_database'],
  ['ALTER DATABASE :db SET search_path = own', 'pg_db_role_setting'],
  ['GRANT EXECUTE ON FUNCTION pg_catalog.int4eq(int, int) TO PUBLIC', 'pg_proc (built in)'],
];

/** Of the whole server: other test files change them while this one runs. */
const shared = ['pg_roles', 'pg_auth_members', 'pg_db_role_setting'];
const changedHere = (before: Fingerprint, after: Fingerprint): string[] =>
  changedCatalogs(before, after).filter((catalog) => !shared.includes(catalog));

const nothing: readonly string[] = [
  'INSERT INTO item SELECT i, $$y$$, i FROM generate_series(101, 2000) i',
  'UPDATE item SET n = n + 1',
  'DELETE FROM item WHERE id > 1000',
  'VACUUM item',
  'VACUUM (FREEZE, ANALYZE) item',
  'ANALYZE',
  'VACUUM',
  'VACUUM FULL item',
  'TRUNCATE part1',
  'REINDEX TABLE item',
  'CREATE UNIQUE INDEX item_n ON item (n, id)',
  'DROP INDEX item_n',
  'CREATE INDEX part_id ON part (id)',
  'CREATE INDEX CONCURRENTLY item_name ON item (name)',
  'REINDEX INDEX CONCURRENTLY item_name',
  'ALTER INDEX item_name RENAME TO item_by_name',
  'ALTER TABLE item SET (fillfactor = 90, autovacuum_enabled = false)',
  'CHECKPOINT',
  'SELECT txid_current()',
  'BEGIN; CREATE TABLE never (id int); ROLLBACK',
  'VACUUM FREEZE pg_catalog.pg_class',
  'VACUUM FREEZE pg_catalog.pg_attribute',
];

describe.each([15, 18] as const)('the catalog fingerprint of PostgreSQL %i', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let control: ControlConnection;
  let other: pg.Client;
  /** Each time the digest, too, in the same snapshot. */
  const take = async (): Promise<Fingerprint> => {
    const [row] = await control.query(`SELECT (${fingerprintSql}), ${objectsDigestSql}`);
    const fingerprint = parseFingerprint(row![0]!);
    expect(row![1]).toBe(digestOfObjects(fingerprint));
    return fingerprint;
  };

  beforeAll(async () => {
    database = await createDatabase(inject(`pg${version}roles`), schema);
    control = await openControl(database.url);
    other = new pg.Client({ connectionString: database.url });
    await other.connect();
  });
  afterAll(async () => {
    await control.end();
    await other.end();
    await database.drop();
    await run(inject(`pg${version}roles`), `DROP ROLE ${role}_b, ${role}`);
  });

  it('sees every kind of DDL, in the catalog where it shows', async () => {
    const wrong: string[] = [];
    let before = await take();
    for (const [statement, catalog] of changes) {
      await other.query(statement.replace(':db', database.name));
      const after = await take();
      const changed = changedCatalogs(before, after);
      if (!changed.includes(catalog)) wrong.push(`${statement}: [${changed.join(', ')}] without ${catalog}`);
      before = after;
    }
    expect(wrong).toEqual([]);
  });

  it('does not see data, maintenance, or what was rolled back', async () => {
    const wrong: string[] = [];
    let before = await take();
    for (const statement of nothing) {
      await other.query(statement);
      const after = await take();
      const changed = changedHere(before, after);
      if (changed.length > 0) wrong.push(`${statement}: ${changed.join(', ')}`);
      before = after;
    }
    expect(wrong).toEqual([]);
  });

  it('tells which materialized views were refreshed, and nothing besides', async () => {
    await other.query('CREATE MATERIALIZED VIEW mv2 AS SELECT id FROM item; CREATE UNIQUE INDEX ON mv2 (id)');
    const refresh = async (what: string) => {
      // Roles are the whole server's: once more when another file has changed them meanwhile.
      for (;;) {
        const before = await take();
        await other.query(`REFRESH MATERIALIZED VIEW ${what}`);
        const after = await take();
        if (changedCatalogs(before, after).every((catalog) => !shared.includes(catalog)))
          return refreshedViews(before, after);
      }
    };
    const oidOf = async (name: string) =>
      Number((await control.query(`SELECT 'public.${name}'::regclass::oid`))[0]![0]);
    await other.query('REFRESH MATERIALIZED VIEW mv');
    expect(await refresh('mv')).toEqual([await oidOf('mv')]);
    expect(await refresh('CONCURRENTLY mv2')).toEqual([await oidOf('mv2')]);
    expect(await refresh('mv2; CREATE TABLE beside (id int)')).toBeNull();
  });

  it('does not see temporary objects of other sessions', async () => {
    const before = await take();
    await other.query(`CREATE TEMP TABLE t (id serial PRIMARY KEY, big text DEFAULT 'x', CHECK (id > 0));
      CREATE INDEX ON t (big); CREATE TEMP VIEW tv AS SELECT * FROM t; CREATE TEMP TABLE tp (id int) PARTITION BY LIST (id);
      CREATE TEMP TABLE tp1 PARTITION OF tp FOR VALUES IN (1); CREATE TYPE pg_temp.tt AS (a int);
      CREATE FUNCTION pg_temp.tf() RETURNS int LANGUAGE sql AS 'SELECT 1'`);
    expect(changedHere(before, await take())).toEqual([]);
    await other.query(
      'ALTER TABLE t ADD COLUMN more int; DROP VIEW tv; DROP TABLE t; DROP TABLE tp; DROP TYPE pg_temp.tt',
    );
    expect(changedHere(before, await take())).toEqual([]);
  });

  it('can be read by a role without privileges', async () => {
    await other.query(`ALTER ROLE ${role}_b LOGIN PASSWORD 'x'; GRANT CONNECT ON DATABASE ${database.name} TO PUBLIC`);
    const full = await take();
    const plain = await openControl(database.url.replace('postgres:secret', `${role}_b:x`));
    const [row] = await plain.query(fingerprintSql);
    await plain.end();
    expect(changedHere(parseFingerprint(row![0]!), full)).toEqual([]);
  });
});
