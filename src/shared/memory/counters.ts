/**
 * Counters of one worker: a Float64Array in shared memory that this worker alone writes and main reads. An aligned
 * Float64 is stored in one piece on the machines that Node runs on, and exact up to 2^53; a reader may be a moment late.
 */
import { type Reason, reasonIndex } from '../reasons.ts';
import { COUNTERS_LENGTH, Counter } from './layout.ts';

export type Counters = Float64Array<SharedArrayBuffer>;
export type CounterName = Exclude<keyof typeof Counter, 'reasons'>;

/** Counters that say how many there are now; the others only rise. */
const gauges: readonly CounterName[] = ['sessionsOpen', 'originConnections', 'originPending'];

export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNTERS_LENGTH * Float64Array.BYTES_PER_ELEMENT);
}

export const openCounters = (memory: SharedArrayBuffer): Counters => new Float64Array(memory);

export function countReason(counters: Counters, reason: Reason): void {
  counters[Counter.reasons + reasonIndex[reason]]! += 1;
}

/** Main, once a worker has ended: what it had open is gone, what it counted stays, and its successor counts on. */
export function clearGauges(counters: Counters): void {
  for (const name of gauges) counters[Counter[name]] = 0;
}

/** The sum over workers, in the layout of one worker's counters. */
export function sumCounters(all: Iterable<Counters>): Float64Array {
  const sum = new Float64Array(COUNTERS_LENGTH);
  for (const counters of all) for (let i = 0; i < COUNTERS_LENGTH; i++) sum[i]! += counters[i]!;
  return sum;
}
