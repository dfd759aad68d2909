/** What statements leave in the session that runs them: which connection may run the next one depends on it (ADR-020). */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Bench } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

const schema = `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE watched (id int PRIMARY KEY);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER notes BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();
  CREATE FUNCTION own() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
  CREATE VIEW backend AS SELECT pg_backend_pid() AS pid; CREATE SEQUENCE s`;

const nothing = [
  'SELECT * FROM t WHERE id = 1',
  "INSERT INTO t VALUES (1, 'a')",
  'UPDATE t SET v = upper(v)',
  'SELECT * FROM t FOR UPDATE',
  'BEGIN',
  'SAVEPOINT a',
  'DECLARE c CURSOR FOR SELECT 1',
  'FETCH c',
  'COPY t TO STDOUT',
  'LOCK t',
  'NOTIFY here',
  'SELECT pg_advisory_xact_lock(1)',
  'SELECT random(), clock_timestamp()',
  'SET LOCAL ROLE other',
  'RESET ROLE',
  'EXPLAIN SELECT 1',
];

const pins: readonly (readonly [string, string])[] = [
  ['SELECT own()', 'pool.unknown'],
  ['INSERT INTO watched VALUES (1)', 'pool.unknown'],
  ['DO $$BEGIN END$$', 'pool.unknown'],
  ['CREATE TABLE u (id int)', 'pool.unknown'],
  ['CREATE TEMP TABLE u (id int)', 'pool.temporary'],
  ["SELECT nextval('s')", 'pool.sequence'],
  ['SELECT lastval()', 'pool.sequence'],
  ['SELECT pid FROM backend', 'pool.backend'],
  ['SELECT pg_try_advisory_lock(1)', 'pool.advisoryLock'],
  ['SELECT setseed(0.5)', 'pool.settings'],
  ['SET seed = 0.5', 'pool.settings'],
  ['SELECT set_config(v, v, false) FROM t', 'pool.settings'],
  ['SET ROLE other', 'pool.role'],
  ['SET SESSION AUTHORIZATION other', 'pool.role'],
  ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'pool.cursor'],
  ['LISTEN here', 'pool.listen'],
  ['PREPARE p AS SELECT 1', 'pool.prepare'],
  ['DISCARD PLANS', 'pool.discard'],
  ["LOAD 'auto_explain'", 'pool.load'],
  ['SELECT name FROM pg_prepared_statements', 'pool.prepare'],
  ['SELECT 1; LISTEN here', 'pool.listen'],
];

const settings: readonly (readonly [string, readonly string[]])[] = [
  ["SET TimeZone = 'UTC'", ['timezone']],
  ["SELECT set_config('app.tenant', $1, true)", ['app.tenant']],
  ["SET app.a = '1'; SET app.b = '2'", ['app.a', 'app.b']],
  ['RESET ALL', []],
];

describe('a statement', () => {
  let bench: Bench;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  beforeAll(async () => {
    database = await createDatabase(inject('pg18'), schema);
    bench = await Bench.open(database.url);
  });
  afterAll(() => database.drop());

  it.each(nothing)('leaves nothing that cannot be moved: %s', (sql) => {
    expect(bench.analyse(sql).pin).toBeNull();
  });
  it.each(pins)('pins its session: %s', (sql, reason) => {
    expect(bench.analyse(sql).pin).toBe(reason);
  });
  it.each(settings)('says which settings it changes: %s', (sql, names) => {
    const { pin, settings: changed, changesContext } = bench.analyse(sql);
    expect({ pin, names: [...changed].sort(), changesContext }).toEqual({ pin: null, names, changesContext: true });
  });
});
