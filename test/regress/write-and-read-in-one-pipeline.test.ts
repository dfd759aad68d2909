// Lesson 14: BEGIN, INSERT, SELECT sent without waiting: the last ReadyForQuery still said that no transaction is open.
import { expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { askOnceAs, forms, messagesAs } from '../support/forms.ts';
import { connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 50) AS i',
);
const sum = 'SELECT v FROM t WHERE id = $1';

it.each(forms)(
  'a pipelined transaction sees its own writes although the answer is cached, %s',
  async (form) => {
    const client = await connectRaw(proxy.url);
    const read = 'SELECT v FROM t WHERE id = 7';
    const [before] = await askOnceAs(proxy.originUrl, form, read);
    for (let round = 1; round <= 10; round++) {
      await proxy.warm(() => askOnceAs(proxy.url, form, read));
      const texts = ['BEGIN', 'UPDATE t SET v = v + 1 WHERE id = 7', read, 'COMMIT', read];
      client.send(...texts.map((text) => messagesAs(form, text)));
      const written = String((before![0] as number) + round);
      expect(rows(await client.until('Z', 5))).toEqual([[written], [written]]);
    }
    client.close();
  },
  120_000,
);

it('so does an un-synced batch, and a string of several statements', async () => {
  const client = await connectRaw(proxy.url);
  await proxy.warm(() => askOnce(proxy.url, sum, ['8']));
  client.send(statement('UPDATE t SET v = 100 WHERE id = 8'), statement(sum, ['8']), serialize.sync());
  expect(rows(await client.until('Z'))).toEqual([['100']]);
  client.send(serialize.query('BEGIN; UPDATE t SET v = 101 WHERE id = 8; SELECT v FROM t WHERE id = 8; ROLLBACK'));
  expect(rows(await client.until('Z'))).toEqual([['101']]);
  client.send(
    serialize.query('BEGIN'),
    serialize.query('UPDATE t SET v = 102 WHERE id = 8'),
    statement(sum, ['8']),
    serialize.sync(),
  );
  expect(rows(await client.until('Z', 3))).toEqual([['102']]);
  client.send(serialize.query('ROLLBACK'), statement(sum, ['8']), serialize.sync());
  expect(rows(await client.until('Z', 2))).toEqual([['100']]);
  client.close();
});
