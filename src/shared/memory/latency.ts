/**
 * Histograms of latency inside a worker's counters: four buckets for each doubling from a microsecond up, so that a percentile read from them
 * is at most 19 % too high. The worker adds a sample (one in `LATENCY_SAMPLE_EVERY`, so that a hit hardly pays), main sums and reads.
 */
import type { Counters } from './counters.ts';
import { Counter, LATENCY_BUCKETS } from './layout.ts';

/** Of so many batches one is timed. */
export const LATENCY_SAMPLE_EVERY = 64;

const STEPS_PER_DOUBLING = 4;

export type Answerer = 'cache' | 'origin';
const firstBucket = { cache: Counter.latencyCache, origin: Counter.latencyOrigin } as const;

export function recordLatency(counters: Counters, answerer: Answerer, ms: number): void {
  const bucket = ms <= 1e-3 ? 0 : Math.min(LATENCY_BUCKETS - 1, Math.ceil(Math.log2(ms * 1e3) * STEPS_PER_DOUBLING));
  counters[firstBucket[answerer] + bucket]! += 1;
}

/** Upper bound of a bucket. */
const bucketMs = (bucket: number): number => 2 ** (bucket / STEPS_PER_DOUBLING) / 1e3;

/** The latency that a share of the samples did not exceed; null without samples. @param read a counter's value, summed over workers or not */
export function latencyMs(read: (index: number) => number, answerer: Answerer, share: number): number | null {
  const first = firstBucket[answerer];
  let samples = 0;
  for (let i = 0; i < LATENCY_BUCKETS; i++) samples += read(first + i);
  if (samples === 0) return null;
  let left = Math.max(1, Math.ceil(share * samples));
  for (let i = 0; i < LATENCY_BUCKETS; i++) {
    left -= read(first + i);
    if (left <= 0) return bucketMs(i);
  }
  return bucketMs(LATENCY_BUCKETS - 1);
}
