// Lesson 32: trace comments make every statement unique, and so do literals in the simple protocol.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, i FROM generate_series(1, 500) i',
);

const analysed = async () => ((await proxy.pgfresh.status()) as unknown as { readonly analysed: number }).analysed;
const trace = (i: number) =>
  `/*traceparent='00-${i.toString(16).padStart(32, '0')}-b7ad6b7169203331-01',route='%2Fx'*/`;

it('a trace comment of its own on each statement splits no entry: simple, unnamed and before or behind the text', async () => {
  const client = await proxy.session();
  const texts = [
    (i: number) => [`SELECT v FROM t WHERE id = 7 ${trace(i)}`],
    (i: number) => [`${trace(i)} SELECT v FROM t WHERE id = 7`],
    (i: number) => [`SELECT v FROM t WHERE id = $1 ${trace(i)}`, [7]] as const,
    (i: number) => [`SELECT v FROM t WHERE id = $1 -- ${trace(i)}`, [7]] as const,
  ];
  let i = 0;
  for (const text of texts) {
    const read = async () => {
      const [sql, values] = text(++i) as [string, number[]?];
      expect(await ask(client, sql, values)).toEqual([['7']]);
    };
    await proxy.warm(read);
    // Each of them another text; role changes of other tests may empty the cache now and then.
    const before = await proxy.hits();
    for (let n = 0; n < 20; n++) await read();
    expect((await proxy.hits()) - before).toBeGreaterThan(10);
  }
});

it('another literal of a known shape is not parsed again', async () => {
  const client = await proxy.session();
  await proxy.warm(() => ask(client, "SELECT v FROM t WHERE id = 1 AND v <> 'a'"));
  const before = await analysed();
  for (let id = 2; id <= 300; id++) {
    expect(await ask(client, `SELECT v FROM t WHERE id = ${id} AND v <> 'it''s ${id}' ${trace(id)}`)).toEqual([
      [`${id}`],
    ]);
  }
  // A few: a role made by another test is another catalog version.
  expect((await analysed()) - before).toBeLessThan(30);
});
