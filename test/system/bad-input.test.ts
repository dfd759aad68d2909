/**
 * Issue 4, "Bad input": statements made to hurt the analysis give what PostgreSQL gives, rows or error, in every form of the protocol; and the next statement is
 * answered from the cache as ever, by the same cache thread. What the analysis alone makes of them: unit/analyse-bounds.
 */
import type pg from 'pg';
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { askAs, type Form, forms } from '../support/forms.ts';

const tables = Array.from(
  { length: 20 },
  (_, i) => `CREATE TABLE t${i} (id int PRIMARY KEY, a int); INSERT INTO t${i} VALUES (1, ${i});`,
);
const proxy = useProxy(tables.join('\n'), { args: ['--workers', '1'] });

const repeat = (text: string, count: number) => text.repeat(count);
const list = (count: number) => Array.from({ length: count }, (_, i) => i);

/** What it is, the statement, and for those that PostgreSQL answers whether it becomes a hit. */
const statements: readonly (readonly [what: string, sql: string, hits: boolean])[] = [
  ['what is no SQL', 'SELEC 1 FROM t1', false],
  ['an open string', "SELECT 'x", false],
  ['an open comment', 'SELECT 1 /* and so on', false],
  ['a relation that is not there', 'SELECT * FROM nowhere', false],
  ['a column that is not there', 'SELECT nothing FROM t1', false],
  ['an empty statement', '', false],
  ['a comment and nothing else', '-- nothing', false],
  ['1 MB of constants', `SELECT a FROM t1 WHERE id IN (${list(150_000)})`, false],
  ['1 MB of a string', `SELECT a, '${repeat('x', 1 << 20)}' FROM t1`, false],
  ['1 MB of blanks', `SELECT a FROM t1${repeat(' ', 1 << 20)}WHERE id = 1`, false],
  ['10,000 values in a list', `SELECT a FROM t1 WHERE id IN (${list(10_000)})`, true],
  [
    '10,000 rows of values',
    `SELECT count(*) FROM t1 JOIN (VALUES ${list(10_000).map((n) => `(${n})`)}) v (n) ON n = id`,
    false,
  ],
  [
    '500 tables',
    `SELECT count(*) FROM t0 ${list(500)
      .map((i) => `JOIN t${i % 20} x${i} ON x${i}.a = ${i % 20}`)
      .join(' ')}`,
    false,
  ],
  [
    '40 tables by comma',
    `SELECT count(*) FROM ${list(40).map((i) => `t${i % 20} x${i}`)} WHERE ${list(39)
      .map((i) => `x${i}.id = x${i + 1}.id`)
      .join(' AND ')}`,
    false,
  ],
  ['brackets in brackets', `SELECT ${repeat('(', 5_000)}1${repeat(')', 5_000)} FROM t1`, false],
  ['sub-selects in sub-selects', `SELECT ${repeat('(SELECT ', 150)}a${repeat(')', 150)} FROM t1`, false],
  ['a long chain of operators', `SELECT a${repeat('+1', 20_000)} FROM t1`, false],
  ['a long chain of UNION', `SELECT a FROM t1${repeat(' UNION ALL SELECT a FROM t1', 400)}`, false],
  ['a long chain of CASE', `SELECT ${repeat('CASE WHEN a = 1 THEN ', 150)}a${repeat(' END', 150)} FROM t1`, false],
  ['5,000 outputs beyond what PostgreSQL has', `SELECT ${list(5_000).map((i) => `a AS c${i}`)} FROM t1`, false],
  ['1,000 outputs', `SELECT ${list(1_000).map((i) => `a AS c${i}`)} FROM t1`, true],
  [
    '300 parameters of a row',
    `SELECT a FROM t1 WHERE (${list(300).map(() => 'id')}) = (${list(300).map(() => 1)})`,
    false,
  ],
];

async function told(client: pg.Client, form: Form, sql: string): Promise<string> {
  try {
    return JSON.stringify(await askAs(client, form, sql));
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

let [client, direct]: (pg.Client | null)[] = [null, null];

it.each(statements)('%s', async (_what, sql, hits) => {
  client ??= await proxy.session();
  direct ??= await proxy.session(proxy.originUrl);
  const sound = () => askAs(client!, 'simple', 'SELECT a FROM t2 WHERE id = 1');
  await proxy.warm(sound);
  const expected = await told(direct, 'simple', sql);
  for (const form of forms) {
    for (let i = 0; i < 2; i++) expect([form, await told(client, form, sql)]).toEqual([form, expected]);
    if (hits) await proxy.warm(() => told(client!, form, sql));
  }
  await proxy.warm(sound);
  expect((await proxy.pgfresh.status()).cacheThread).toMatchObject({ generation: 1, restarts: 0 });
});
