/**
 * Rounds are 32-bit numbers that only rise, and would be used up after some months without a restart. Long before that they are numbered anew from
 * one, in a running process:
 *
 *   1  every database: state down, entries gone, new stream epoch (its life ends), FRESH_ROUND = 0
 *   2  STARTED_ROUND = 0, every fence and every wanted round = 0
 *   3  new lives begin; their rounds are asked for after all of this, so they cover every write acknowledged before
 *
 * A fence that 2 forgets is of a write that every round of 3 covers. A worker in the midst of a hit that loaded FRESH_ROUND before 1 and a
 * fence after 2 sees at its end that the stream's epoch is another, and misses (worker/serve.ts). A worker that read STARTED_ROUND before 2 may
 * raise a fence after it, to a round that is years away: such words are looked for a while longer and lowered to the next round, which
 * begins after that write was acknowledged. The floor of a session is lowered by the session itself.
 */
import type { ControlWords } from '../shared/memory/control.ts';
import {
  Control,
  DATABASE_FENCE_COUNT,
  DATABASE_SLOTS,
  databaseFenceWord,
  databaseWords,
  FENCE_COUNT,
  FENCES,
  Store,
} from '../shared/memory/layout.ts';

/** How long and how often words are looked for that are beyond the present. */
const SWEEP_MS = 1_000;
const SWEEPS = 60;

export class Renumbering {
  readonly #control: ControlWords;
  readonly #store: ControlWords;
  readonly #forget: () => void;
  #requested = false;
  #sweeps = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param forget does step 1. */
  constructor(control: ControlWords, store: ControlWords, forget: () => void) {
    this.#control = control;
    this.#store = store;
    this.#forget = forget;
  }

  /** Not in the midst of whatever is going on. */
  request(): void {
    if (this.#requested) return;
    this.#requested = true;
    setImmediate(() => {
      this.#requested = false;
      this.#forget();
      Atomics.store(this.#control, Control.STARTED_ROUND, 0);
      lowerRounds(this.#control, this.#store, 0);
      this.#sweepForAWhile();
    });
  }

  #sweepForAWhile(): void {
    this.#sweeps = SWEEPS;
    this.#timer ??= setInterval(() => {
      lowerRounds(this.#control, this.#store, Atomics.load(this.#control, Control.STARTED_ROUND) + 1);
      if (--this.#sweeps > 0) return;
      clearInterval(this.#timer!);
      this.#timer = null;
    }, SWEEP_MS).unref();
  }
}

/** Lowers each fence and each wanted round to `roundMax`. */
export function lowerRounds(control: ControlWords, store: ControlWords, roundMax: number): void {
  for (let i = 0; i < FENCE_COUNT; i++) lower(control, FENCES + i, roundMax);
  for (let i = 0; i < DATABASE_FENCE_COUNT; i++) lower(control, databaseFenceWord(i), roundMax);
  for (let i = 0; i < DATABASE_SLOTS; i++) {
    lower(store, Store.ROUND_WANTED + databaseWords(i), roundMax);
    lower(store, Store.ROUND_WISHED + databaseWords(i), roundMax);
    lower(store, Store.ROUND_AWAITED + databaseWords(i), roundMax);
    lower(store, Store.ROUND_CONFIRMING + databaseWords(i), roundMax);
  }
}

function lower(words: ControlWords, index: number, roundMax: number): void {
  let seen = Atomics.load(words, index);
  while (seen > roundMax) {
    const before = Atomics.compareExchange(words, index, seen, roundMax);
    if (before === seen) return;
    seen = before;
  }
}
