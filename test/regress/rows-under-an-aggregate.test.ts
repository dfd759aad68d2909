/** Lesson 29: what an answer costs the cache does not grow with the rows beneath it, neither to keep nor when one of them changes. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

/** Group g has g rows. */
const sizes = [1, 100, 10_000, 100_000];
const WRITES = 10;
const firstId = (size: number): number => 10 * size;

// On a server of its own: roles that other tests make empty the cache of every database.
const proxy = useProxy(
  `CREATE TABLE facts (id int PRIMARY KEY, g int NOT NULL, value int NOT NULL);
   ALTER TABLE facts REPLICA IDENTITY FULL;
   ${sizes.map((size) => `INSERT INTO facts SELECT ${firstId(size)} + i, ${size}, 1 FROM generate_series(0, ${size - 1}) i;`).join('\n')}
   CREATE INDEX ON facts (g)`,
  { ownServer: 18, args: ['--workers', '1'] },
);

/** What the cache thread says of itself is kept for a quarter of a second. */
const REPORT_MS = 300;

interface Counts {
  readonly rows: number;
  readonly invalidated: number;
  readonly bytes: number;
}

/** As of now: nothing is under way when it is asked for. */
async function counts(): Promise<Counts> {
  await delay(REPORT_MS);
  const { invalidated, bytes } = (await proxy.pgfresh.status()).cache;
  const rows = Number(/^pgfresh_cdc_rows_total (\d+)$/m.exec(await proxy.pgfresh.metrics())![1]);
  return { rows, invalidated, bytes };
}

it('takes out one answer for one row, tells one row, and needs the same room for any number of them', async () => {
  const client = await proxy.session();
  const read = async (size: number): Promise<unknown> =>
    (await ask(client, 'SELECT count(*), sum(value) FROM facts WHERE g = $1', [size]))[0];
  for (const size of sizes) await proxy.warm(() => read(size), `a hit on ${size} rows`);
  // Of each an answer; and what the statement looks like.
  expect((await counts()).bytes).toBeLessThanOrEqual(1_024 * sizes.length);
  for (const size of sizes) {
    const before = await counts();
    for (let write = 1; write <= WRITES; write++) {
      await ask(client, 'UPDATE facts SET value = value + 1 WHERE id = $1', [firstId(size) + (write % size)]);
      expect(await read(size)).toEqual([String(size), String(size + write)]);
    }
    await proxy.warm(() => read(size), `a hit on ${size} changed rows`);
    const after = await counts();
    expect(after.rows - before.rows).toBe(WRITES);
    expect(after.invalidated - before.invalidated).toBeLessThanOrEqual(WRITES);
    const { misses } = (await proxy.pgfresh.status()).cache;
    for (const other of sizes) if (other !== size) await read(other);
    expect((await proxy.pgfresh.status()).cache.misses).toBe(misses);
    for (const other of sizes) await ask(client, 'UPDATE facts SET value = 1 WHERE g = $1 AND value > 1', [other]);
    for (const other of sizes) await proxy.warm(() => read(other), `a hit on ${other} rows again`);
  }
});
