// Correction in place (C21): an answer of one row goes back into the store corrected, byte for byte what the origin sends, and nothing is
// corrected that is not certain.
import type pg from 'pg';
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { waitFor } from '../support/wait.ts';

const columns = `id int PRIMARY KEY, small smallint, big bigint, o oid, flag bool, t text, v varchar(8), u uuid, n numeric, c char(5), j json,
  jb jsonb, i inet, d date, m timestamp, z timestamptz, h time`;
const exact = 'id, small, big, o, flag, t, v, u';
const proxy = useProxy(
  `
  CREATE TABLE items (${columns}, f float8, twice int GENERATED ALWAYS AS (id * 2) STORED);
  INSERT INTO items (id, t) VALUES (1, 'first'), (2, NULL);
  CREATE TABLE pairs (a text, b int, v text, PRIMARY KEY (b, a));
  INSERT INTO pairs VALUES ('x', 1, 'one'), ('x', 2, 'two');
  CREATE TABLE whole (id int PRIMARY KEY, v text); ALTER TABLE whole REPLICA IDENTITY FULL; INSERT INTO whole VALUES (1, 'a'), (2, 'b');`,
);

type Question = pg.QueryArrayConfig & { readonly binary?: boolean };
const raw = { rowMode: 'array', types: { getTypeParser: () => (value: unknown) => value } } as const;

async function ask(client: pg.Client, question: Question): Promise<unknown> {
  const { rows, command, rowCount, fields } = await client.query(question);
  return { rows, command, rowCount, fields };
}

const corrected = async (): Promise<number> => (await proxy.pgfresh.status()).cache.corrected;

/** Warms the answer, writes past pgfresh, and says what readers get then without a miss. */
async function readAfter(question: Question, write: string, settings = "TimeZone = 'UTC'"): Promise<unknown> {
  const [session, writer] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  await session.query(`SET ${settings}`);
  await proxy.warm(() => ask(session, question));
  const before = await corrected();
  await writer.query(write);
  await proxy.pgfresh.waitForStatus('the correction', ({ cache }) => cache.corrected > before);
  const { misses } = (await proxy.pgfresh.status()).cache;
  let answer: unknown;
  // It is hit as soon as a round has confirmed it; nobody has to ask for it anew.
  await proxy.warm(async () => {
    answer = await ask(session, question);
  });
  expect((await proxy.pgfresh.status()).cache.misses).toBe(misses);
  return answer;
}

const values = `small = -3, big = 9007199254740993, o = 4294967295, flag = true, t = 'naïve ☃', v = '', u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  n = 1.500, c = 'ab', j = '{"a" : 1.0}', jb = '{"a" : 1.0}', i = '10.0.0.0/8', d = '2024-02-29', m = '2024-02-29 12:00:00.120',
  z = '2024-02-29 12:00:00+02', h = '12:00'`;
const nulls = values.replaceAll(/= (?:'[^']*'|[-\w.]+)/g, '= NULL');
const plain = columns
  .split(',')
  .map((column) => column.trim().split(' ')[0])
  .join(', ');

const questions: readonly (readonly [string, Question])[] = [
  ['simple protocol', { ...raw, text: `SELECT ${plain} FROM items WHERE id = 1` }],
  ['extended protocol', { ...raw, text: `SELECT ${plain} FROM items WHERE id = $1`, values: [1] }],
  [
    'a prepared statement',
    { ...raw, name: 'p', text: `SELECT t, id, t AS again FROM public.items x WHERE $1 = x.id`, values: ['1'] },
  ],
  ['binary format', { ...raw, text: `SELECT ${exact} FROM items WHERE id = $1`, values: [1], binary: true }],
];
const changes: readonly (readonly [string, string])[] = [
  ['an update', `UPDATE items SET ${values} WHERE id = 1`],
  ['an update to NULLs', `UPDATE items SET ${nulls} WHERE id = 1`],
  ['a delete', 'DELETE FROM items WHERE id = 1'],
  ['an insert', `INSERT INTO items (id, t, big) VALUES (1, 'new', -1)`],
  ['a key that goes', 'UPDATE items SET id = 7 WHERE id = 1'],
  ['a key that comes', `UPDATE items SET id = 1, t = 'back' WHERE id = 7`],
  [
    'several changes in a transaction',
    `BEGIN; UPDATE items SET t = 'a' WHERE id = 1; DELETE FROM items WHERE id = 1;
    INSERT INTO items (id, t) VALUES (1, 'b'); UPDATE items SET t = 'last' WHERE id = 1; COMMIT`,
  ],
];

it.each(questions)('%s: the origin sends the same', async (_, question) => {
  const direct = await proxy.session(proxy.originUrl);
  await direct.query("SET TimeZone = 'UTC'");
  for (const [what, write] of changes) {
    const answer = await readAfter(question, write);
    expect([what, answer]).toEqual([what, await ask(direct, question)]);
  }
});

it('a key of two columns, and old rows that are told whole', async () => {
  const direct = await proxy.session(proxy.originUrl);
  for (const [text, write] of [
    ["SELECT * FROM pairs WHERE a = 'x' AND b = 2", "UPDATE pairs SET v = 'zwei' WHERE b = 2"],
    ['SELECT * FROM whole WHERE id = 2', "UPDATE whole SET v = 'c' WHERE id = 2"],
    ['SELECT * FROM whole WHERE id = 2', 'UPDATE whole SET id = 3 WHERE id = 2'],
  ] as const) {
    const question = { ...raw, text };
    expect(await readAfter(question, write)).toEqual(await ask(direct, question));
  }
});

it.each([
  ['dates in another form', 'SELECT id, d FROM items WHERE id = 2', "DateStyle = 'SQL, DMY'"],
  ['times in another zone', 'SELECT id, z FROM items WHERE id = 2', "TimeZone = 'America/New_York'"],
  ['digits by a setting', 'SELECT id, f FROM items WHERE id = 2', 'extra_float_digits = 0'],
  ['a generated column', 'SELECT * FROM items WHERE id = 2', "TimeZone = 'UTC'"],
  ['an expression', 'SELECT id, upper(t) FROM items WHERE id = 2', "TimeZone = 'UTC'"],
  ['a second condition', "SELECT id, t FROM items WHERE id = 2 AND t <> 'gone'", "TimeZone = 'UTC'"],
  ['the key twice', 'SELECT id, t FROM items WHERE id = 2 AND id = 2', "TimeZone = 'UTC'"],
])('left to the next miss: %s', async (_, text, settings) => {
  const [session, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  for (const client of [session, direct]) await client.query(`SET ${settings}`);
  const question = { ...raw, text };
  await proxy.warm(() => ask(session, question));
  const before = await proxy.pgfresh.status();
  await direct.query(`UPDATE items SET d = coalesce(d, '2024-02-03') + 1, z = coalesce(z, '2024-01-01') + interval '1 day', f = coalesce(f, 0) + 0.1,
    t = CASE t WHEN 'here' THEN 'gone' ELSE 'here' END WHERE id = 2`);
  await proxy.pgfresh.waitForStatus('the change', ({ cache }) => cache.invalidated > before.cache.invalidated);
  const expected = await ask(direct, question);
  await waitFor(
    'the new answer',
    async () => JSON.stringify(await ask(session, question)) === JSON.stringify(expected),
  );
  await proxy.warm(() => ask(session, question));
  expect(await ask(session, question)).toEqual(expected);
  expect(await corrected()).toBe(before.cache.corrected);
});
