/**
 * The store: shared memory that this thread writes and every worker reads (index-reader.ts) without a lock.
 *
 *   header │ index: buckets of 8 slots │ blocks, in units of 64 bytes (allocator.ts)
 *
 * An entry is an index slot that points to a block. Blocks are written once, published by one Atomics.store of their
 * number in the slot, and unlinked by another; the memory of an unlinked block waits for its readers (epochs.ts).
 * Everything the writer keeps per entry is in typed arrays numbered by slot, so it is bounded by the index.
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
import { BLOCK_UNIT_BYTES, Store } from '../shared/memory/layout.ts';
import { SegregatedFit } from './allocator.ts';
import { blockUnits, unitsOf, writeBlock } from './block.ts';
import { IndexSlots } from './index-slots.ts';
import { S3Fifo } from './policy.ts';
import { checkStore } from './store-check.ts';
import { createStoreMemory } from './store-memory.ts';

/** Why an entry left. */
export type RemovalCause = 'evicted' | 'replaced' | 'removed' | 'cleared';

export interface StoreOptions {
  /** > 0; written to the header. */
  readonly generation: number;
  /** All of the shared memory; the writer's own bookkeeping comes on top, 7 to 14 % (ADR-002). */
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
  /** Memory of the entries, in whole units. */
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
/** Evicted in the order of the policy, or twice what is wanted if that is more, before a stretch of memory is cleared. */
const SCATTERED_UNITS_MIN = 512;
/** Blocks looked at for a stretch without a pinned entry; then one is taken that has some. */
const STRETCH_BLOCKS_MAX = 16_384;
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
    const slots = this.#slots;
    this.#policy = new S3Fifo(slots.count, {
      takeVisited: (slot) => slots.takeVisited(slot),
      hashOf: (slot) => slots.hashOf(slot),
      sizeOf: (slot) => unitsOf(this.reader, slots.blockAt(slot)),
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
      bytes: this.#liveUnits * BLOCK_UNIT_BYTES,
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
      entries: this.#entries,
      liveUnits: this.#liveUnits,
      retiredUnits: this.#retiredUnits,
    });
  }

  #link(hash: number, block: number): void {
    let slot = this.#slots.freeSlot(hash);
    if (slot < 0) {
      slot = this.#slots.worseNeighbour(hash, (each) => this.#policy.isPinned(each));
      this.#evict(slot);
    }
    this.#slots.link(slot, hash, block);
    this.#entries++;
    this.#admit(slot, block);
  }

  /** The entry keeps its slot, its visit and, unless one of the two asks to be pinned, its place in the queue. */
  #replace(old: number, block: number): void {
    const slot = this.#slots.slotOf(old);
    const isOrdinary = !this.reader.isPinned(old) && !this.reader.isPinned(block);
    if (this.#slots.takeVisited(slot)) this.reader.markVisited(block);
    if (!isOrdinary) this.#leaveQueue(slot, old);
    this.#slots.relink(slot, block);
    if (isOrdinary) this.#policy.resized(slot, unitsOf(this.reader, old), unitsOf(this.reader, block));
    else this.#admit(slot, block);
    this.#retire(old, 'replaced');
  }

  /** One that asks to be pinned is, while those that are take no more than their share. */
  #admit(slot: number, block: number): void {
    const units = unitsOf(this.reader, block);
    const pinned =
      this.reader.isPinned(block) &&
      this.#pinnedUnits + units <= Limits.pinnedShareMax * this.#blocks.totalUnits &&
      this.#policy.pinnedCount < Limits.pinnedShareMax * this.#slots.count;
    if (pinned) this.#pinnedUnits += units;
    this.#policy.admit(slot, pinned);
  }

  #leaveQueue(slot: number, block: number): void {
    if (this.#policy.isPinned(slot)) this.#pinnedUnits -= unitsOf(this.reader, block);
    this.#policy.remove(slot);
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
    this.#leaveQueue(slot, block);
    this.#slots.unlink(slot);
    this.#entries--;
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
      this.#evict(this.#policy.victim());
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
    const victim = this.#slots.blockAt(this.#policy.victim());
    let start = victim + units > end ? first : victim;
    if (this.#policy.pinnedCount === 0) return start;
    let hasWrapped = start === first;
    for (let at = start, looked = 0; at < Math.min(start + units, tail) && looked < STRETCH_BLOCKS_MAX; looked++) {
      const free = this.#blocks.freeRun(at);
      const next = at + (free > 0 ? free : unitsOf(this.reader, at));
      const slot = free > 0 ? -1 : this.#slots.slotOf(at);
      at = next;
      if (slot < 0 || !this.#policy.isPinned(slot)) continue;
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
    if (this.#blocks.freeUnits > this.#blocks.totalUnits >>> 3) this.#setFull(false);
    const missing = this.#reserveUnits - this.#blocks.freeUnits - this.#retiredUnits;
    // A little more than is missing, so that not every insert evicts one.
    if (missing > 0) this.#evictBatch(missing + (this.#reserveUnits >>> 3));
  }
}
