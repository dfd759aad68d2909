/**
 * Words of the store's header that say how far the answers of one database may be trusted. This thread is their only writer, through this
 * class alone. They belong to a slot: a database that gets the slot of another goes on counting where that one stopped.
 *
 * Stamps are numbered here: transactions that settled, tables that went live and catalog changes draw from one sequence, so that a token
 * is comparable with all of them.
 */

import { PgfreshError } from '../shared/errors.ts';
import { databaseWords, LIMIT_ROUND, Store, StoreState } from '../shared/memory/layout.ts';
import type { CacheStore } from './store.ts';

/** A number that workers read as 32 bits is used up; a new generation begins again at zero. */
class NumbersUsedUpError extends PgfreshError {
  constructor(what: string) {
    super('NUMBERS_USED_UP', 1, `${what} of this cache generation are used up`);
  }
}

export class StoreHeader {
  readonly #publish: CacheStore['publish'];
  #stamp = 0;
  #state: StoreState = StoreState.starting;
  #streamEpoch = 0;
  #catalogVersion = 0;
  #freshRound = 0;

  constructor(store: Pick<CacheStore, 'publish'>, databaseSlot = 0) {
    const offset = databaseWords(databaseSlot);
    this.#publish = (word, value) => store.publish(word + offset, value);
  }

  get state(): StoreState {
    return this.#state;
  }

  get streamEpoch(): number {
    return this.#streamEpoch;
  }

  get catalogVersion(): number {
    return this.#catalogVersion;
  }

  /** The last round that has completed. */
  get freshRound(): number {
    return this.#freshRound;
  }

  /** The next stamp, not published yet. @throws NumbersUsedUpError after some weeks of a settlement each millisecond. */
  nextStamp(): number {
    if (++this.#stamp >= LIMIT_ROUND) throw new NumbersUsedUpError('settle stamps');
    return this.#stamp;
  }

  publishStamp(stamp: number): void {
    this.#publish(Store.SETTLE_STAMP, stamp);
  }

  /** A stamp that answers asked for before now do not have. */
  raiseStamp(): number {
    const stamp = this.nextStamp();
    this.publishStamp(stamp);
    return stamp;
  }

  setState(state: StoreState): void {
    this.#state = state;
    this.#publish(Store.STATE, state);
  }

  /** Refuses every token given out so far (C3). */
  raiseStreamEpoch(): void {
    this.#publish(Store.STREAM_EPOCH, ++this.#streamEpoch);
  }

  /** Makes verdicts and contexts unknown (C6). */
  raiseCatalogVersion(): void {
    this.#publish(Store.CATALOG_VERSION, ++this.#catalogVersion);
  }

  /** Rounds are about to be numbered anew: whoever has read the round of before sees that it is no more. */
  forgetRounds(): void {
    this.#freshRound = 0;
    this.#publish(Store.FRESH_ROUND, 0);
  }

  /** The time first: whoever sees the round sees a time that is at least as late. */
  publishFreshness(round: number, startMs: number): void {
    this.#publish(Store.FRESH_AS_OF_MS, startMs | 0);
    this.#freshRound = round;
    this.#publish(Store.FRESH_ROUND, round);
  }
}
