// Lesson 18: bytes of ours put into the middle of a client's message. COPY data outside of COPY is ignored and nothing is owed for it, so a session that
// has sent half of such a message looks quiet.
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { connectRaw, rows, serialize } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)');

it('the origin is asked for settings between two messages of the client, never inside one', async () => {
  const client = await connectRaw(proxy.url);
  const ignored = serialize.copyData(Buffer.from('nobody reads this'));
  for (let i = 0; i < 10; i++) {
    // After SET the proxy wants to ask; half a message is on its way when the answer to SET comes.
    client.send(serialize.query(`SET TimeZone = 'Etc/GMT+${i}'`), ignored.subarray(0, 9));
    await client.until('Z');
    await waitFor('the session to be idle at the origin', async () => {
      const sql = `SELECT state FROM pg_stat_activity WHERE pid = ${client.processId}`;
      return (await rowsOf(proxy.originUrl, sql))[0]?.[0] !== 'active';
    });
    client.send(ignored.subarray(9), serialize.query(`SELECT ${i}`));
    expect(rows(await client.until('Z'))).toEqual([[String(i)]]);
  }
  client.close();
});
