// C5: one text under two search_paths is two statements: each answer leaves with the change of its own table.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const proxy = useProxy(
  ['one', 'two']
    .map(
      (tenant) =>
        `CREATE SCHEMA ${tenant}; CREATE TABLE ${tenant}.t (id int PRIMARY KEY, v int); INSERT INTO ${tenant}.t VALUES (1, 0);`,
    )
    .join(''),
);
const text = 'SELECT v FROM t WHERE id = 1';

it('an answer under the second search_path leaves with the change of the second table', async () => {
  const direct = await proxy.session(proxy.originUrl);
  for (const tenant of ['one', 'two']) {
    const reader = await proxy.session();
    await reader.query(`SET search_path = ${tenant}`);
    await proxy.warm(() => ask(reader, text));
    await direct.query(`UPDATE ${tenant}.t SET v = 1`);
    await expect.poll(() => ask(reader, text), { timeout: 10_000 }).toEqual([[1]]);
    await proxy.warm(async () => expect(await ask(reader, text)).toEqual([[1]]));
  }
});
