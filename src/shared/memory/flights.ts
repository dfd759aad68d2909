/**
 * Misses under way: a word for each of FLIGHT_COUNT groups of keys, so that others who miss the same key, on any thread, can wait for the
 * one answer (adr/008). Found by the key's hash; the word tells the rest of the hash and the worker:
 *
 *   0 free │ hash (25 bits) ‖ worker slot + 1 (7 bits)
 *
 * A worker claims a free word by compare-and-swap, and is then its only writer until it frees it; for a dead worker main does. Two
 * keys of one word: the second one's misses are nobody's, which costs queries and nothing else. Equal words of different keys: a
 * needless wait, bounded like any other.
 */
import type { ControlWords } from './control.ts';
import { FLIGHT_COUNT, FLIGHTS, FLIGHTS_UNTIL } from './layout.ts';

const WORKER_BITS = 7;
const WORKER_MASK = (1 << WORKER_BITS) - 1;

const claimOf = (hash: number, workerSlot: number): number => (hash << WORKER_BITS) | (workerSlot + 1);

/** The word of a key's hash. */
export const flightWord = (hash: number): number => FLIGHTS + ((hash >>> 20) & (FLIGHT_COUNT - 1));

const untilWord = (hash: number): number => flightWord(hash) - FLIGHTS + FLIGHTS_UNTIL;

/**
 * False: somebody's miss is under way there.
 * @param untilMs of the monotonic clock: until then it is worth waiting for. Who looks before it is written sees an older one, and does not wait.
 */
export function claimFlight(control: ControlWords, hash: number, workerSlot: number, untilMs: number): boolean {
  if (Atomics.compareExchange(control, flightWord(hash), 0, claimOf(hash, workerSlot)) !== 0) return false;
  Atomics.store(control, untilWord(hash), untilMs | 0);
  return true;
}

/** How long the miss under way is worth waiting for from now on, in milliseconds; 0 or less: no longer. */
export function flightLeftMs(control: ControlWords, hash: number, nowMs: number): number {
  return (Atomics.load(control, untilWord(hash)) - (nowMs | 0)) | 0;
}

/** The word's value while a miss on this key is under way, else 0. */
export function flightOf(control: ControlWords, hash: number): number {
  const value = Atomics.load(control, flightWord(hash));
  return value !== 0 && ((value ^ claimOf(hash, 0)) & ~WORKER_MASK) === 0 ? value : 0;
}

/** By the worker that claimed it: whoever waits for it looks again. */
export function endFlight(control: ControlWords, hash: number, workerSlot: number): void {
  const word = flightWord(hash);
  if (Atomics.compareExchange(control, word, claimOf(hash, workerSlot), 0) !== 0) Atomics.notify(control, word);
}

/** By main, for a worker that is dead. */
export function endFlightsOf(control: ControlWords, workerSlot: number): void {
  for (let word = FLIGHTS; word < FLIGHTS + FLIGHT_COUNT; word++) {
    if ((Atomics.load(control, word) & WORKER_MASK) !== workerSlot + 1) continue;
    Atomics.store(control, word, 0);
    Atomics.notify(control, word);
  }
}
