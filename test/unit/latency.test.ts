/** Histograms of latency: what goes in comes out as percentiles, whatever the order. */
import { expect, it } from 'vitest';
import { createCounters, openCounters } from '../../src/shared/memory/counters.ts';
import { latencyMs, recordLatency } from '../../src/shared/memory/latency.ts';
import { COUNTERS_LENGTH, Counter, LATENCY_BUCKETS } from '../../src/shared/memory/layout.ts';
import { reasonCodes } from '../../src/shared/reasons.ts';

const lane = () => {
  const counters = openCounters(createCounters());
  return { counters, read: (index: number) => counters[index]! };
};

it('gives percentiles at most a fifth too high and never too low', () => {
  const { counters, read } = lane();
  for (let i = 1; i <= 1000; i++) recordLatency(counters, 'origin', i / 100);
  for (const [share, exact] of [
    [0.5, 5],
    [0.99, 9.9],
    [0.999, 9.99],
    [1, 10],
  ] as const) {
    const ms = latencyMs(read, 'origin', share)!;
    expect(ms).toBeGreaterThanOrEqual(exact);
    expect(ms).toBeLessThan(exact * 1.2);
  }
  expect(latencyMs(read, 'cache', 0.5)).toBe(null);
});

it('takes any time, from nothing to hours', () => {
  const { counters, read } = lane();
  for (const ms of [0, 1e-6, 1e-3, 1e9]) recordLatency(counters, 'cache', ms);
  expect(latencyMs(read, 'cache', 0.25)).toBeCloseTo(1e-3);
  expect(latencyMs(read, 'cache', 1)).toBeGreaterThan(3e6 - 1);
});

it('has words of its own among the counters', () => {
  expect(Counter.reasons + reasonCodes.length).toBeLessThanOrEqual(Counter.latencyCache);
  expect(Counter.latencyCache + LATENCY_BUCKETS).toBeLessThanOrEqual(Counter.latencyOrigin);
  expect(Counter.latencyOrigin + LATENCY_BUCKETS).toBeLessThanOrEqual(COUNTERS_LENGTH);
});
