/** Lesson 33, and the scan of issue 6: statements that come once neither push out what comes again and again, nor fill the memory. */
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';

const HOT = 20;
const SCANNED = 6_000;
const proxy = useProxy(
  `CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, repeat('x', 300) FROM generate_series(1, ${SCANNED}) i`,
  { args: ['--cache-memory', '1MB', '--cache-max-entry', '64KB', '--workers', '1'] },
);

it('keeps what is hot through a scan many times the size of the cache, and hardly keeps the scan', async () => {
  const client = await proxy.session();
  const hot = (id: number) => client.query({ name: 'hot', text: 'SELECT v FROM item WHERE id = $1', values: [id] });
  const warmUp = async () => {
    for (let id = 1; id <= HOT; id++) await proxy.warm(() => hot(id), `a hit on row ${id}`);
  };
  await warmUp();
  const [before, status] = [await proxy.hits(), await proxy.pgfresh.status()];
  let asked = 0;
  for (let id = 1; id <= SCANNED; id++) {
    // A text of its own each: the simple protocol, and a second condition that makes it another shape now and then.
    await client.query(
      `SELECT v FROM item WHERE id = ${id} AND v <> 'a${id}'${id % 50 === 0 ? ` AND id > -${id}` : ''}`,
    );
    if (id % 10 !== 0) continue;
    await hot(1 + ((id / 10) % HOT));
    asked++;
  }
  const after = await proxy.pgfresh.status();
  // Another test may have emptied the cache by making a role: then they were warmed anew, each once.
  expect(((await proxy.hits()) - before) / asked).toBeGreaterThan(0.8);
  expect(after.cache.bytes).toBeLessThanOrEqual(after.cache.bytesMax);
  expect(after.cache.admitted - status.cache.admitted).toBeLessThan(SCANNED / 2);
});
