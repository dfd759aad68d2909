// Lesson 9: one client's framing served to another: formats, Describe or not, RowDescription or not.
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { codes, connectRaw, type Frame, type RawClient, serialize } from '../support/raw-client.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 258)');
const text = 'SELECT v FROM t WHERE id = $1';

const variants = {
  'with Describe': (name: string) => [
    serialize.bind({ statement: name, values: ['1'] }),
    serialize.describe({ type: 'P', name: '' }),
  ],
  'without Describe': (name: string) => [serialize.bind({ statement: name, values: ['1'] })],
  'binary result': (name: string) => [
    serialize.bind({ statement: name, values: ['1'], binary: true }),
    serialize.describe({ type: 'P', name: '' }),
  ],
  'binary result without Describe': (name: string) => [
    serialize.bind({ statement: name, values: ['1'], binary: true }),
  ],
  'statement described': (name: string) => [
    serialize.describe({ type: 'S', name }),
    serialize.bind({ statement: name, values: ['1'] }),
  ],
} as const;

/** @param name of the statement; null: the simple protocol */
async function exchange(client: RawClient, variant: keyof typeof variants, name: string | null): Promise<string[]> {
  const shown = async () => (await client.until('Z')).map(({ code, body }: Frame) => `${code} ${body.toString('hex')}`);
  if (name === null) {
    client.send(serialize.query(text.replace('$1', '1')));
    return shown();
  }
  client.send(
    serialize.parse({ text, name, types: [] }),
    ...variants[variant](name),
    serialize.execute({ portal: '', rows: 0 }),
    ...(name === '' ? [] : [serialize.close({ type: 'S', name })]),
    serialize.sync(),
  );
  return shown();
}

it('each form of the same statement gets its own bytes, cold and warm, in any order', async () => {
  const direct = await connectRaw(proxy.originUrl);
  const through = await connectRaw(proxy.url);
  const names = Object.keys(variants) as (keyof typeof variants)[];
  const hitsBefore = await proxy.hits();
  for (let pass = 0; pass < 12; pass++) {
    // The order differs each time, so that each variant is filled before and after each other one.
    const order = names.map((_name, i) => names[(i * 2 + pass) % names.length]!);
    for (const variant of order) {
      // Unnamed, prepared, and in the simple protocol.
      for (const name of ['', 'named', null]) {
        const expected = await exchange(direct, variant, name);
        expect({ variant, name, bytes: await exchange(through, variant, name) }).toEqual({
          variant,
          name,
          bytes: expected,
        });
      }
    }
  }
  expect((await proxy.hits()) - hitsBefore).toBeGreaterThan(12);
  through.send(serialize.query(text.replace('$1', '1')));
  expect(codes(await through.until('Z'))).toBe('TDCZ');
  direct.close();
  through.close();
});
