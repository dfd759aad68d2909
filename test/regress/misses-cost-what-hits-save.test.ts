/** Lesson 30: where answers are not asked for again, keeping them would cost what hits save elsewhere. So they are passed on, and hardly any is kept. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PROBE_EVERY } from '../../src/worker/worth.ts';
import { useProxy } from '../support/fixture.ts';

const KEYS = 2_200;
/** Of them, those behind the credit that every new shape has. */
const LATER = 1_000;
// On a server of its own: roles that other tests make empty the cache of every database, and the credit of shapes with it.
const proxy = useProxy(
  `CREATE TABLE item (id int PRIMARY KEY, v int NOT NULL); INSERT INTO item SELECT i, 2 * i FROM generate_series(1, ${KEYS}) i`,
  { ownServer: 18, args: ['--workers', '1'] },
);

/** What the cache thread says of itself is kept for a quarter of a second. */
const REPORT_MS = 300;
const keptOf = ({ cache }: Awaited<ReturnType<typeof proxy.pgfresh.status>>): number => cache.admitted + cache.rejected;

it('keeps one in so many answers that nobody asks for again, and loses no key that comes again', async () => {
  const client = await proxy.session();
  const read = async (id: number): Promise<void> => {
    const { rows } = await client.query({ name: 'read', text: 'SELECT v FROM item WHERE id = $1', values: [id] });
    expect(rows).toEqual([{ v: 2 * id }]);
  };
  await proxy.warm(() => read(1));
  for (let id = 2; id <= KEYS - LATER; id++) await read(id);
  await delay(REPORT_MS);
  const before = await proxy.pgfresh.status();
  for (let id = KEYS - LATER + 1; id <= KEYS; id++) await read(id);
  await delay(REPORT_MS);
  const after = await proxy.pgfresh.status();
  const passed = ({ cache }: typeof after): number => cache.misses + cache.passthrough;
  expect(passed(after) - passed(before)).toBe(LATER);
  expect(keptOf(after) - keptOf(before)).toBeLessThanOrEqual(LATER / PROBE_EVERY + 1);
  // While freshness is not confirmed, as on a machine that has no time, there is nothing to judge.
  expect(after.reasons['fill.firstSight']! - (before.reasons['fill.firstSight'] ?? 0)).toBeGreaterThan(LATER / 2);
  // The second sight keeps it, and one that is hit pays for others.
  for (const id of [KEYS - 2, KEYS - 1, KEYS]) await proxy.warm(() => read(id), `a hit on row ${id}`);
});
