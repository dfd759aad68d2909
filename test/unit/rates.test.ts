/** Rates are differences of counters over the time between two samples, of each worker and of all together. */
import { expect, it } from 'vitest';
import { Rates } from '../../src/proxy/admin/rates.ts';

it('tells statements and bytes a second, and starts over with a worker that was replaced', () => {
  let nowMs = 0;
  const counts = new Map<string, number>();
  const read = (worker: string, name: string) => counts.get(`${worker} ${name}`) ?? 0;
  const rates = new Rates(
    { of: (slot, name) => read(String(slot), name), total: (name) => read('all', name) },
    { nowMs: () => nowMs },
  );
  expect(rates.of('all')).toEqual({ statements: 0, bytes: 0 });
  counts.set('0 statements', 500);
  counts.set('0 bytesHit', 3_000);
  counts.set('0 bytesFromClients', 1_000);
  counts.set('all statements', 700);
  nowMs = 2_000;
  rates.sample([0]);
  expect(rates.of(0)).toEqual({ statements: 250, bytes: 2_000 });
  expect(rates.of('all')).toEqual({ statements: 350, bytes: 0 });
  counts.set('0 statements', 40);
  nowMs = 3_000;
  rates.sample([0, 1]);
  expect(rates.of(0)).toEqual({ statements: 0, bytes: 0 });
  expect(rates.of(1)).toEqual({ statements: 0, bytes: 0 });
  counts.set('0 statements', 100);
  nowMs = 4_000;
  rates.sample([0, 1]);
  expect(rates.of(0).statements).toBe(60);
  rates.sample([0, 1]); // no time has passed
  expect(rates.of(0).statements).toBe(60);
});
