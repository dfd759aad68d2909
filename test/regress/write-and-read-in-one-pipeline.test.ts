// Lesson 14: BEGIN, INSERT, SELECT sent without waiting: the last ReadyForQuery still said that no transaction is open.
import { expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 50) AS i',
);
const sum = 'SELECT v FROM t WHERE id = $1';

it('a pipelined transaction sees its own writes although the answer is cached', async () => {
  const client = await connectRaw(proxy.url);
  for (let round = 1; round <= 20; round++) {
    await proxy.warm(() => askOnce(proxy.url, sum, ['7']));
    client.send(
      ...[statement('BEGIN'), serialize.sync(), statement(`UPDATE t SET v = ${round} WHERE id = 7`), serialize.sync()],
      ...[statement(sum, ['7']), serialize.sync(), statement('COMMIT'), serialize.sync()],
      ...[statement(sum, ['7']), serialize.sync()],
    );
    expect(rows(await client.until('Z', 5))).toEqual([[String(round)], [String(round)]]);
  }
  client.close();
}, 120_000);

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
