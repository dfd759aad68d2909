// Lists that are corrected in place (C21): after a write the list goes back into the store as the origin answers it, byte for byte, and no miss follows.
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { announceSeed, seededRandom } from '../model/random.ts';
import { useProxy } from '../support/fixture.ts';

const raw = { rowMode: 'array', types: { getTypeParser: () => (value: unknown) => value } } as const;
type Question = pg.QueryArrayConfig & { readonly binary?: boolean };

const setup = `
  CREATE TABLE orders (id int PRIMARY KEY, customer int, state text, total numeric(10, 2), at timestamptz, gone date, code uuid);
  INSERT INTO orders SELECT i, i % 4, 's' || i % 3, i * 1.5, '2024-01-01 00:00:00+00'::timestamptz + i * interval '1 hour', NULL, md5(i::text)::uuid
    FROM generate_series(1, 16) i;
  CREATE TABLE lines (order_id int, line int, note text, PRIMARY KEY (order_id, line));
  INSERT INTO lines SELECT i / 3, i % 3, 'note ' || i FROM generate_series(0, 30) i;
  CREATE TABLE whole (id int PRIMARY KEY, owner int, v text); ALTER TABLE whole REPLICA IDENTITY FULL;
  INSERT INTO whole SELECT i, i % 2, 'w' || i FROM generate_series(1, 8) i`;

const code2 = 'c81e728d-9d4c-2f63-6f06-7f89cc14862c';
const questions: readonly Question[] = [
  { ...raw, text: 'SELECT id, state, total FROM orders WHERE customer = 1 ORDER BY id' },
  { ...raw, text: 'SELECT * FROM orders WHERE customer = $1 ORDER BY at DESC, id LIMIT 3', values: [2] },
  {
    ...raw,
    name: 'p',
    text: 'SELECT id, at FROM orders WHERE customer = $1 ORDER BY id DESC LIMIT $2 OFFSET $3',
    values: [1, 5, 0],
  },
  {
    ...raw,
    text: 'SELECT id, customer FROM orders WHERE state = $1 AND gone IS NULL ORDER BY id',
    values: ['s1'],
    binary: true,
  },
  { ...raw, text: 'SELECT o.id, o.code FROM orders o ORDER BY o.code, o.id LIMIT 4' },
  { ...raw, text: 'SELECT id, state FROM orders WHERE code = $1', values: [code2] },
  { ...raw, text: 'SELECT id, total, state FROM orders WHERE id = $1 LIMIT 1', values: [2] },
  { ...raw, text: 'SELECT line, note FROM lines WHERE order_id = $1 ORDER BY line', values: [1] },
  { ...raw, text: 'SELECT id, owner, v FROM whole ORDER BY id' },
  { ...raw, text: 'SELECT id, v FROM whole WHERE owner = 1 ORDER BY v, id LIMIT 3' },
];

async function ask(client: pg.Client, question: Question): Promise<unknown> {
  const { rows, command, rowCount, fields } = await client.query(question);
  return { rows, command, rowCount, fields };
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(setup, { origin });
  const corrected = async () => (await proxy.pgfresh.status()).cache.corrected;
  const sessions = async () => {
    const [reader, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
    for (const client of [reader, direct]) await client.query("SET TimeZone = 'UTC'");
    return { reader, direct };
  };

  it.each([
    ['a row changed', questions[0]!, "UPDATE orders SET state = 'neu', total = 0.1 WHERE id = 5"],
    ['a row that comes', questions[0]!, "INSERT INTO orders VALUES (0, 1, 'first', 1, now(), NULL, gen_random_uuid())"],
    ['a row that goes', questions[0]!, 'DELETE FROM orders WHERE id = 13'],
    ['a row that is no member any more', questions[0]!, 'UPDATE orders SET customer = 3 WHERE id = 9'],
    ['a row that is one now', questions[0]!, 'UPDATE orders SET customer = 1 WHERE id = 8'],
    ['another place', questions[8]!, 'UPDATE whole SET id = 20 WHERE id = 2'],
    [
      'a row in front of a full limit',
      questions[1]!,
      "INSERT INTO orders VALUES (40, 2, 'last', 2, now() + interval '1 day', NULL, NULL)",
    ],
    ['a row behind it', questions[1]!, "INSERT INTO orders VALUES (41, 2, 'old', 2, '1999-01-01', NULL, NULL)"],
    ['the one row of a key', questions[6]!, 'UPDATE orders SET total = total + 1 WHERE id = 2'],
    ['the one row of a value', questions[5]!, `UPDATE orders SET state = 'other' WHERE code = '${code2}'`],
    [
      'the rest of a key',
      questions[7]!,
      "BEGIN; DELETE FROM lines WHERE order_id = 1 AND line = 0; INSERT INTO lines VALUES (1, 7, 'new'); COMMIT",
    ],
    ['a value in binary format', questions[3]!, "UPDATE orders SET gone = '2024-02-02' WHERE id = 4"],
  ])('%s: what the origin answers, without a miss', async (_, question, write) => {
    const { reader, direct } = await sessions();
    await proxy.warm(() => ask(reader, question));
    // Confirmed by a round: before that it may show what the stream has not told.
    await proxy.warm(() => ask(reader, question));
    const before = await corrected();
    await direct.query(write);
    await proxy.pgfresh.waitForStatus('the correction', ({ cache }) => cache.corrected > before);
    const { misses } = (await proxy.pgfresh.status()).cache;
    let answer: unknown;
    await proxy.warm(async () => {
      answer = await ask(reader, question);
    });
    expect(answer).toEqual(await ask(direct, question));
    expect((await proxy.pgfresh.status()).cache.misses).toBe(misses);
  });

  it('after random writes of several sessions every list is what the origin answers', async () => {
    const random = seededRandom(announceSeed('lists in place'));
    const { reader, direct } = await sessions();
    const writers = await Promise.all(Array.from({ length: 3 }, () => proxy.session()));
    const below = (n: number) => random.below(n);
    const write = (): string => {
      const [id, customer] = [below(24), below(4)];
      const values = `${customer}, 's${below(3)}', ${below(100)}, '2024-01-0${1 + below(9)} 0${below(10)}:00+00', ${below(3) === 0 ? "'2024-01-01'" : 'NULL'}`;
      const kinds = [
        `INSERT INTO orders VALUES (${id}, ${values}, md5('${id}')::uuid) ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, at = excluded.at`,
        `DELETE FROM orders WHERE id = ${id}`,
        `UPDATE orders SET state = 's${below(3)}', gone = NULL WHERE id = ${id}`,
        `UPDATE orders SET customer = ${customer} WHERE id BETWEEN ${id} AND ${id + 2}`,
        `UPDATE whole SET owner = 1 - owner WHERE id = ${1 + below(8)}`,
        `UPDATE whole SET id = ${id} WHERE id = ${1 + below(24)} AND NOT EXISTS (SELECT FROM whole WHERE id = ${id})`,
        `INSERT INTO lines VALUES (1, ${below(9)}, 'n${id}') ON CONFLICT (order_id, line) DO UPDATE SET note = excluded.note`,
        `DELETE FROM lines WHERE order_id = 1 AND line = ${below(9)}`,
      ];
      return kinds[below(kinds.length)]!;
    };
    const before = await corrected();
    const corrections = async () => (await corrected()) - before;
    // What is stored in time to be corrected depends on the machine, and on tests that empty the cache.
    for (let round = 0; round < 40 || (round < 400 && (await corrections()) <= 40); round++) {
      for (const question of questions) await ask(reader, question);
      await Promise.all(
        writers.map(async (writer) => {
          const statements = Array.from({ length: 1 + below(3) }, write);
          // Two that want the other's row may deadlock, or meet a key twice: then neither has happened.
          await writer.query(['BEGIN', ...statements, 'COMMIT'].join('; ')).catch(() => writer.query('ROLLBACK'));
        }),
      );
      // Now from the origin, then corrected.
      for (let again = 0; again < 4; again++) {
        for (const question of questions) {
          expect([question.text, await ask(reader, question)]).toEqual([question.text, await ask(direct, question)]);
        }
      }
    }
    expect(await corrections()).toBeGreaterThan(40);
  });
});
