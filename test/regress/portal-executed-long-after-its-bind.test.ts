// C1, C7: a snapshot is taken at Bind, not at Execute; a statement keeps what it was parsed under.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 20) AS i',
);
const text = 'SELECT v FROM t WHERE id = $1';

it('an answer as of its Bind is not admitted as one of its Execute', async () => {
  const [reader, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  for (let id = 1; id <= 10; id++) {
    const read = () => ask(reader, text, [id]);
    await proxy.warm(read);
    const raw = await connectRaw(proxy.url);
    raw.send(
      serialize.parse({ text, name: '', types: [] }),
      serialize.bind({ portal: 'early', values: [String(id)] }),
      serialize.flush(),
    );
    await raw.until('2');
    await direct.query('UPDATE t SET v = 1 WHERE id = $1', [id]);
    // Until the change is applied and hits are fresh again.
    await proxy.warm(async () => expect.poll(read, { timeout: 10_000 }).toEqual([[1]]));
    raw.send(serialize.execute({ portal: 'early', rows: 0 }), serialize.sync());
    expect(rows(await raw.until('Z'))).toHaveLength(1);
    for (let i = 0; i < 10; i++) expect(await read()).toEqual([[1]]);
    raw.close();
  }
});

// An Execute with a limit is not kept, so nothing but the second answer could be.
it.each([
  ['p', 0, 11],
  ['', 0, 12],
  ['p', 10, 13],
  ['', 10, 14],
])(
  'a portal that is executed twice ("%s", first for %i rows) fills nothing with its second, empty answer',
  async (portal, first, id) => {
    const reader = await proxy.session();
    // The table is published: from now on answers are kept.
    await proxy.warm(() => ask(reader, text, [20]));
    const raw = await connectRaw(proxy.url);
    for (let i = 0; i < 20; i++) {
      raw.send(
        serialize.parse({ text, name: '', types: [] }),
        serialize.bind({ portal, values: [String(id)] }),
        serialize.execute({ portal, rows: first }),
        serialize.execute({ portal, rows: 0 }),
        serialize.sync(),
      );
      expect(rows(await raw.until('Z'))).toEqual([['0']]);
    }
    const other = await connectRaw(proxy.url);
    for (let i = 0; i < 10; i++) {
      // Without Describe: the answer of the second Execute has no description of its columns either.
      other.send(statement(text, [String(id)], '', false), serialize.sync());
      expect(rows(await other.until('Z'))).toEqual([['0']]);
    }
    for (let i = 0; i < 3; i++) expect(await ask(reader, text, [id])).toEqual([[0]]);
    other.close();
    raw.close();
  },
);
