// Lesson 24: a terminated or restarted origin: every client gets the FATAL it would have got; none hangs.
import { expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { rowsOf, waitForActive } from '../support/origin-state.ts';
import { connectRaw, serialize, sqlState, statement } from '../support/raw-client.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)');
const terminate = (pid: number) => rowsOf(proxy.originUrl, `SELECT pg_terminate_backend(${pid})`);

it('an idle session is told why it ends', async () => {
  const client = await connectRaw(proxy.url);
  client.send(serialize.query('SELECT 1'));
  await client.until('Z');
  await terminate(client.processId);
  const frames = await client.rest();
  expect(sqlState(frames.at(-1))).toBe('57P01');
});

it('a session in the middle of a statement is told, and one that waits behind it in the pipeline does not hang', async () => {
  const client = await connectRaw(proxy.url);
  client.send(serialize.query('SELECT pg_sleep(60)'), statement('SELECT v FROM t WHERE id = 1'), serialize.sync());
  await waitForActive(proxy.originUrl, client.processId);
  await terminate(client.processId);
  const frames = await client.rest();
  expect(frames.map(sqlState)).toContain('57P01');
});

it('a session that only hits is told as well, and others go on', async () => {
  await proxy.warm(() => askOnce(proxy.url, 'SELECT v FROM t WHERE id = 1'));
  const client = await connectRaw(proxy.url);
  const other = await proxy.session();
  client.send(serialize.query('SELECT v FROM t WHERE id = 1'));
  await client.until('Z');
  await terminate(client.processId);
  expect(sqlState((await client.rest()).at(-1))).toBe('57P01');
  expect((await other.query('SELECT v FROM t WHERE id = 1')).rows).toEqual([{ v: 1 }]);
});
