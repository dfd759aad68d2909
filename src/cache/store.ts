/**
 * The store: shared memory that this thread writes and every worker reads (index-reader.ts) without a lock.
 *
 *   header │ index: buckets of 8 slots │ blocks, in units of 64 bytes (allocator.ts)
 *
 * An entry is an index slot that points to a block. Blocks are written once, published by one Atomics.store of their
 * number in the slot, and unlinked by another; the memory of an unlinked block waits for its readers (epochs.ts).
 * What the writer keeps of each entry is in typed arrays by its number (entry-numbers.ts), and counts as if it were in the memory (books.ts).
 *
 * **Room.** When no free memory fits, entries are evicted in batches, in the order of the policy (policy.ts). A reserve is
 * kept free ahead of need, so that an insert does not depend on all workers being between two reads at that moment. If
 * scattered victims do not make a hole that is large enough, all entries of one stretch of memory are evicted: this costs
 * as many bytes as were asked for, where going on by the policy would empty most of the store.
 */

import { Limits } from '../shared/limits.ts';
import type { ControlWords } from '../shared/memory/control.ts';
import { RetiredBlocks } from '../shared/memory/epochs.ts';
import { StoreReader } from '../shared/memory/index-reader.ts';
import { BLOCK_UNIT_BYTES, Block, Store } from '../shared/memory/layout.ts';
import { SegregatedFit } from './allocator.ts';
import { blockUnits, entryOf, setEntryOf, unitsOf, writeBlock } from './block.ts';
import { Books } from './books.ts';
import { EntryNumbers } from './entry-numbers.ts';
import { IndexSlots } from './index-slots.ts';
import { S3Fifo } from './policy.ts';
import { checkStore } from './store-check.ts';
import { createStoreMemory } from './store-memory.ts';

/** Why an entry left. */
export type RemovalCause = 'evicted' | 'replaced' | 'removed' | 'cleared';

export interface StoreOptions {
  /** > 0; written to the header. */
  readonly generation: number;
  /** All of the shared memory. The writer's books count against it, though they are elsewhere. */
  readonly memoryBytes: number;
  readonly control: ControlWords;
  /**
   * Called exactly once for every entry that leaves, after it left. The block's bytes are still readable. It must not
   * call the store.
   */
  readonly removed: (block: number, cause: RemovalCause) => void;
  /** Test-only: reuses memory without waiting for readers. */
  readonly ignoreReaders?: boolean;
  /** Test-only: number of buckets, a power of two. */
  readonly buckets?: number;
}

export interface NewEntry {
  /** `keyHash` of the key. */
  readonly hash: number;
  readonly key: Uint8Array;
  readonly frames: Uint8Array;
  /** Length of the RowDescription that the frames begin with, or 0. */
  readonly rowDescriptionBytes: number;
  readonly filledRound: number;
  /** An even number (`pointedFenceSlots`). */
  readonly fenceSlots: readonly number[];
  /** `encodeAdmission`; missing: not known. */
  readonly admission?: number;
  /** A hint asks to keep it. */
  readonly pin?: boolean;
}

export interface StoreStatistics {
  readonly entries: number;
  /** Memory of the entries, in whole units, and what books cost. */
  readonly bytes: number;
  /** The most that `bytes` can be. */
  readonly bytesMax: number;
  /** Memory of unlinked entries that waits for its readers. */
  readonly retiredBytes: number;
  readonly evicted: number;
  /** Entries that are not evicted, and their memory. */
  readonly pinnedEntries: number;
  readonly pinnedBytes: number;
}

/** Victims unlinked before reclamation is tried: one look at all epoch words serves a batch. */
const EVICTION_BATCH = 16;
/** More of them at once where one new entry has cost more than as many entries give back. */
const BATCHES_MAX = 64;
/** Evicted in the order of the policy, or twice what is wanted if that is more, before a stretch of memory is cleared. */
const SCATTERED_UNITS_MIN = 512;
/** Blocks looked at for a stretch without a pinned entry; then one is taken that has some. */
const STRETCH_BLOCKS_MAX = 16_384;
/** What the books have of each entry: its block, its place in a queue and the mark of that, the policy's memory of it when it is gone. */
const BOOKED_BYTES = 4 + 8 + 1 + 4;
/** Retired blocks that make a look at all epoch words worth while. */
const RECLAIM_BATCH = 32;
/** Kept free: a 64th of the memory, but in a small store up to a 16th, since a worker may be put to sleep while it reads. */
const RESERVE_UNITS = { low: 16_384, max: 65_536 } as const;
const NO_BYTES = new Uint8Array(0);

export class CacheStore {
  readonly memory: SharedArrayBuffer;
  /** Header and index. The rest of the cache thread publishes its words through `publish`. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly reader: StoreReader;
  /** Whoever keeps something of each entry elsewhere says here how much. */
  readonly books = new Books();
  readonly #numbers: EntryNumbers;
  readonly #slots: IndexSlots;
  readonly #removed: StoreOptions['removed'];
  readonly #blocks: SegregatedFit;
  readonly #retired: RetiredBlocks;
  readonly #policy: S3Fifo;
  readonly #reserveUnits: number;
  readonly #release = (block: number): void => {
    const units = unitsOf(this.reader, block);
    this.#retiredUnits -= units;
    this.#blocks.release(block, units);
  };
  #entries = 0;
  #liveUnits = 0;
  #retiredUnits = 0;
  #pinnedUnits = 0;
  #evicted = 0;
  #isFull = false;
  #evictedUnits = 0;

  /** @throws RangeError when the memory is too small to hold anything. */
  constructor(options: StoreOptions) {
    this.memory = createStoreMemory(options);
    this.reader = new StoreReader(this.memory);
    this.words = this.reader.words;
    this.#slots = new IndexSlots(this.words);
    this.#removed = options.removed;
    this.#blocks = new SegregatedFit(this.words, this.words[Store.BLOCKS_START]!, this.words[Store.BLOCKS_END]!);
    this.#retired = new RetiredBlocks(options.control, this.words, options.ignoreReaders === true);
    const numbers = new EntryNumbers(this.#slots.count);
    this.#numbers = numbers;
    this.#policy = new S3Fifo(this.#slots.count, {
      takeVisited: (entry) => this.#slots.takeVisited(numbers.blockOf(entry)),
      hashOf: (entry) => this.reader.word(numbers.blockOf(entry), Block.HASH),
      sizeOf: (entry) => unitsOf(this.reader, numbers.blockOf(entry)),
    });
    const units = this.#blocks.totalUnits;
    this.#reserveUnits = Math.min(units >>> 4, Math.max(units >>> 6, RESERVE_UNITS.low), RESERVE_UNITS.max);
  }

  get entries(): number {
    return this.#entries;
  }

  /** Stores a word of the header (`Store`) for workers to see. */
  publish(word: number, value: number): void {
    Atomics.store(this.words, word, value);
    Atomics.notify(this.words, word);
  }

  /** The block of the entry with this key, or 0. */
  find(hash: number, key: Uint8Array): number {
    return this.reader.find(hash, key, NO_BYTES, 0, 0);
  }

  /**
   * Adds an entry, in place of the one with an equal key if there is one. Returns its block, which names the entry until
   * `removed` is called with it; 0 when it is larger than the store, or when workers hold too much of the memory now.
   */
  insert(entry: NewEntry): number {
    const units = blockUnits(entry.key.length, entry.frames.length, entry.fenceSlots.length);
    const block = this.#allocate(units);
    if (block === 0) return 0;
    writeBlock(this.reader, block, entry);
    this.#liveUnits += units;
    // Only now: making room may have evicted the entry that this one replaces.
    const old = this.find(entry.hash, entry.key);
    if (old !== 0) this.#replace(old, block);
    else this.#link(entry.hash, block);
    this.#keepReserve();
    return block;
  }

  /** Removes the entry of this block. @throws Error when there is none. */
  remove(block: number): void {
    const slot = this.#slots.slotOf(block);
    if (slot < 0) throw new Error(`block ${block} is no entry`);
    this.#unlink(slot, 'removed');
  }

  /**
   * Removes the entries of which `mustGo` is true, a bounded number of them: those in slots from `slot` on. Returns the slot to go on from, or −1 when
   * all have been looked at. An entry never changes its slot, so one pass finds each that was there when it began.
   */
  clearSlice(slot: number, mustGo: (block: number) => boolean): number {
    const slotsEnd = Math.min(this.#slots.count, slot + Limits.clearedSlotsPerSliceMax);
    let at = slot;
    for (let looked = 0; at < slotsEnd && looked < Limits.clearedEntriesPerSliceMax; at++) {
      const block = this.#slots.blockAt(at);
      if (block === 0) continue;
      looked++;
      if (mustGo(block)) this.#unlink(at, 'cleared');
    }
    this.#retired.reclaim(this.#release, 2 * Limits.clearedEntriesPerSliceMax);
    return at < this.#slots.count && this.#entries > 0 ? at : -1;
  }

  statistics(): StoreStatistics {
    return {
      entries: this.#entries,
      bytes: this.#liveUnits * BLOCK_UNIT_BYTES + this.books.bytes,
      bytesMax: this.#blocks.totalUnits * BLOCK_UNIT_BYTES,
      retiredBytes: this.#retiredUnits * BLOCK_UNIT_BYTES,
      evicted: this.#evicted,
      pinnedEntries: this.#policy.pinnedCount,
      pinnedBytes: this.#pinnedUnits * BLOCK_UNIT_BYTES,
    };
  }

  /** Verifies every structural invariant, in time and memory proportional to the store. @throws Error naming the first. */
  check(): void {
    checkStore({
      reader: this.reader,
      blocks: this.#blocks,
      retired: this.#retired,
      policy: this.#policy,
      numbers: this.#numbers,
      entries: this.#entries,
      liveUnits: this.#liveUnits,
      retiredUnits: this.#retiredUnits,
    });
  }

  #link(hash: number, block: number): void {
    let slot = this.#slots.freeSlot(hash);
    if (slot < 0) {
      slot = this.#slots.worseNeighbour(hash, (each) => this.#isPinned(each));
      this.#evict(slot);
    }
    const entry = this.#numbers.take(block);
    setEntryOf(this.reader, block, entry);
    this.#slots.link(slot, hash, block);
    this.#entries++;
    this.books.bytes += BOOKED_BYTES;
    this.#admit(entry, block);
  }

  /** The entry keeps its slot, its number, its visit and, unless one of the two asks to be pinned, its place in the queue. */
  #replace(old: number, block: number): void {
    const entry = entryOf(this.reader, old);
    const isOrdinary = !this.reader.isPinned(old) && !this.reader.isPinned(block);
    if (this.#slots.takeVisited(old)) this.reader.markVisited(block);
    if (!isOrdinary) this.#leaveQueue(entry, old);
    setEntryOf(this.reader, block, entry);
    this.#numbers.rebind(entry, block);
    this.#slots.relink(this.#slots.slotOf(old), block);
    if (isOrdinary) this.#policy.resized(entry, unitsOf(this.reader, old), unitsOf(this.reader, block));
    else this.#admit(entry, block);
    this.#retire(old, 'replaced');
  }

  /** One that asks to be pinned is, while those that are take no more than their share. */
  #admit(entry: number, block: number): void {
    const units = unitsOf(this.reader, block);
    const pinned =
      this.reader.isPinned(block) &&
      this.#pinnedUnits + units <= Limits.pinnedShareMax * this.#blocks.totalUnits &&
      this.#policy.pinnedCount < Limits.pinnedShareMax * this.#slots.count;
    if (pinned) this.#pinnedUnits += units;
    this.#policy.admit(entry, pinned);
  }

  #leaveQueue(entry: number, block: number): void {
    if (this.#policy.isPinned(entry)) this.#pinnedUnits -= unitsOf(this.reader, block);
    this.#policy.remove(entry);
  }

  #isPinned(block: number): boolean {
    return this.#policy.isPinned(entryOf(this.reader, block));
  }

  /** The block of the entry that the policy gives up: there is one. */
  #victim(): number {
    return this.#numbers.blockOf(this.#policy.victim());
  }

  // ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #evict(slot: number): void {
    this.#evicted++;
    this.#setFull(true);
    this.#evictedUnits += unitsOf(this.reader, this.#slots.blockAt(slot));
    this.#unlink(slot, 'evicted');
  }

  #unlink(slot: number, cause: RemovalCause): void {
    const block = this.#slots.blockAt(slot);
    const entry = entryOf(this.reader, block);
    this.#leaveQueue(entry, block);
    this.#slots.unlink(slot);
    this.#numbers.release(entry);
    this.#entries--;
    this.books.bytes -= BOOKED_BYTES;
    this.#retire(block, cause);
  }

  #retire(block: number, cause: RemovalCause): void {
    const units = unitsOf(this.reader, block);
    this.#liveUnits -= units;
    this.#retiredUnits += units;
    this.#retired.push(block);
    this.#removed(block, cause);
  }

  // ── room ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #allocate(units: number): number {
    if (units > this.#blocks.totalUnits) return 0;
    if (this.#retired.count >= RECLAIM_BATCH) this.#retired.reclaim(this.#release);
    const unit = this.#blocks.take(units);
    if (unit !== 0) return unit;
    const evictedMax = this.#evictedUnits + Math.max(2 * units, SCATTERED_UNITS_MIN);
    for (let batchUnits = units; ; batchUnits *= 2) {
      this.#retired.reclaim(this.#release);
      const found = this.#blocks.take(units);
      if (found !== 0) return found;
      if (this.#readersHold(units)) return 0;
      if (this.#entries === 0 || this.#evictedUnits >= evictedMax) break;
      this.#evictBatch(Math.min(batchUnits, evictedMax - this.#evictedUnits));
    }
    this.#clearStretch(units);
    this.#retired.reclaim(this.#release);
    return this.#blocks.take(units);
  }

  /** Whether what is missing was evicted already, and only its readers keep it: more evictions would empty the store. */
  #readersHold(units: number): boolean {
    return this.#retiredUnits >= units + this.#reserveUnits;
  }

  /** Evicts in the order of the policy until `units` are unlinked, a batch at most. */
  #evictBatch(units: number): void {
    const enough = this.#retiredUnits + units;
    for (let i = 0; i < EVICTION_BATCH && this.#entries > 0 && this.#retiredUnits < enough; i++) {
      this.#evict(this.#slots.slotOf(this.#victim()));
    }
  }

  /** Evicts the next victim and all that follow it in memory until `units` units in a row are free or about to be. */
  #clearStretch(units: number): void {
    if (this.#entries === 0) return;
    const start = this.#stretchStart(units);
    for (let at = start; at < start + units && at < this.#blocks.tail; ) {
      const free = this.#blocks.freeRun(at);
      if (free > 0) {
        at += free;
        continue;
      }
      const next = at + unitsOf(this.reader, at);
      const slot = this.#slots.slotOf(at);
      if (slot >= 0) this.#evict(slot); // else it is retired already
      at = next;
    }
  }

  /** Where to clear: at the next victim, or behind the first pinned entries after it that leave room between them. */
  #stretchStart(units: number): number {
    const { first, end, tail } = this.#blocks;
    const victim = this.#victim();
    let start = victim + units > end ? first : victim;
    if (this.#policy.pinnedCount === 0) return start;
    let hasWrapped = start === first;
    for (let at = start, looked = 0; at < Math.min(start + units, tail) && looked < STRETCH_BLOCKS_MAX; looked++) {
      const free = this.#blocks.freeRun(at);
      const next = at + (free > 0 ? free : unitsOf(this.reader, at));
      const slot = free > 0 ? -1 : this.#slots.slotOf(at);
      at = next;
      if (slot < 0 || !this.#isPinned(this.#slots.blockAt(slot))) continue;
      start = next;
      if (start + units <= end) continue;
      if (hasWrapped) break;
      hasWrapped = true;
      at = start = first;
    }
    return start + units <= end ? start : first;
  }

  #setFull(isFull: boolean): void {
    if (this.#isFull === isFull) return;
    this.#isFull = isFull;
    this.publish(Store.FULL, isFull ? 1 : 0);
  }

  #keepReserve(): void {
    if (this.#blocks.freeUnits - this.#bookUnits > this.#blocks.totalUnits >>> 3) this.#setFull(false);
    for (let batch = 0; batch < BATCHES_MAX && this.#entries > 0; batch++) {
      const left = this.#blocks.freeUnits + this.#retiredUnits - this.#bookUnits;
      // A little more than is missing, so that not every insert evicts one.
      const missing = this.#reserveUnits - left;
      if (missing > 0) this.#evictBatch(missing + (this.#reserveUnits >>> 3));
      if (left >= 0) return;
    }
  }

  get #bookUnits(): number {
    return Math.ceil(this.books.bytes / BLOCK_UNIT_BYTES);
  }
}
