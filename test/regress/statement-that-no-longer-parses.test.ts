// Lesson 20, and a find of `system/protocol-differential`: a statement whose Parse was answered here, and which cannot be parsed any more since the search
// path has changed, is in nobody's way when prepared statements are given up or looked at: the client is told what it would be told directly, once.
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { connectRaw, type Frame, serialize, sqlState, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(`
  CREATE TABLE t (id int PRIMARY KEY, v int, here int); INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) AS i;
  CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY, v int)`);

const read = 'SELECT v, here FROM t WHERE id = $1';
const extended = (text: string) => Buffer.concat([statement(text, [], '', false), serialize.sync()]);
const executed = (name: string) =>
  Buffer.concat([serialize.bind({ statement: name, values: ['1'] }), serialize.execute({}), serialize.sync()]);

const told = (frames: readonly Frame[]): string[] =>
  frames.map((frame) => {
    if (frame.code === 'E') return `E ${sqlState(frame)}`;
    return `${frame.code} ${frame.body.toString('latin1')}`;
  });

interface Case {
  readonly what: string;
  readonly send: readonly Buffer[];
  readonly ready: number;
}

const cases: readonly Case[] = [
  { what: 'DISCARD ALL', send: [serialize.query('DISCARD ALL'), executed('s')], ready: 2 },
  { what: 'DISCARD ALL, extended', send: [extended('discard all ;'), executed('s')], ready: 2 },
  { what: 'DEALLOCATE ALL', send: [serialize.query('DEALLOCATE ALL'), executed('s')], ready: 2 },
  { what: 'DEALLOCATE PREPARE ALL', send: [extended('DEALLOCATE PREPARE ALL'), executed('s')], ready: 2 },
  {
    what: 'DEALLOCATE ALL, then the name anew',
    send: [
      serialize.query('DEALLOCATE ALL'),
      ...[statement('SELECT 7', [], 's'), serialize.sync(), extended('SELECT 8')],
    ],
    ready: 3,
  },
  {
    what: 'DISCARD ALL that fails in a block',
    send: [
      ...[serialize.query('BEGIN'), serialize.query('DISCARD ALL'), serialize.query('ROLLBACK')],
      ...[serialize.query('SET search_path = public'), executed('s')],
    ],
    ready: 5,
  },
  {
    what: 'PREPARE of another, and its EXECUTE',
    send: ['PREPARE p AS SELECT 5', 'EXECUTE p', 'DEALLOCATE p'].map((text) => serialize.query(text)),
    ready: 3,
  },
  { what: 'EXECUTE of one that is not there', send: [serialize.query('EXECUTE nobody')], ready: 1 },
];

async function run(url: string, { send, ready }: Case): Promise<string[]> {
  const client = await connectRaw(url);
  try {
    client.send(statement(read, ['1'], 's'), serialize.sync());
    client.send(statement(read, ['2'], 'second'), serialize.sync());
    client.send(serialize.query('SET search_path = other'));
    const first = await client.until('Z', 3);
    client.send(...send);
    return told([...first, ...(await client.until('Z', ready))]);
  } finally {
    client.close();
  }
}

it.each(cases)('$what', async (each) => {
  await proxy.warm(async () => {
    const client = await connectRaw(proxy.url);
    for (const value of ['1', '2']) client.send(statement(read, [value]), serialize.sync());
    await client.until('Z', 2);
    client.close();
  });
  const expected = await run(proxy.originUrl, each);
  const before = await proxy.hits();
  for (const pass of [1, 2, 3]) {
    expect({ pass, told: await run(proxy.url, each) }).toEqual({ pass, told: expected });
  }
  await waitFor('hits, whose statements the origin lacks', async () => (await proxy.hits()) > before);
});
