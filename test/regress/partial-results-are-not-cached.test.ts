// Lesson 8: partial answers that were cached: a row limit, a suspended portal, an error in the middle, a cancel, a client gone.
import { expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { codes, connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(`
  CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, wide text NOT NULL);
  INSERT INTO t SELECT i, CASE i WHEN 900 THEN 0 ELSE i END, repeat('w', 1000) FROM generate_series(1, 1000) AS i;`);

const all = 'SELECT id FROM t ORDER BY id';
const count = async (text: string) => (await askOnce(proxy.url, text)).length;

async function staysWhole(text: string, expected: number): Promise<void> {
  for (let i = 0; i < 5; i++) expect(await count(text)).toBe(expected);
  await proxy.warm(() => askOnce(proxy.url, text, []));
  expect((await askOnce(proxy.url, text, [])).length).toBe(expected);
}

it('an Execute with a row limit', async () => {
  const client = await connectRaw(proxy.url);
  for (let i = 0; i < 5; i++) {
    client.send(
      serialize.parse({ text: all, name: '', types: [] }),
      serialize.bind({}),
      serialize.execute({ portal: '', rows: 10 }),
      serialize.sync(),
    );
    const frames = await client.until('Z');
    expect(codes(frames)).toBe(`12${'D'.repeat(10)}sZ`);
  }
  client.close();
  await staysWhole(all, 1000);
});

it('a suspended portal that is executed to its end', async () => {
  const client = await connectRaw(proxy.url);
  client.send(
    serialize.parse({ text: all, name: '', types: [] }),
    serialize.bind({ portal: 'p' }),
    serialize.execute({ portal: 'p', rows: 600 }),
    serialize.execute({ portal: 'p', rows: 0 }),
    serialize.sync(),
  );
  const frames = await client.until('Z');
  expect(rows(frames)).toHaveLength(1000);
  client.close();
  await staysWhole(all, 1000);
});

it('an error after the first rows', async () => {
  const failing = 'SELECT id, 100 / v FROM t ORDER BY id';
  for (let i = 0; i < 4; i++) await expect(count(failing)).rejects.toMatchObject({ code: '22012' });
  await askOnce(proxy.originUrl, 'UPDATE t SET v = 900 WHERE id = 900');
  await proxy.warm(() => askOnce(proxy.url, failing, []));
  expect(await count(failing)).toBe(1000);
});

it('a client that leaves in the middle of the answer', async () => {
  const wide = 'SELECT id, wide FROM t ORDER BY id';
  for (let i = 0; i < 5; i++) {
    const client = await connectRaw(proxy.url);
    client.send(statement(wide), serialize.sync());
    await client.until('D');
    client.close();
  }
  await staysWhole(wide, 1000);
});

it('a Flush in the middle of a batch, and a Sync that comes later', async () => {
  const text = 'SELECT v FROM t WHERE id = $1';
  const client = await connectRaw(proxy.url);
  for (let i = 0; i < 4; i++) {
    client.send(statement(text, ['5']), serialize.flush());
    expect(rows(await client.until('C'))).toEqual([['5']]);
    client.send(serialize.sync());
    expect(codes(await client.until('Z'))).toBe('Z');
  }
  client.close();
  expect(await askOnce(proxy.url, text, [5])).toEqual([[5]]);
});
