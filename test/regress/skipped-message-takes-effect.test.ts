// Lessons 19 and 20: after an error the origin skips everything up to Sync, so a Parse, Close or Query that was skipped has changed nothing: what
// stood under its name stands there still, also when only the proxy knows it.
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { connectRaw, type RawClient, rows, serialize, sqlState, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i',
);
const cached = 'SELECT v FROM t WHERE id = $1';
const parse = (name: string) => serialize.parse({ text: cached, name, types: [] });
const run = (name: string, id: string) => [
  serialize.bind({ statement: name, values: [id] }),
  serialize.execute({}),
  serialize.sync(),
];
const failing = serialize.bind({ statement: 'never parsed' });

async function printed(url: string, ready: number, ...messages: Buffer[]): Promise<string[]> {
  const client = await connectRaw(url);
  client.send(...messages);
  const frames = await client.until('Z', ready);
  client.close();
  return frames.map(({ code, body }) => `${code} ${body.toString('latin1')}`);
}

it.each([
  ['Parse of the unnamed statement', serialize.parse({ text: 'SELECT 1', types: [] }), ''],
  ['Query, which would destroy the unnamed statement', serialize.query('SELECT 1'), ''],
  ['Close of a named statement', serialize.close({ type: 'S', name: 's' }), 's'],
  ['Close of the unnamed statement', serialize.close({ type: 'S', name: '' }), ''],
])('a skipped %s leaves what was there', async (_what, skipped, name) => {
  const messages = [parse(name), ...run(name, '1'), failing, skipped, serialize.sync(), ...run(name, '2')];
  const expected = await printed(proxy.originUrl, 3, ...messages);
  expect(expected.filter((line) => line.startsWith('D'))).toHaveLength(2);
  for (const pass of ['cold', 'warm', 'warmer', 'warmest']) {
    expect({ pass, messages: await printed(proxy.url, 3, ...messages) }).toEqual({ pass, messages: expected });
  }
});

it('a skipped Query does not drop the unnamed statement that only the origin still has', async () => {
  const [direct, raw] = [await connectRaw(proxy.originUrl), await connectRaw(proxy.url)];
  const say = async (client: RawClient, ready: number, ...messages: Buffer[]) => {
    client.send(...messages);
    return (await client.until('Z', ready)).map(({ code, body }) => `${code} ${body.toString('latin1')}`);
  };
  /** To the client the read has dropped the unnamed statement, also where it was answered by the cache. */
  const drop = async (client: RawClient) => {
    await say(client, 1, serialize.parse({ text: 'SELECT count(*) FROM pg_class', types: [] }), serialize.sync());
    await say(client, 1, serialize.query('SELECT v FROM t WHERE id = 1'));
  };
  const fail = async (client: RawClient) => {
    await say(client, 1, serialize.query('BEGIN'));
    await say(client, 1, failing, serialize.sync());
    const skipped = [failing, serialize.query('SELECT 1'), serialize.sync()];
    const said = await say(client, 2, ...skipped, serialize.bind({}), serialize.execute({}), serialize.sync());
    await say(client, 1, serialize.query('ROLLBACK'));
    return said;
  };
  await drop(direct);
  const expected = await fail(direct);
  const states = expected.map((line) => /\0C(\w+)\0/.exec(line)?.[1]).filter((state) => state !== undefined);
  expect(states).toEqual(['26000', '26000']);
  for (let round = 0; round < 5; round++) {
    await proxy.warm(() => drop(raw));
    expect(await fail(raw)).toEqual(expected);
  }
  direct.close();
  raw.close();
});

it('a name taken by PREPARE is refused, though the statement is cached', async () => {
  const client = await proxy.session();
  await proxy.warm(() => client.query({ text: cached, values: [3], name: 'warm' }));
  const raw = await connectRaw(proxy.url);
  raw.send(serialize.query('PREPARE taken AS SELECT 7'));
  await raw.until('Z');
  raw.send(statement(cached, ['3'], 'taken'), serialize.sync());
  expect(sqlState((await raw.until('Z')).find(({ code }) => code === 'E'))).toBe('42P05');
  raw.close();
});

it('two unnamed statements in one pipeline are two statements', async () => {
  const other = 'SELECT id FROM t WHERE v = $1 ORDER BY id';
  const client = await proxy.session();
  await proxy.warm(() => client.query(cached, [4]));
  await proxy.warm(() => client.query(other, [5]));
  const raw = await connectRaw(proxy.url);
  for (let i = 0; i < 20; i++) {
    raw.send(statement(cached, ['4']), statement(other, ['5']), serialize.sync());
    expect(rows(await raw.until('Z'))).toEqual([['4'], ['5']]);
  }
  raw.close();
});

it('a Sync ends the transaction that a pipeline began without BEGIN', async () => {
  const messages = [
    ...[statement("SELECT 'first'"), serialize.query('UPDATE t SET v = v WHERE id = 1'), serialize.sync()],
    serialize.query("SELECT 'after'"),
  ];
  const expected = await printed(proxy.originUrl, 3, ...messages);
  const client = await connectRaw(proxy.url);
  const seen: string[] = [];
  // Message by message: the Sync must find nothing owed.
  for (const [i, message] of messages.entries()) {
    client.send(message);
    if (i > 0) seen.push(...(await client.until('Z')).map(({ code, body }) => `${code} ${body.toString('latin1')}`));
  }
  client.close();
  expect(seen).toEqual(expected);
});
