// Lessons 4, 5, 6, 15 and 16 end to end, in each form of the protocol: a statement is recognised by its meaning, however it is sent. Every place and
// every function is tried against the analysis alone in the files named after these lessons.
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { askAs, askOnceAs, forms } from '../support/forms.ts';
import { run } from '../support/postgres.ts';

const proxy = useProxy(`
  CREATE SCHEMA early;
  DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = early, public', current_database()); END $$;
  CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric, u uuid, c char(4), day date);
  INSERT INTO public.t SELECT g, 'v' || g, g, md5(g::text)::uuid, 'c' || g, date '2020-01-01' + g FROM generate_series(1, 40) g;
  CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.t);
  CREATE TABLE public.other (id int PRIMARY KEY, v text); INSERT INTO public.other VALUES (1, 'other');
  CREATE TABLE public.log (id serial PRIMARY KEY, line text);
  CREATE VIEW public.seen AS SELECT * FROM public.t WHERE EXISTS (SELECT FROM public.other);
  CREATE SEQUENCE public.s;
  CREATE FUNCTION public.note() RETURNS bigint LANGUAGE sql AS $$ INSERT INTO public.log (line) VALUES ('noted'); SELECT count(*) FROM public.log $$`);

describe.each(forms)('%s', (form) => {
  const session = () => proxy.session();
  const read = (client: pg.Client, sql: string) => askAs(client, form, sql);
  const row = forms.indexOf(form) * 10 + 1;

  it.each([
    'SELECT clock_timestamp()::text FROM t LIMIT 1',
    "SELECT nextval('s') FROM t WHERE id = 1",
    'SELECT random() FROM t WHERE id = 1',
    'SELECT id FROM t ORDER BY random()',
    "SELECT CASE WHEN random() < 2 THEN nextval('s') END FROM seen LIMIT 1",
  ])('lesson 4: %s is never the answer of before', async (sql) => {
    const client = await session();
    const before = await proxy.hits();
    const answers = new Set<string>();
    for (let i = 0; i < 4; i++) answers.add(JSON.stringify(await read(client, sql)));
    expect(answers.size).toBe(4);
    expect(await proxy.hits()).toBe(before);
    await client.end();
  });

  it('lesson 4: a setting that the statement reads by name', async () => {
    const client = await session();
    const sql = "SELECT current_setting('app.form', true) FROM t WHERE id = 1";
    for (const value of ['one', 'two', 'one']) {
      await client.query(`SET app.form = '${value}'`);
      for (let i = 0; i < 3; i++) expect(await read(client, sql)).toEqual([[value]]);
    }
    await client.end();
  });

  it('lesson 5: a temporary table, and one in front, take the name', async () => {
    const [client, direct] = [await session(), await proxy.session(proxy.originUrl)];
    const sql = `SELECT v FROM t WHERE id = ${row}`;
    const same = async (what: string) => {
      const expected = await read(direct, sql);
      for (let i = 0; i < 3; i++) expect([what, await read(client, sql)]).toEqual([what, expected]);
      return expected;
    };
    await proxy.warm(() => read(client, sql));
    await same('nothing');
    for (const each of [client, direct]) {
      await each.query(`CREATE TEMP TABLE t AS SELECT ${row} AS id, 'temporary'::text AS v`);
    }
    await same('a temporary table');
    for (const each of [client, direct]) await each.query('DROP TABLE pg_temp.t');
    await same('no temporary table');
    await run(proxy.url, `CREATE TABLE early.t AS SELECT ${row} AS id, 'in front'::text AS v`);
    // A statement that was prepared before keeps its plan, and with it the table.
    if (form !== 'prepared') expect(await same('a table in front')).toEqual([['in front']]);
    const [freshDirect, fresh] = [await askOnceAs(proxy.originUrl, form, sql), await askOnceAs(proxy.url, form, sql)];
    expect([fresh, fresh]).toEqual([freshDirect, [['in front']]]);
    await run(proxy.url, 'DROP TABLE early.t');
    expect(await same('no table in front')).toEqual([[`v${row}`]]);
    await Promise.all([client.end(), direct.end()]);
  });

  it('lesson 6: constants that are equal to a value and are not its text', async () => {
    // A statement prepared while the table in front was still in the catalog would be taken for one on that table as long as it lives (C7).
    await proxy.warm(() => askOnceAs(proxy.url, form, `SELECT v FROM t WHERE id = ${row}`));
    const client = await session();
    const id = row + 1;
    const day = `Jan ${id + 1} 2020`;
    const uuid = (await askOnce(proxy.originUrl, `SELECT upper(u::text) FROM t WHERE id = ${id}`))[0]![0];
    const conditions = [
      `id = '0${id}'`,
      `id = ${id}.0`,
      `n = ${id}.000`,
      `u = '{${uuid}}'`,
      `c = 'c${id}   '`,
      `day = '${day}'`,
      `id BETWEEN '+${id}' AND ${id}`,
      `id IN (${id}, 900)`,
    ];
    const sqls = conditions.map((condition) => `SELECT v FROM t WHERE ${condition}`);
    for (const [i, sql] of sqls.entries()) await proxy.warm(() => read(client, sql), conditions[i]);
    await client.query(`UPDATE t SET v = 'changed' WHERE id = ${id}`);
    for (const sql of sqls) expect([sql, await read(client, sql)]).toEqual([sql, [['changed']]]);
    await client.end();
  });

  it.each([
    'WITH x AS (UPDATE t SET v = v RETURNING id) SELECT count(*) FROM x',
    'SELECT note()',
    "EXPLAIN (ANALYZE, COSTS OFF) INSERT INTO log (line) VALUES ('explained')",
    "DO $$ BEGIN INSERT INTO log (line) VALUES ('done'); END $$",
  ])('lesson 15: %s writes, and is run each time', async (sql) => {
    const [client, other] = [await session(), await session()];
    const shown = 'SELECT count(*) FROM log';
    for (let i = 0; i < 3; i++) {
      await proxy.warm(() => read(other, shown));
      await read(client, sql);
      expect(await read(other, shown)).toEqual(await askOnce(proxy.originUrl, shown));
    }
    await Promise.all([client.end(), other.end()]);
  });

  it('lesson 16: tables in sub-queries, views, heirs, CTEs', async () => {
    const client = await session();
    const reads = [
      'SELECT (SELECT v FROM other) FROM t WHERE id = 1',
      'WITH w AS (SELECT v FROM other) SELECT w.v FROM w, t WHERE t.id = 1',
      'SELECT count(*) FROM seen',
      'SELECT count(*) FROM t',
      'SELECT count(*) FROM ONLY t',
      'SELECT DISTINCT ON (v) v FROM other ORDER BY v, id',
      'SELECT v FROM other ORDER BY id FETCH FIRST 1 ROW WITH TIES',
      'SELECT id FROM t WHERE id = 1 UNION SELECT 1 FROM other ORDER BY 1',
    ];
    for (const sql of reads) await proxy.warm(() => read(client, sql), sql);
    for (const write of [
      `UPDATE other SET v = 'by ${form}'`,
      `INSERT INTO child (id, v) VALUES (${1_000 + row}, 'heir')`,
      'DELETE FROM other',
      `INSERT INTO other VALUES (1, '${form}')`,
    ]) {
      await client.query(write);
      for (const sql of reads) {
        expect([sql, write, await read(client, sql)]).toEqual([sql, write, await askOnce(proxy.originUrl, sql)]);
      }
    }
    await client.end();
  });
});
