// A server executes messages as they come and says at once what fails; a batch was kept until its Sync came or it was 128 kB long. And while a client sent on and on,
// what the origin said was not read: asyncpg's executemany sent all of its rows before it heard that the second one was refused.
import { once } from 'node:events';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { codes, connectRaw, type RawClient, rows, serialize, sqlState, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const sync = serialize.sync();
const setup = 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$one$$);';
const read = statement('SELECT v FROM t WHERE id = $1', ['1']);
/** More than sockets hold. */
const bytesMax = 128 << 20;

const own = useProxy(setup, { workers: 1 });
const lent = useProxy(setup, {
  workers: 1,
  args: ['--pool-mode', 'transaction', '--pool-size', '2', ...reusableLogins],
});

const insert = (id: number, v: string): Buffer =>
  Buffer.concat([serialize.bind({ statement: 'i', values: [String(id), v] }), serialize.execute({})]);

async function preparedInsert(url: string): Promise<RawClient> {
  const client = await connectRaw(url);
  client.send(serialize.parse({ name: 'i', text: 'INSERT INTO t VALUES ($1, $2)' }), sync);
  await client.until('Z');
  return client;
}

async function idsOf(url: string): Promise<number[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows: found } = await client.query<{ id: number }>('SELECT id FROM t ORDER BY id');
  await client.end();
  return found.map(({ id }) => id);
}

describe.each([
  ['a connection of its own', () => own],
  ['a lent one', () => lent],
])('on %s', (_, fixture) => {
  it('what fails is told before the Sync', async () => {
    const client = await preparedInsert(fixture().url);
    client.send(insert(2, 'a'), insert(2, 'b'));
    const told = await client.until('E');
    expect([codes(told), sqlState(told.at(-1))]).toEqual(['2C2E', '23505']);
    client.send(insert(3, 'c'), sync);
    expect(codes(await client.until('Z'))).toBe('Z');
    client.close();
    expect(await idsOf(fixture().originUrl)).toEqual([1]);
  });

  it('it is told to a client that goes on sending', async () => {
    const client = await preparedInsert(fixture().url);
    const more = Buffer.concat([insert(4, 'x'.repeat(32_000)), insert(5, 'x'.repeat(32_000))]);
    let isTold = false;
    const told = client.until('E').then(() => (isTold = true));
    client.send(insert(1, 'again'));
    for (let sent = 0; !isTold && sent < bytesMax; sent += more.length) {
      if (!client.socket.write(more)) await once(client.socket, 'drain');
      await nextTurn();
    }
    expect(isTold).toBe(true);
    await told;
    client.send(sync);
    await client.until('Z');
    client.close();
  });

  it('a statement never seen before takes effect before the Sync', async () => {
    const observer = new pg.Client({ connectionString: fixture().originUrl });
    await observer.connect();
    const client = await connectRaw(fixture().url);
    client.send(statement('SELECT pg_advisory_xact_lock(4711)'));
    await waitFor('the lock', async () => {
      const { rows: locks } = await observer.query(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711",
      );
      return locks.length > 0;
    });
    client.send(sync);
    expect(codes(await client.until('Z'))).toBe('12TDCZ');
    client.close();
    await observer.end();
  });

  it('one whose end comes at once is answered from the cache, and one whose end comes late is answered', async () => {
    const proxy = fixture();
    const client = await connectRaw(proxy.url);
    const inTwo = async (pauseMs: number) => {
      client.send(read);
      await (pauseMs === 0 ? nextTurn() : delay(pauseMs));
      client.send(sync);
      return rows(await client.until('Z'));
    };
    await proxy.warm(() => inTwo(0));
    expect(await inTwo(100)).toEqual([['one']]);
    await proxy.warm(() => inTwo(0));
    client.close();
  });

  it('commands for pgfresh are not taken for the origin because they come slowly', async () => {
    const client = await connectRaw(fixture().url);
    for (const message of [
      serialize.parse({ text: "SET pgfresh.consistency = 'bounded'" }),
      serialize.bind({}),
      serialize.execute({}),
      sync,
    ]) {
      client.send(message);
      await delay(60);
    }
    expect(codes(await client.until('Z'))).toBe('12CZ');
    client.send(serialize.query('SHOW pgfresh.consistency'));
    expect(rows(await client.until('Z'))).toEqual([['bounded']]);
    client.close();
  });
});
