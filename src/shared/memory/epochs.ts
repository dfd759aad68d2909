/**
 * Epoch-based reclamation: a block that was unlinked from the index is reused only when no worker can still be reading
 * it (C20). Each worker has one word in the control memory: 0 while it holds no block, else the epoch it began in.
 *
 *   worker                                         cache thread
 *   R1  e := load RECLAIM_EPOCH                    W1  store 0 (or another block) in the slot; remember (block, E)
 *   R2  store e in the own word                    W2  store E + 1 in RECLAIM_EPOCH
 *   R3  load the slot, read the block              W3  load every worker's word
 *   R4  store 0 in the own word                    W4  reuse the block iff each word is 0 or later than E
 *
 * Why that suffices: all of these are sequentially consistent, so they have one total order. If R3 saw the block, then
 * R3 came before W1, hence R1 and R2 came before W1 and so before W2 and W3. R1 before W2 gives e <= E; R2 before W3
 * means that W3 sees e, or something the same worker stored later. While it sees e the block stays. When it sees a later
 * store, R4 has happened, and with it everything the worker read (Atomics order plain accesses around them, so the
 * copy in R3 cannot drift behind R4, nor the reuse in W4 before W3). Had R3 come after W1, it saw no block.
 * A worker that sleeps between R1 and R2 publishes an epoch that is too old: that only delays reuse. The order of R2
 * before R3 is what C19 demands of the hit path ("store the epoch word; then load the slot").
 *
 * Epochs wrap and skip 0; "later" is a difference. A word left by an older generation's store is compared in the same
 * way: its reader does not touch this store's memory, so either outcome is right. The supervisor clears a dead worker's.
 */
import type { ControlWords } from './control.ts';
import { epochWord, Store, WORKERS_MAX } from './layout.ts';

/**
 * Worker: from here to `leaveEpoch` no block that a lookup in this store finds is reused.
 * @param word the worker's own, `epochWord(workerSlot)`
 * @param store words of the store that will be read, no other
 */
export function enterEpoch(control: ControlWords, word: number, store: Int32Array): void {
  Atomics.store(control, word, Atomics.load(store, Store.RECLAIM_EPOCH));
}

/** Worker: holds no block any more. Supervisor: on behalf of a worker that died. */
export function leaveEpoch(control: ControlWords, word: number): void {
  Atomics.store(control, word, 0);
}

const nextEpoch = (epoch: number): number => (epoch + 1) | 0 || 1;

/** Blocks that were unlinked and wait for their readers, oldest first. Bounded by the blocks of the store. */
export class RetiredBlocks {
  readonly #control: ControlWords;
  readonly #store: Int32Array;
  /** Test-only: reuses at once, so that the race tests can show that they would notice. */
  readonly #ignoreReaders: boolean;
  /** Ring of (block, epoch) pairs, a power of two long. */
  #ring = new Int32Array(2 * 1024);
  #first = 0;
  #count = 0;
  /** Epoch of the youngest block, to advance only when that is due. */
  #lastEpoch = 0;

  constructor(control: ControlWords, store: Int32Array, ignoreReaders: boolean) {
    this.#control = control;
    this.#store = store;
    this.#ignoreReaders = ignoreReaders;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes a block that no slot points to any more. */
  push(block: number): void {
    if (2 * this.#count === this.#ring.length) this.#grow();
    const at = (2 * (this.#first + this.#count)) & (this.#ring.length - 1);
    this.#lastEpoch = Atomics.load(this.#store, Store.RECLAIM_EPOCH);
    this.#ring[at] = block;
    this.#ring[at + 1] = this.#lastEpoch;
    this.#count++;
  }

  /** Hands blocks that no worker can be reading to `release`, the oldest first; returns how many. */
  reclaim(release: (block: number) => void, max = Number.POSITIVE_INFINITY): number {
    if (this.#count === 0) return 0;
    const oldest = this.#oldestEpoch();
    let released = 0;
    for (; this.#count > 0 && released < max; released++) {
      const at = (2 * this.#first) & (this.#ring.length - 1);
      if (!this.#ignoreReaders && ((oldest - this.#ring[at + 1]!) | 0) <= 0) break;
      const block = this.#ring[at]!;
      this.#first = (this.#first + 1) & (this.#ring.length / 2 - 1);
      this.#count--;
      release(block);
    }
    return released;
  }

  /** Calls `visit` with every waiting block. */
  forEach(visit: (block: number) => void): void {
    for (let i = 0; i < this.#count; i++) visit(this.#ring[(2 * (this.#first + i)) & (this.#ring.length - 1)]!);
  }

  /** The oldest epoch that a worker may still be in, after making sure that the youngest retired block's has passed. */
  #oldestEpoch(): number {
    let epoch = Atomics.load(this.#store, Store.RECLAIM_EPOCH);
    if (epoch === this.#lastEpoch) {
      epoch = nextEpoch(epoch);
      Atomics.store(this.#store, Store.RECLAIM_EPOCH, epoch);
    }
    let oldest = epoch;
    for (let slot = 0; slot < WORKERS_MAX; slot++) {
      const used = Atomics.load(this.#control, epochWord(slot));
      if (used !== 0 && ((used - oldest) | 0) < 0) oldest = used;
    }
    return oldest;
  }

  #grow(): void {
    const grown = new Int32Array(2 * this.#ring.length);
    for (let i = 0; i < this.#count; i++) {
      const from = (2 * (this.#first + i)) & (this.#ring.length - 1);
      grown[2 * i] = this.#ring[from]!;
      grown[2 * i + 1] = this.#ring[from + 1]!;
    }
    this.#ring = grown;
    this.#first = 0;
  }
}
