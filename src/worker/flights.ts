/**
 * One query for concurrent misses on one key (adr/008). The first one claims the key's word in shared memory and asks the origin; the
 * others, of all sessions and workers, keep their statement until the word is free again or their time is up, and then run the whole hit
 * check again (C18): what they find must be fresh enough for *them*.
 *
 *   claim ─▶ answer ─▶ offered ─▶ handled by the cache thread ─▶ confirmed by a round ─▶ free
 *     └─ error, cancel, too large, connection lost, worker dead ─────────────────────────▲
 */
import { Limits } from '../shared/limits.ts';
import type { ControlWords } from '../shared/memory/control.ts';
import { claimFlight, endFlight, flightLeftMs, flightOf, flightWord } from '../shared/memory/flights.ts';
import type { VerdictSlot } from './verdicts.ts';

/** Whose statement waits. */
export interface Waiter {
  turn(): void;
}

/** A miss of ours that others may wait for. */
export class Flight {
  private readonly control: ControlWords;
  private readonly hash: number;
  private readonly workerSlot: number;
  private isOver = false;

  constructor(control: ControlWords, hash: number, workerSlot: number) {
    this.control = control;
    this.hash = hash;
    this.workerSlot = workerSlot;
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    endFlight(this.control, this.hash, this.workerSlot);
  }

  /** Goes on when `words[word]` has reached `count`; ends after a while: a cache thread that died counts no more. */
  after(words: Int32Array<SharedArrayBuffer>, word: number, count: number, next: () => void): void {
    const seen = Atomics.load(words, word);
    if (((seen - count) | 0) >= 0) {
      next();
      return;
    }
    const { async: isAsync, value } = Atomics.waitAsync(words, word, seen, Limits.admissionWaitMsMax);
    if (!isAsync) this.after(words, word, count, next);
    else void value.then((why) => (why === 'timed-out' ? this.end() : this.after(words, word, count, next)));
  }
}

export class Flights {
  private readonly control: ControlWords;
  private readonly workerSlot: number;
  /** Longest wait in milliseconds; 0: nobody waits. */
  private readonly waitMsMax: number;
  /** Those that wait, by word. */
  private readonly waiting = new Map<number, Set<Waiter>>();

  constructor(control: ControlWords, workerSlot: number, waitMsMax: number) {
    this.control = control;
    this.workerSlot = workerSlot;
    this.waitMsMax = waitMsMax;
  }

  /** Claims the key for a miss that is about to be sent. Null: not worth it, or somebody has. */
  begin(hash: number, { costMs }: VerdictSlot, nowMs: number): Flight | null {
    if (this.waitMsMax === 0 || (costMs !== null && costMs < Limits.sharedMissMsMin)) return null;
    const worthMs = Limits.sharedMissWaitMsMin + 4 * (costMs ?? 0);
    return this.claim(hash, nowMs + Math.min(this.waitMsMax, worthMs));
  }

  /** Claims the key whatever it is worth: who misses it waits until then at most. Null: somebody has. */
  claim(hash: number, untilMs: number): Flight | null {
    if (!claimFlight(this.control, hash, this.workerSlot, untilMs)) return null;
    return new Flight(this.control, hash, this.workerSlot);
  }

  /** Claims the key for an answer that is asked for again, of whatever cost: who misses it meanwhile waits only if that is worth while. */
  beginRefresh(hash: number, { costMs }: VerdictSlot, nowMs: number): Flight | null {
    const isWorth = costMs !== null && costMs >= Limits.sharedMissMsMin;
    return this.claim(hash, isWorth ? nowMs + Math.min(this.waitMsMax, Limits.refreshMsMax) : nowMs);
  }

  /** Milliseconds to wait, if somebody asks the origin for this key: the waiter gets a turn when that is over. Else 0. */
  wait(hash: number, waiter: Waiter, nowMs: number): number {
    const value = flightOf(this.control, hash);
    const leftMs = value === 0 ? 0 : flightLeftMs(this.control, hash, nowMs);
    return leftMs > 0 && this.join(flightWord(hash), value, waiter) ? leftMs : 0;
  }

  private join(word: number, value: number, waiter: Waiter): boolean {
    const known = this.waiting.get(word);
    if (known !== undefined) {
      known.add(waiter);
      return true;
    }
    const { async: isAsync, value: over } = Atomics.waitAsync(this.control, word, value, this.waitMsMax);
    if (!isAsync) return false;
    const waiters = new Set([waiter]);
    this.waiting.set(word, waiters);
    void over.then(() => {
      this.waiting.delete(word);
      for (const each of waiters) each.turn();
    });
    return true;
  }
}
