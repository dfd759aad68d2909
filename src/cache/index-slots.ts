/**
 * The writer's side of the index: which slot an entry gets, and its publication. A key may be in either of two buckets;
 * a new one goes to the emptier, so that two full buckets meet at 70 to 80 % load for the first time (ADR-002).
 */
import { BUCKET_WORDS, INDEX_WORD, secondBucket } from '../shared/memory/index-reader.ts';
import { BLOCK_UNIT_BYTES, Block, BUCKET_SLOTS, Store, VISITED_BIT } from '../shared/memory/layout.ts';

const UNIT_WORDS = BLOCK_UNIT_BYTES / 4;
const SLOT_WORDS = BUCKET_WORDS / BUCKET_SLOTS;

export class IndexSlots {
  readonly count: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #mask: number;

  constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words;
    this.#mask = words[Store.BUCKETS]! - 1;
    this.count = words[Store.BUCKETS]! * BUCKET_SLOTS;
  }

  /** The block that a slot points to; 0 when the slot is free. */
  blockAt(slot: number): number {
    return this.#words[INDEX_WORD + SLOT_WORDS * slot + 1]!;
  }

  /** The slot that points to this block; -1 when none does. */
  slotOf(block: number): number {
    const hash = this.#words[block * UNIT_WORDS + Block.HASH]!;
    const slot = this.#slotIn(hash & this.#mask, block);
    return slot >= 0 ? slot : this.#slotIn(secondBucket(hash, this.#mask), block);
  }

  /** A free slot in the emptier of the two buckets; -1 when both are full. */
  freeSlot(hash: number): number {
    const first = hash & this.#mask;
    const second = secondBucket(hash, this.#mask);
    return this.#slotIn(this.#freeSlots(first) >= this.#freeSlots(second) ? first : second, 0);
  }

  /** Fills a free slot with an entry. */
  link(slot: number, hash: number, block: number): void {
    // Tag first: a reader that sees the block number also sees the tag and the block (Atomics order the plain stores).
    this.#words[INDEX_WORD + SLOT_WORDS * slot] = hash;
    this.relink(slot, block);
  }

  /** Lets a slot point to another block with the same key: readers find the one or the other. */
  relink(slot: number, block: number): void {
    Atomics.store(this.#words, INDEX_WORD + SLOT_WORDS * slot + 1, block);
  }

  unlink(slot: number): void {
    Atomics.store(this.#words, INDEX_WORD + SLOT_WORDS * slot + 1, 0);
  }

  /** Whether a block was read since the last call; forgets it. */
  takeVisited(block: number): boolean {
    const at = block * UNIT_WORDS + Block.VISITED;
    const word = this.#words[at]!;
    const visited = (word & VISITED_BIT) !== 0;
    if (visited) this.#words[at] = word & ~VISITED_BIT;
    return visited;
  }

  /**
   * The slot to give up when both buckets are full: one not visited rather than one visited, then the one filled first.
   * Where all are visited, all are forgiven, as the policy's hand would. One that is pinned only where all are.
   */
  worseNeighbour(hash: number, isPinned: (block: number) => boolean): number {
    let worst = -1;
    let worstVisited = true;
    for (const bucket of [hash & this.#mask, secondBucket(hash, this.#mask)]) {
      for (let slot = bucket * BUCKET_SLOTS; slot < (bucket + 1) * BUCKET_SLOTS; slot++) {
        if (isPinned(this.blockAt(slot))) continue;
        const visited = (this.#word(slot, Block.VISITED) & VISITED_BIT) !== 0;
        const worse =
          worst < 0 ||
          (visited === worstVisited
            ? this.#word(slot, Block.FILLED_ROUND) < this.#word(worst, Block.FILLED_ROUND)
            : worstVisited);
        if (worse) [worst, worstVisited] = [slot, visited];
      }
    }
    if (worstVisited) this.#forgive(hash);
    return worst >= 0 ? worst : (hash & this.#mask) * BUCKET_SLOTS;
  }

  #forgive(hash: number): void {
    for (const bucket of [hash & this.#mask, secondBucket(hash, this.#mask)]) {
      for (let i = 0; i < BUCKET_SLOTS; i++) this.takeVisited(this.blockAt(bucket * BUCKET_SLOTS + i));
    }
  }

  #word(slot: number, index: number): number {
    return this.#words[this.blockAt(slot) * UNIT_WORDS + index]!;
  }

  #slotIn(bucket: number, block: number): number {
    for (let slot = bucket * BUCKET_SLOTS; slot < (bucket + 1) * BUCKET_SLOTS; slot++) {
      if (this.blockAt(slot) === block) return slot;
    }
    return -1;
  }

  #freeSlots(bucket: number): number {
    let free = 0;
    for (let i = 0; i < BUCKET_SLOTS; i++) if (this.blockAt(bucket * BUCKET_SLOTS + i) === 0) free++;
    return free;
  }
}
