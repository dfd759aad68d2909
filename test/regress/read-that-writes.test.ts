// Lesson 15: a statement that looks like a read and writes, so that nobody fences it. The server knows: a transaction that has written has a
// transaction id. Every statement of the corpus that the server runs is asked.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Bench, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { cacheable, schema, statements, uncacheable } from '../unit/analyse-corpus.ts';

const more = [
  'SELECT bump()',
  'SELECT (SELECT bump())',
  'SELECT 1 WHERE bump() > 0',
  'SELECT * FROM bump()',
  'SELECT count(*) FROM base WHERE id = bump()',
  'SELECT 1 @@@ 1',
  'SELECT 1 WHERE 1 IN (SELECT bump())',
  'SELECT * FROM bumping',
  'SELECT * FROM nested',
  'SELECT w.bump_row FROM whole w',
  'SELECT (w).bump_row FROM whole w',
  "SELECT 'x'::checked",
  'VALUES (bump())',
  'EXPLAIN ANALYZE SELECT bump()',
  'EXPLAIN (ANALYZE true) INSERT INTO whole VALUES (1)',
  'COPY (SELECT bump()) TO STDOUT',
  'DECLARE cur CURSOR FOR SELECT bump()',
  'EXECUTE writing',
  'SELECT 1; INSERT INTO whole VALUES (1)',
  'WITH x AS (SELECT bump()) SELECT * FROM x',
  'WITH x AS (UPDATE whole SET a = 1 RETURNING *) SELECT 1',
  'SELECT 1 UNION ALL SELECT bump()',
  'SELECT * FROM guarded',
  "SELECT query_to_xml('insert into whole values (1)', true, true, '')",
  "SELECT nextval('s1'), setval('s1', 3)",
  'SELECT lo_create(0)',
  'SELECT * FROM whole FOR UPDATE',
  'SELECT * INTO fresh FROM whole',
];

const setup = `${schema}
  CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'INSERT INTO whole VALUES (1); SELECT 1';
  CREATE FUNCTION bump2(int, int) RETURNS int LANGUAGE sql AS 'INSERT INTO whole VALUES (1); SELECT 1';
  CREATE OPERATOR @@@ (leftarg = int, rightarg = int, function = bump2);
  CREATE FUNCTION bump_row(whole) RETURNS int LANGUAGE sql AS 'INSERT INTO whole VALUES (1); SELECT 1';
  CREATE FUNCTION bump_text(text) RETURNS bool LANGUAGE sql AS 'INSERT INTO whole VALUES (1); SELECT true';
  CREATE DOMAIN checked AS text CHECK (bump_text(value));
  CREATE VIEW bumping AS SELECT bump(); CREATE VIEW nested AS SELECT * FROM bumping;
  CREATE TABLE guarded (id int PRIMARY KEY); INSERT INTO guarded VALUES (1);
  ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
  CREATE POLICY p ON guarded USING (bump_text('x'));
  INSERT INTO whole VALUES (1); INSERT INTO customers (id) VALUES (1);`;

describe.each(['pg15', 'pg18'] as const)('on %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let client: pg.Client;
  let bench: Bench;
  beforeAll(async () => {
    database = await createDatabase(inject(version), setup);
    client = await connect(database.url);
    await client.query('SET search_path = public; PREPARE writing AS INSERT INTO whole VALUES (1)');
    bench = await Bench.open(database.url);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const inTransaction =
    /^(?!BEGIN|START|COMMIT|ROLLBACK|PREPARE TRANSACTION|VACUUM|COPY|DEALLOCATE|DISCARD|SET|RESET|LOAD|DO|CALL)/;
  const all = [...cacheable, ...uncacheable, ...statements].map(([sql]) => sql);

  it.each([...more, ...all.filter((sql) => inTransaction.test(sql) && !sql.includes('$1'))])('%s', async (sql) => {
    await client.query('BEGIN');
    let wrote = false;
    try {
      await client.query(sql);
      // What a cursor does, it does when it is read.
      if (sql.startsWith('DECLARE cur')) await client.query('FETCH ALL FROM cur');
      const { rows } = await client.query<{ xid: string | null }>(
        'SELECT pg_current_xact_id_if_assigned()::text AS xid',
      );
      wrote = rows[0]!.xid !== null;
    } catch {
      // The server refuses it: then it did nothing.
    } finally {
      await client.query('ROLLBACK');
    }
    const { readOnly, cacheable: mayCache } = bench.analyse(sql);
    expect([sql, wrote && readOnly, wrote && mayCache]).toEqual([sql, false, false]);
  });

  it('the statements above do write, or they would prove nothing', async () => {
    const writing: string[] = [];
    for (const sql of more) {
      await client.query('BEGIN');
      try {
        await client.query(sql);
        if (sql.startsWith('DECLARE cur')) await client.query('FETCH ALL FROM cur');
        const { rows } = await client.query<{ xid: string | null }>(
          'SELECT pg_current_xact_id_if_assigned()::text AS xid',
        );
        if (rows[0]!.xid !== null) writing.push(sql);
      } catch {
        // Not run by this server in this way.
      }
      await client.query('ROLLBACK');
    }
    expect(writing.length).toBeGreaterThanOrEqual(20);
  });
});
