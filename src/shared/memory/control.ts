/**
 * The control memory: one per process, created by main, opened by every thread, alive across cache generations. Words
 * and their writers: layout.ts.
 */
import type { LoopDelay } from '../loop-delay.ts';
import { CONTROL_BYTES, Control, databaseWords, LIMIT_ROUND, Store } from './layout.ts';

/** The control memory as every function of this folder takes it. */
export type ControlWords = Int32Array<SharedArrayBuffer>;

export function createControl(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES);
}

/** @throws RangeError when the memory was not made by `createControl` of this version. */
export function openControl(memory: SharedArrayBuffer): ControlWords {
  if (memory.byteLength !== CONTROL_BYTES) throw new RangeError(`control memory of ${memory.byteLength} bytes`);
  return new Int32Array(memory);
}

/**
 * Raises the word to `value` unless it is there already (compare-and-swap maximum: C17, such words only rise). Returns
 * whether it rose.
 */
export function raise(words: ControlWords, index: number, value: number): boolean {
  let seen = Atomics.load(words, index);
  while (seen < value) {
    const before = Atomics.compareExchange(words, index, seen, value);
    if (before === seen) return true;
    seen = before;
  }
  return false;
}

/** Generation whose store may be read; 0 while the cache is down. */
export const currentGeneration = (words: ControlWords): number => Atomics.load(words, Control.CURRENT_GENERATION);

export const startedRound = (words: ControlWords): number => Atomics.load(words, Control.STARTED_ROUND);

/** Begins the next round and returns it. For the cache thread alone. @throws RangeError when rounds have run out. */
export function startRound(words: ControlWords): number {
  const round = Atomics.add(words, Control.STARTED_ROUND, 1) + 1;
  if (round >= LIMIT_ROUND) throw new RangeError('rounds have run out');
  return round;
}

/** The round that workers wait for, of the database in this slot of the store. */
export const wantedRound = (store: ControlWords, databaseSlot: number): number =>
  Atomics.load(store, Store.ROUND_WANTED + databaseWords(databaseSlot));

/** Asks for a round of a database; true when nobody had asked for it yet, whereupon the caller nudges the cache thread. */
export const wantRound = (store: ControlWords, databaseSlot: number, round: number): boolean =>
  raise(store, Store.ROUND_WANTED + databaseWords(databaseSlot), round);

export const awaitedRound = (store: ControlWords, databaseSlot: number): number =>
  Atomics.load(store, Store.ROUND_AWAITED + databaseWords(databaseSlot));

/** Asks for a round that statements stand still for; true when none did yet, whereupon the caller nudges the cache thread. */
export const awaitRound = (store: ControlWords, databaseSlot: number, round: number): boolean =>
  raise(store, Store.ROUND_AWAITED + databaseWords(databaseSlot), round);

export const confirmingRound = (store: ControlWords, databaseSlot: number): number =>
  Atomics.load(store, Store.ROUND_CONFIRMING + databaseWords(databaseSlot));

/** The same where the answer that they need has been admitted: the round is all that is missing. */
export const confirmByRound = (store: ControlWords, databaseSlot: number, round: number): boolean =>
  raise(store, Store.ROUND_CONFIRMING + databaseWords(databaseSlot), round);

export const wishedRound = (store: ControlWords, databaseSlot: number): number =>
  Atomics.load(store, Store.ROUND_WISHED + databaseWords(databaseSlot));

/** Makes a round desirable before long; true when nobody had yet, whereupon the caller nudges the cache thread. */
export const wishRound = (store: ControlWords, databaseSlot: number, round: number): boolean =>
  raise(store, Store.ROUND_WISHED + databaseWords(databaseSlot), round);

/** Counts a read that goes to the origin because no round has covered what it would be answered with. */
export const passBehind = (store: ControlWords, databaseSlot: number): number =>
  Atomics.add(store, Store.READS_BEHIND + databaseWords(databaseSlot), 1);

export const readsBehind = (store: ControlWords, databaseSlot: number): number =>
  Atomics.load(store, Store.READS_BEHIND + databaseWords(databaseSlot));

export const openSessions = (words: ControlWords): number => Atomics.load(words, Control.SESSIONS);

/** Counts sessions in (+1) and out (−1); returns how many are open now. */
export const addSessions = (words: ControlWords, by: number): number => Atomics.add(words, Control.SESSIONS, by) + by;

/** For the cache thread alone. */
export function publishCacheLoopDelay(words: ControlWords, { p99Ms, maxMs }: LoopDelay): void {
  Atomics.store(words, Control.CACHE_LOOP_P99_US, Math.round(p99Ms * 1e3));
  Atomics.store(words, Control.CACHE_LOOP_MAX_US, Math.round(maxMs * 1e3));
}

export function cacheLoopDelay(words: ControlWords): LoopDelay {
  const ms = (word: number): number => Atomics.load(words, word) / 1e3;
  return { p99Ms: ms(Control.CACHE_LOOP_P99_US), maxMs: ms(Control.CACHE_LOOP_MAX_US) };
}

/** For main alone. */
export function publishSpareProcessors(words: ControlWords, isSpare: boolean): void {
  const word = isSpare ? 1 : 0;
  if (Atomics.load(words, Control.SPARE_PROCESSORS) !== word) Atomics.store(words, Control.SPARE_PROCESSORS, word);
}

export const areProcessorsSpare = (words: ControlWords): boolean => Atomics.load(words, Control.SPARE_PROCESSORS) === 1;

/** For the cache thread alone: its event loop goes round. */
export function beatCacheHeartbeat(words: ControlWords): void {
  Atomics.add(words, Control.CACHE_HEARTBEAT, 1);
}
