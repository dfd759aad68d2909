/** Sessions whose statement waits for the next round of their database: each gets a turn when one has completed, and looks again. */
import { Limits } from '../shared/limits.ts';
import type { AttachedCache } from './cache-link.ts';

/** Whose statement waits. */
export interface RoundWaiter {
  turn(): void;
}

export class RoundWaits {
  private readonly waiting = new Map<AttachedCache, Set<RoundWaiter>>();

  /** The turn comes later in any case, perhaps for nothing. */
  join(cache: AttachedCache, round: number, waiter: RoundWaiter): void {
    const seen = cache.reader.freshRound();
    if (seen >= round) {
      queueMicrotask(() => waiter.turn());
      return;
    }
    const known = this.waiting.get(cache);
    if (known !== undefined) {
      known.add(waiter);
      return;
    }
    const waiters = new Set([waiter]);
    this.waiting.set(cache, waiters);
    const { words, freshRoundWord } = cache.reader;
    const { async: isAsync, value } = Atomics.waitAsync(words, freshRoundWord, seen, Limits.floorWaitMsMax);
    const over = (): void => {
      this.waiting.delete(cache);
      for (const each of waiters) each.turn();
    };
    if (isAsync) void value.then(over);
    else queueMicrotask(over);
  }
}
