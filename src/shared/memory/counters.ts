/**
 * Counters of one worker: a Float64Array in shared memory that this worker alone writes and main reads and sums
 * (src/proxy/counters.ts). An aligned Float64 is stored in one piece on the machines that Node runs on, and exact up to
 * 2^53; a reader may be a moment late.
 */
import { type Reason, reasonIndex } from '../reasons.ts';
import { COUNTERS_LENGTH, Counter } from './layout.ts';

export type Counters = Float64Array<SharedArrayBuffer>;

export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNTERS_LENGTH * Float64Array.BYTES_PER_ELEMENT);
}

export const openCounters = (memory: SharedArrayBuffer): Counters => new Float64Array(memory);

/** Returns how often it was counted by this worker, this time included. */
export function countReason(counters: Counters, reason: Reason): number {
  const index = Counter.reasons + reasonIndex[reason];
  const count = counters[index]! + 1;
  counters[index] = count;
  return count;
}
