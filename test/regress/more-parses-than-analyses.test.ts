// A pool prepares some hundred statements in one pipeline, more than a worker has analysed at a time (`analysesInFlightMax`). Those beyond it pass through,
// once and not for ever.
import { expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { useProxy } from '../support/fixture.ts';
import { connectRaw, rows, serialize } from '../support/raw-client.ts';

const COUNT = Limits.analysesInFlightMax + 53;
const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 7)', {
  args: ['--workers', '1'],
});

it('every statement of a pipeline of Parses is analysed in the end, and hits', async () => {
  const client = await proxy.session();
  await proxy.warm(() => client.query('SELECT v FROM t WHERE id = 1'));
  const raw = await connectRaw(proxy.url);
  const statements = Array.from({ length: COUNT }, (_, i) => ({
    name: `s${i}`,
    text: `SELECT v AS c${i} FROM t WHERE id = $1`,
  }));
  raw.send(...statements.map(({ name, text }) => serialize.parse({ name, text, types: [] })), serialize.sync());
  await raw.until('Z');
  const run = async () => {
    for (const { name } of statements) {
      raw.send(
        serialize.bind({ statement: name, values: ['1'] }),
        serialize.execute({ portal: '', rows: 0 }),
        serialize.sync(),
      );
      expect(rows(await raw.until('Z'))).toEqual([['7']]);
    }
  };
  const passOfHits = async () => {
    const before = await proxy.hits();
    await run();
    return (await proxy.hits()) - before;
  };
  await expect.poll(passOfHits, { timeout: 30_000 }).toBe(COUNT);
  raw.close();
});
