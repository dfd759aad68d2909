import { expect, it } from 'vitest';
import { RoundPace } from '../../src/cache/pace.ts';

const limits = { factor: 11, readMs: 0.05, gapMsMax: 25 };

/** Rounds as often as they may come, for `ms`, while `rate` reads a millisecond pass for each millisecond since the last one began. */
function run(pace: RoundPace, ms: number, originMs: number, rate: number): { rounds: number; reads: number } {
  let nowMs = 1_000;
  let reads = 0;
  let rounds = 0;
  const endMs = nowMs + ms;
  while (nowMs < endMs) {
    pace.begin(nowMs, Math.round(reads) | 0);
    pace.answered(nowMs + originMs, originMs);
    const nextMs = Math.max(pace.earliestMs, nowMs + originMs);
    reads += (rate * (nextMs - nowMs) ** 2) / 2;
    nowMs = nextMs;
    rounds++;
  }
  return { rounds, reads };
}

it('lets the origin be for eleven times what a round cost', () => {
  const pace = new RoundPace(limits);
  pace.begin(100, 0);
  pace.answered(103, 2);
  expect(pace.earliestMs).toBe(103 + 22);
});

it('takes the least of late for the cost of a round, and believes slowly that it has risen', () => {
  const pace = new RoundPace({ ...limits, gapMsMax: 0 });
  pace.begin(0, 0);
  pace.answered(0, 1);
  pace.begin(1_000, 0);
  pace.answered(1_000, 100);
  expect(pace.earliestMs).toBe(1_000 + 11 * 1.25);
});

it('has rounds come at once after a pause, however far apart they were', () => {
  const pace = new RoundPace(limits);
  run(pace, 2_000, 0.5, 0.001);
  expect(pace.gapMs).toBeGreaterThan(20);
  pace.begin(100_000, 0);
  expect(pace.earliestMs).toBeLessThanOrEqual(100_000 + 25);
});

it.each([
  ['few reads wait', 0.0001],
  ['some reads wait', 0.02],
  ['many reads wait', 0.2],
  ['hosts of reads wait', 5],
])('costs hardly more than the best of all even gaps: %s', (_, rate) => {
  const [originMs, ms] = [0.5, 20_000];
  const pace = new RoundPace(limits);
  run(pace, 2_000, originMs, rate);
  const cost = ({ rounds, reads }: { rounds: number; reads: number }): number =>
    rounds * originMs + reads * limits.readMs;
  const costAt = (gapMs: number): number => cost({ rounds: ms / gapMs, reads: (rate * gapMs * ms) / 2 });
  const gaps = Array.from({ length: 200 }, (__, i) => 6 + (i * 19) / 199);
  const best = Math.min(...gaps.map(costAt));
  expect(cost(run(pace, ms, originMs, rate))).toBeLessThan(1.15 * best);
});

it('goes on counting where the number of reads goes round', () => {
  const pace = new RoundPace(limits);
  pace.begin(0, 0x7fffffff);
  pace.answered(0, 0.5);
  pace.begin(10, -0x80000000 + 9); // ten reads, which is what a round is worth
  expect(pace.gapMs).toBeCloseTo(5, 5); // half way from nothing to ten
});
