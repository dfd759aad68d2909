// Lesson 17: a local answer overtakes an origin reply still in flight; ReadyForQuery before its Sync was executed.
import { expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { codes, connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 9) AS i",
);
const cached = 'SELECT v FROM t WHERE id = $1';

it('answers come in the order of the questions, hits between slow statements', async () => {
  for (const id of ['1', '2']) await proxy.warm(() => askOnce(proxy.url, cached, [id]));
  const client = await connectRaw(proxy.url);
  for (let round = 0; round < 5; round++) {
    client.send(
      ...[statement("SELECT 'slow' FROM pg_sleep(0.05)"), serialize.sync()],
      ...[statement(cached, ['1']), serialize.sync()],
      serialize.query("SELECT 'slow again' FROM pg_sleep(0.02)"),
      serialize.query('SELECT v FROM t WHERE id = 2'),
      ...[statement(cached, ['2']), serialize.sync()],
    );
    const frames = await client.until('Z', 5);
    expect(rows(frames).flat()).toEqual(['slow', 'v1', 'slow again', 'v2', 'v2']);
    expect(codes(frames)).toBe('12TDCZ12TDCZTDCZTDCZ12TDCZ');
  }
  client.close();
});

it('a batch of hits and misses before one Sync is answered in order with one ReadyForQuery', async () => {
  await proxy.warm(() => askOnce(proxy.url, cached, ['1']));
  const client = await connectRaw(proxy.url);
  client.send(
    ...[statement(cached, ['1']), statement("SELECT 'slow' FROM pg_sleep(0.05)"), statement(cached, ['1'])],
    ...[statement(cached, ['3']), serialize.sync()],
  );
  const frames = await client.until('Z');
  expect(rows(frames).flat()).toEqual(['v1', 'slow', 'v1', 'v3']);
  expect(codes(frames)).toBe(`${'12TDC'.repeat(4)}Z`);
  client.close();
});
