// The global `performance` is an accessor.
import { performance } from 'node:perf_hooks';

/**
 * Monotonic time shared by all threads. `process.hrtime` counts from one origin in every thread of a process
 * (CLOCK_MONOTONIC), `performance.now()` from the thread's start; the offset between them is constant, so it is taken
 * once and the cheap call is used afterwards.
 */
export interface Clock {
  /** Milliseconds since an arbitrary origin common to all threads; fractional. */
  nowMs(): number;
}

function measureOffsetMs(): number {
  const before = performance.now();
  const [s, ns] = process.hrtime();
  const after = performance.now();
  return s * 1e3 + ns / 1e6 - (before + after) / 2;
}

const offsetMs = measureOffsetMs();

export const monotonicClock: Clock = { nowMs: () => performance.now() + offsetMs };

/** Time of day, which a paused machine catches up with and the monotonic clock does not. Never to be compared across threads. */
export const wallClock: Clock = { nowMs: () => Date.now() };
