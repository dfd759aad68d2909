// C15: CommandComplete is not the commit, and ReadyForQuery not always the first that a client hears of it.
import { afterEach, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { connectRaw, serialize, statement } from '../support/raw-client.ts';
import { hangStream } from '../support/schedule.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)', {
  ownServer: 18,
  args: ['--cache-max-staleness', '20s'],
});
let resume: () => void = () => undefined;
afterEach(() => resume());

it('a transaction that ends inside a batch is fenced before its end is told', async () => {
  const reader = await proxy.session();
  const writer = await connectRaw(proxy.url);
  const read = () => ask(reader, 'SELECT v FROM t WHERE id = 1');
  await proxy.warm(read);
  resume = await hangStream(proxy.originUrl);
  // No Sync behind the COMMIT: the client knows that it committed and the session is not ready.
  writer.send(statement('BEGIN'), statement('UPDATE t SET v = 1 WHERE id = 1'), statement('COMMIT'), serialize.flush());
  await writer.until('C', 3);
  expect(await read()).toEqual([[1]]);
  writer.send(serialize.sync());
  await writer.until('Z');
  writer.close();
});
