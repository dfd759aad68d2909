// Lesson 22: a cancel that hits the next query; a cancel while a hit is answered.
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { waitForActive } from '../support/origin-state.ts';
import { connectRaw, type RawClient, rows, serialize, sqlState } from '../support/raw-client.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)');

/** Sends a CancelRequest as libpq does and waits until the server has closed, which is when it was acted on. */
function cancel({ processId, secretKey }: RawClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: proxy.pgfresh.port }, () =>
      socket.write(serialize.cancel(processId, secretKey)),
    );
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.resume();
  });
}

it('a cancel ends the statement that runs, as direct', async () => {
  const client = await connectRaw(proxy.url);
  client.send(serialize.query('SELECT pg_sleep(60)'));
  await waitForActive(proxy.originUrl, client.processId);
  await cancel(client);
  expect((await client.until('Z')).map(sqlState)).toContain('57014');
  client.send(serialize.query('SELECT 5'));
  expect(rows(await client.until('Z'))).toEqual([['5']]);
  client.close();
});

it('a cancel of a session that only hits cancels nothing', async () => {
  await proxy.warm(() => askOnce(proxy.url, 'SELECT v FROM t WHERE id = 1'));
  const client = await connectRaw(proxy.url);
  for (let i = 0; i < 20; i++) {
    client.send(serialize.query('SELECT v FROM t WHERE id = 1'));
    await Promise.all([cancel(client), client.until('Z').then((frames) => expect(rows(frames)).toEqual([['1']]))]);
  }
  client.send(serialize.query('SELECT 6'));
  expect(rows(await client.until('Z'))).toEqual([['6']]);
  client.close();
});

it('a cancel with a wrong key does nothing, and its connection is closed', async () => {
  const client = await connectRaw(proxy.url);
  await cancel({ ...client, secretKey: client.secretKey ^ 1 });
  client.send(serialize.query('SELECT 7'));
  expect(rows(await client.until('Z'))).toEqual([['7']]);
  client.close();
});
