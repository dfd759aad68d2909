/**
 * Reading a store without locks: index lookup, full comparison of keys, copying of frames. Nothing here allocates.
 *
 *   index: buckets of 64 bytes, each 8 × (tag, block number); block number 0 = empty slot
 *
 * A key with hash h lives in one of two buckets. The tag is the whole hash and only a filter: what decides is the
 * comparison of every byte of the key with the block, which never changes while the caller is inside an epoch
 * (epochs.ts). So a tag seen out of step with its block number costs a miss at worst.
 *
 * **Windows.** Views of 2 GiB at steps of 1 GiB cover the memory, and a block is reached through the window that it
 * starts in. Not for speed: Buffer's native copy truncates offsets to 32 bits (seen on Node 24: beyond 4 GiB it copies
 * other bytes, without an error). Within a window all offsets are small.
 */
import {
  Block,
  BUCKET_SLOTS,
  databaseWords,
  HOT_BIT,
  PIN_BIT,
  STORE_HEADER_BYTES,
  Store,
  type StoreState,
  VISITED_BIT,
} from './layout.ts';

const WINDOW_UNITS_BITS = 24;
const WINDOW_UNITS = 1 << WINDOW_UNITS_BITS;
const WINDOW_STEP_BYTES = WINDOW_UNITS * 64;
const UNIT_WORDS_BITS = 4;

/** First word of the index. */
export const INDEX_WORD = STORE_HEADER_BYTES / 4;
export const BUCKET_WORDS = 2 * BUCKET_SLOTS;

/** Up to here a loop beats the fixed cost of a native comparison (ADR-002). */
const LOOP_BYTES_MAX = 64;

/** The other bucket of a hash; never the same one. */
export function secondBucket(hash: number, mask: number): number {
  return (hash & mask) ^ (((Math.imul(hash, 0x9e3779b1) >>> 7) & mask) | 1);
}

function equalBytes(block: Buffer, at: number, other: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length > LOOP_BYTES_MAX) return block.compare(other, start, end, at, at + length) === 0;
  for (let i = 0; i < length; i++) if (block[at + i] !== other[start + i]) return false;
  return true;
}

export class StoreReader {
  /** Header and index as words. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #wordWindows: Int32Array<SharedArrayBuffer>[] = [];
  readonly #byteWindows: Buffer<SharedArrayBuffer>[] = [];
  readonly #mask: number;
  /** Of the database whose words are read, from those in slot 0. */
  readonly #database: number;

  constructor(store: SharedArrayBuffer, databaseSlot = 0) {
    this.words = new Int32Array(store);
    this.#database = databaseWords(databaseSlot);
    this.#mask = this.words[Store.BUCKETS]! - 1;
    for (let at = 0; at < store.byteLength; at += WINDOW_STEP_BYTES) {
      const length = Math.min(2 * WINDOW_STEP_BYTES, store.byteLength - at);
      this.#wordWindows.push(new Int32Array(store, at, length >>> 2));
      this.#byteWindows.push(Buffer.from(store, at, length));
    }
  }

  /**
   * The block of the entry with key `prefix ‖ tail[tailStart, tailEnd)`, or 0. Valid until the caller leaves the epoch
   * that it must be in.
   * @param hash `keyHash` of that key
   */
  find(hash: number, prefix: Uint8Array, tail: Uint8Array, tailStart: number, tailEnd: number): number {
    const block = this.#probe(hash & this.#mask, hash, prefix, tail, tailStart, tailEnd);
    if (block !== 0) return block;
    return this.#probe(secondBucket(hash, this.#mask), hash, prefix, tail, tailStart, tailEnd);
  }

  #probe(b: number, hash: number, prefix: Uint8Array, tail: Uint8Array, start: number, end: number): number {
    const words = this.words;
    const from = INDEX_WORD + b * BUCKET_WORDS;
    for (let at = from; at < from + BUCKET_WORDS; at += 2) {
      if (words[at] !== hash) continue;
      const block = Atomics.load(words, at + 1);
      if (block !== 0 && this.#keyEquals(block, prefix, tail, start, end)) return block;
    }
    return 0;
  }

  #keyEquals(block: number, prefix: Uint8Array, tail: Uint8Array, start: number, end: number): boolean {
    const prefixBytes = prefix.length;
    if (this.word(block, Block.KEY_BYTES) !== prefixBytes + end - start) return false;
    const bytes = this.bytesOf(block);
    const at = this.keyOffset(block);
    return equalBytes(bytes, at, prefix, 0, prefixBytes) && equalBytes(bytes, at + prefixBytes, tail, start, end);
  }

  /** A word of a block's header (`Block`). */
  word(block: number, index: number): number {
    return this.#wordWindows[block >>> WINDOW_UNITS_BITS]![((block & (WINDOW_UNITS - 1)) << UNIT_WORDS_BITS) + index]!;
  }

  /** The bytes that `keyOffset` and `framesOffset` of this block count in. */
  bytesOf(block: number): Buffer<SharedArrayBuffer> {
    return this.#byteWindows[block >>> WINDOW_UNITS_BITS]!;
  }

  keyOffset(block: number): number {
    const headerWords = Block.HEADER_WORDS + 2 * this.word(block, Block.FENCE_PAIRS);
    return (((block & (WINDOW_UNITS - 1)) << UNIT_WORDS_BITS) + headerWords) << 2;
  }

  framesOffset(block: number): number {
    return this.keyOffset(block) + ((this.word(block, Block.KEY_BYTES) + 3) & ~3);
  }

  framesBytes(block: number): number {
    return this.word(block, Block.FRAMES_BYTES);
  }

  /** Length of the RowDescription that the frames begin with; 0 when they have none. */
  rowDescriptionBytes(block: number): number {
    return this.word(block, Block.ROW_DESCRIPTION_BYTES);
  }

  /** The floor that a session gets by reading this answer under `monotonic` (C18). */
  filledRound(block: number): number {
    return this.word(block, Block.FILLED_ROUND);
  }

  /** How many fence slots the block has: an even number. */
  fenceSlots(block: number): number {
    return 2 * this.word(block, Block.FENCE_PAIRS);
  }

  fenceSlot(block: number, i: number): number {
    return this.word(block, Block.HEADER_WORDS + i);
  }

  /**
   * Copies the frames to `target` at `at`, without their RowDescription if not wanted. Returns the bytes copied; 0 when
   * there is not enough room, and then nothing was.
   */
  copyFrames(block: number, target: Buffer, at: number, withRowDescription: boolean): number {
    const skip = withRowDescription ? 0 : this.rowDescriptionBytes(block);
    const length = this.framesBytes(block) - skip;
    if (length > target.length - at) return 0;
    const from = this.framesOffset(block) + skip;
    this.bytesOf(block).copy(target, at, from, from + length);
    return length;
  }

  /**
   * Tells the eviction that the entry is of use, and a second time that it is hot. Inside the epoch only. Writes no more than that per round of the
   * eviction's hand, so that the cache line is not passed around among workers. Two readers at once may count as one.
   */
  markVisited(block: number): void {
    const words = this.#wordWindows[block >>> WINDOW_UNITS_BITS]!;
    const at = ((block & (WINDOW_UNITS - 1)) << UNIT_WORDS_BITS) + Block.VISITED;
    const word = words[at]!;
    if ((word & VISITED_BIT) === 0) words[at] = word | VISITED_BIT;
    else if ((word & HOT_BIT) === 0) words[at] = word | HOT_BIT;
  }

  /** Whether it was read twice since its admission, or perhaps more often. */
  isHot(block: number): boolean {
    return (this.word(block, Block.VISITED) & HOT_BIT) !== 0;
  }

  /** Whether a hint asked to pin the entry. */
  isPinned(block: number): boolean {
    return (this.word(block, Block.VISITED) & PIN_BIT) !== 0;
  }

  generation(): number {
    return Atomics.load(this.words, Store.GENERATION);
  }

  state(): StoreState {
    return Atomics.load(this.words, Store.STATE + this.#database) as StoreState;
  }

  /** Whether a new entry pushes out another. */
  isFull(): boolean {
    return Atomics.load(this.words, Store.FULL) !== 0;
  }

  freshRound(): number {
    return Atomics.load(this.words, this.freshRoundWord);
  }

  /** To be waited for. */
  get freshRoundWord(): number {
    return Store.FRESH_ROUND + this.#database;
  }

  /** Milliseconds truncated to 32 bits: `(nowMs - freshAsOfMs) | 0` is the age. */
  freshAsOfMs(): number {
    return Atomics.load(this.words, Store.FRESH_AS_OF_MS + this.#database);
  }

  settleStamp(): number {
    return Atomics.load(this.words, Store.SETTLE_STAMP + this.#database);
  }

  streamEpoch(): number {
    return Atomics.load(this.words, Store.STREAM_EPOCH + this.#database);
  }

  catalogVersion(): number {
    return Atomics.load(this.words, Store.CATALOG_VERSION + this.#database);
  }
}
