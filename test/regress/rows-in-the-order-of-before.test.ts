// An update of a column that an answer does not show moves the row: what follows from the order of rows is as the origin has it now.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const proxy = useProxy(`
  CREATE TABLE t (id int PRIMARY KEY, grp int, v int, unused int);
  INSERT INTO t SELECT i, i % 2, i, 0 FROM generate_series(1, 8) i;
  CREATE TABLE complete (LIKE t INCLUDING ALL); ALTER TABLE complete REPLICA IDENTITY FULL; INSERT INTO complete SELECT * FROM t`);

const orderShows = [
  'SELECT v FROM T WHERE grp = 1',
  'SELECT v FROM T WHERE grp = 1 LIMIT 1',
  'SELECT array_agg(v) FROM T WHERE grp = 1',
  'SELECT ARRAY(SELECT v FROM T WHERE grp = 1)',
];
const staysTheSame = [
  'SELECT v FROM T WHERE id = 1',
  'SELECT v FROM T WHERE grp = 1 ORDER BY id',
  'SELECT count(*), sum(v) FROM T WHERE grp = 1',
];

it.each(['t', 'complete'])('table %s', async (table) => {
  const [through, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  const of = (statements: readonly string[]) => statements.map((sql) => sql.replaceAll(/\bT\b/g, table));
  for (let id = 1; id <= 5; id += 2) {
    for (const sql of [...of(orderShows), ...of(staysTheSame)]) await proxy.warm(() => ask(through, sql), sql);
    await through.query(`UPDATE ${table} SET unused = unused + 1 WHERE id = ${id}`);
    for (const sql of of(orderShows)) {
      expect({ sql, rows: await ask(through, sql) }).toEqual({ sql, rows: await ask(direct, sql) });
    }
  }
});

it('answers in which it cannot show stay in the cache', async () => {
  const through = await proxy.session();
  const reads = staysTheSame.map((sql) => sql.replaceAll(/\bT\b/g, 'complete'));
  const admitted = async () => {
    // A status may be a quarter of a second old.
    await delay(300);
    return (await proxy.pgfresh.status()).cache.admitted;
  };
  for (const sql of reads) await proxy.warm(() => ask(through, sql), sql);
  const before = await admitted();
  await through.query('UPDATE complete SET unused = unused + 1');
  // Nothing hits before the update is applied.
  for (const sql of reads) await proxy.warm(() => ask(through, sql), sql);
  expect(await admitted()).toBe(before);
});
