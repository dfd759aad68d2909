// Lesson 15, and what its EXECUTE of a PREPAREd SELECT needs: the text of an EXECUTE does not say what it runs. Each script is run on two sessions, one
// direct and one through pgfresh, several times over, so that a cached answer of another statement would show.
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { connectRaw, serialize, sqlState } from '../support/raw-client.ts';

const proxy = useProxy(`
  CREATE SCHEMA early; CREATE SCHEMA late;
  CREATE TABLE t (id int PRIMARY KEY, name text, price numeric(8,2), flag bool, day date, u uuid, big int8);
  INSERT INTO t SELECT n, 'n' || n, n * 1.5, n % 2 = 0, date '2020-01-01' + n, md5(n::text)::uuid, n * 10000000000 FROM generate_series(1, 20) n;
  INSERT INTO t VALUES (30, 'O''Brien -- /* ä', NULL, NULL, NULL, NULL, NULL);
  CREATE TABLE early.s (id int PRIMARY KEY, v text); CREATE TABLE late.s (id int PRIMARY KEY, v text);
  INSERT INTO early.s VALUES (1, 'early'); INSERT INTO late.s VALUES (1, 'late');
  CREATE FUNCTION make_anew() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE 'DEALLOCATE q'; EXECUTE 'PREPARE q (int) AS SELECT 99, $1'; RETURN 1; END $$`);

interface Told {
  readonly rows: unknown[][];
  readonly fields: readonly string[];
}

/** Rows and columns of the last statement of a text, or its SQLSTATE. */
async function tell(client: pg.Client, text: string): Promise<Told | string> {
  try {
    const result = await client.query({ text, rowMode: 'array' });
    const fields = (result.fields ?? []).map(({ name, dataTypeID, tableID }) => `${name} ${dataTypeID} ${tableID}`);
    return { rows: result.rows, fields };
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Both sessions say the same to each statement. */
async function same(script: readonly string[], times = 1): Promise<void> {
  const [direct, through] = [await proxy.session(proxy.originUrl), await proxy.session()];
  for (let round = 0; round < times; round++) {
    for (const text of script) expect(await tell(through, text), text).toEqual(await tell(direct, text));
  }
  await Promise.all([direct.end(), through.end()]);
}

async function prepared(prepare: string): Promise<pg.Client> {
  const client = await proxy.session();
  await proxy.warm(() => client.query('SELECT id FROM t WHERE id = 9'));
  await client.query(prepare);
  return client;
}

/** Until the EXECUTE hits. What was prepared under a catalog of before (roles that other tests make change it) is prepared again. */
async function warm(client: pg.Client, prepare: string, execute: string): Promise<void> {
  await proxy.warm(async () => {
    for (const text of ['DEALLOCATE ALL', prepare, execute, execute, execute]) await client.query(text);
  });
}

const reads: readonly (readonly [prepare: string, execute: string])[] = [
  ['PREPARE q AS SELECT * FROM t WHERE id = $1', 'EXECUTE q(7)'],
  ['PREPARE q (int) AS SELECT name FROM t WHERE id = $1', "EXECUTE q('7')"],
  ['prepare Q (text) as select id from t where name = $1;', " execute q ( 'O''Brien -- /* ä' ) ; "],
  ['PREPARE "Odd q" (uuid) AS SELECT id FROM t WHERE u = $1', `EXECUTE "Odd q"('A87FF679-a2f3e71d9181a67b7542122c')`],
  ['PREPARE q (numeric, bool) AS SELECT id FROM t WHERE price = $1 AND flag = $2', 'EXECUTE q(3.00, true)'],
  ['PREPARE q (bigint) AS SELECT id FROM t WHERE big > $1 ORDER BY id', 'EXECUTE q(-5)'],
  ['PREPARE q (int) AS SELECT count(*) FROM t WHERE id > $1 OR $1 IS NULL', 'EXECUTE q(NULL)'],
  ['PREPARE q (int[]) AS SELECT name FROM t WHERE id = ANY ($1)', "EXECUTE q('{1,2}')"],
  ['PREPARE q AS SELECT day FROM t WHERE day < $1 ORDER BY 1', "EXECUTE q('2020-01-05')"],
  ['PREPARE q AS SELECT count(*), sum(price) FROM t', 'EXECUTE q /* a comment */'],
  ['PREPARE q AS VALUES ((SELECT max(id) FROM t))', 'EXECUTE q'],
  ['PREPARE q (varchar(2)) AS SELECT id FROM t WHERE name = $1', "EXECUTE q('n11')"],
];

describe('EXECUTE of a prepared SELECT is answered from the cache', () => {
  it.each(reads)('%s; %s', async (prepare, execute) => {
    const direct = await proxy.session(proxy.originUrl);
    await direct.query(prepare);
    const expected = await tell(direct, execute);
    const client = await prepared(prepare);
    await warm(client, prepare, execute);
    expect(await tell(client, execute)).toEqual(expected);
    // Another session that has prepared the same has it, too.
    const other = await prepared(prepare);
    await warm(other, prepare, execute);
    expect(await tell(other, execute)).toEqual(expected);
  });

  it('follows the rows that it shows, and keeps those that others write', async () => {
    const prepare = 'PREPARE q (int) AS SELECT name FROM t WHERE id = $1';
    const client = await prepared(prepare);
    for (const name of ['first', 'second']) {
      await warm(client, prepare, 'EXECUTE q(3)');
      await client.query(`UPDATE t SET name = '${name}' WHERE id = 3`);
      expect(await ask(client, 'EXECUTE q(3)')).toEqual([[name]]);
    }
    await warm(client, prepare, 'EXECUTE q(3)');
    const direct = await proxy.session(proxy.originUrl);
    await direct.query("UPDATE t SET name = 'n4' WHERE id = 4");
    await warm(client, prepare, 'EXECUTE q(3)');
  });

  it('inside transactions, and after a PREPARE in one that was rolled back', async () => {
    const client = await proxy.session();
    const prepare = ['DEALLOCATE ALL', 'BEGIN', 'PREPARE q (int) AS SELECT name FROM t WHERE id = $1', 'ROLLBACK'];
    await proxy.warm(async () => {
      for (const text of [...prepare, 'EXECUTE q(5)', 'BEGIN', 'EXECUTE q(5)', 'COMMIT']) await client.query(text);
    });
    expect(await ask(client, 'EXECUTE q(5)')).toEqual([['n5']]);
  });
});

describe('what a name stands for', () => {
  const select = (what: string) => `PREPARE q (int) AS SELECT ${what} FROM t WHERE id = $1`;
  const run = ['EXECUTE q(1)', 'EXECUTE q(1)', 'EXECUTE q(1)'];
  it.each([
    ['made anew', [select('name'), ...run, 'DEALLOCATE q', select('price'), ...run, 'DEALLOCATE PREPARE q']],
    ['gone', [select('name'), ...run, 'DEALLOCATE q', ...run]],
    ['gone with all', [select('name'), ...run, 'DEALLOCATE ALL', ...run, select('day'), ...run, 'DISCARD ALL', ...run]],
    ['gone by another spelling', [select('name'), ...run, 'deallocate /**/ "q"', ...run]],
    ['not made anew by a PREPARE that fails', [select('name'), ...run, select('price'), ...run, 'DEALLOCATE ALL']],
    ['made anew by a function', [select('name'), ...run, 'SELECT make_anew()', ...run, 'DEALLOCATE ALL']],
    [
      'made anew by one of several statements',
      [select('name'), ...run, `DEALLOCATE q; ${select('price')}`, ...run, 'DEALLOCATE ALL'],
    ],
    [
      'one of two made in one string',
      [`PREPARE a AS SELECT 1; ${select('name')}`, ...run, 'EXECUTE a', 'DEALLOCATE ALL'],
    ],
    [
      'not to be had with other arguments',
      [select('name'), ...run, 'EXECUTE q', 'EXECUTE q(1, 2)', "EXECUTE q('x')", 'DEALLOCATE q'],
    ],
    [
      'in another search_path',
      [
        'SET search_path = early',
        'PREPARE q AS SELECT v FROM s',
        'EXECUTE q',
        'EXECUTE q',
        'SET search_path = late',
        'EXECUTE q',
        'EXECUTE q',
        'SET search_path = early',
        'EXECUTE q',
        'DISCARD ALL',
      ],
    ],
  ])('%s', async (_, script) => same(script, 3));

  it.each([
    [
      'a number is no boolean',
      'PREPARE q (bool) AS SELECT count(*) FROM t WHERE flag = $1',
      "EXECUTE q('1')",
      'EXECUTE q(1)',
    ],
    ['a number is rounded', 'PREPARE q (int) AS SELECT name FROM t WHERE id = $1', 'EXECUTE q(2)', 'EXECUTE q(1.5)'],
    ['a string is not', 'PREPARE q (int) AS SELECT name FROM t WHERE id = $1', 'EXECUTE q(1.5)', "EXECUTE q('1.5')"],
  ])('%s', async (_, prepare, cached, execute) => {
    const client = await prepared(prepare);
    await warm(client, prepare, cached);
    await same([prepare, execute, cached, execute, 'DEALLOCATE q'], 3);
    await client.end();
  });

  it('under which the protocol closed it', async () => {
    const client = await connectRaw(proxy.url);
    const ask = async (...messages: Buffer[]) => {
      client.send(...messages);
      return client.until('Z');
    };
    await ask(serialize.query(select('name')));
    await proxy.warm(async () => {
      for (const text of ['DEALLOCATE ALL', select('name'), 'EXECUTE q(1)', 'EXECUTE q(1)', 'EXECUTE q(1)'])
        await ask(serialize.query(text));
    });
    await ask(serialize.close({ type: 'S', name: 'q' }), serialize.sync());
    const frames = await ask(serialize.query('EXECUTE q(1)'));
    expect(sqlState(frames.find(({ code }) => code === 'E'))).toBe('26000');
    client.close();
  });

  it('prepared again after DDL', async () => {
    const prepare = 'PREPARE q AS SELECT v FROM early.s';
    const client = await prepared(prepare);
    await warm(client, prepare, 'EXECUTE q');
    await client.query('CREATE TABLE unrelated (id int PRIMARY KEY)');
    await warm(client, prepare, 'EXECUTE q');
    expect(await ask(client, 'EXECUTE q')).toEqual([['early']]);
  });

  it('to another role, and after DDL', async () => {
    const prepare = 'PREPARE q (int) AS SELECT name FROM t WHERE id = $1';
    const client = await prepared(prepare);
    await warm(client, prepare, 'EXECUTE q(6)');
    await client.query('SET ROLE pg_monitor');
    expect(await tell(client, 'EXECUTE q(6)')).toBe('42501');
    await client.query('RESET ROLE');
    await client.query('ALTER TABLE t ALTER COLUMN name TYPE varchar(40)');
    for (let i = 0; i < 3; i++) expect(await tell(client, 'EXECUTE q(6)')).toBe('0A000');
  });
});

it('EXECUTE with an argument that is no plain constant is passed through', async () => {
  const client = await prepared('PREPARE q (int) AS SELECT name FROM t WHERE id = $1');
  for (const argument of ['1 + 1', "length('ab')", "E'2'", '2::int', '(2)', '+2', '02']) {
    const before = await proxy.hits();
    for (let i = 0; i < 3; i++) expect(await ask(client, `EXECUTE q(${argument})`)).toEqual([['n2']]);
    expect(await proxy.hits()).toBe(before);
  }
  expect((await proxy.pgfresh.status()).reasons['statement.execute']).toBeGreaterThan(0);
});
