/**
 * Which entry goes when memory is wanted. An entry is a number that its owner chose (entry-numbers.ts), so the
 * queues are typed arrays and need no object per entry.
 */
import { Ghosts } from './ghosts.ts';

/** What the policy asks of the owner of the entries. */
export interface PolicyEntries {
  /** Whether the entry was read since the last call; forgets it. */
  takeVisited(entry: number): boolean;
  hashOf(entry: number): number;
  /** What it takes of the memory, in any unit. The same from `admit` to `remove`, but for what `resized` tells. */
  sizeOf(entry: number): number;
}

export interface EvictionPolicy {
  /** A new entry, not yet visited. `pinned`: it is no victim while there is another one. */
  admit(entry: number, pinned?: boolean): void;
  /** An entry leaves, for whatever reason; its size can still be asked for. */
  remove(entry: number): void;
  /** The entry to evict, or -1 when there is none. It stays until `remove`. */
  victim(): number;
  /** Calls `visit` with every entry. @throws Error when the structure is unsound. */
  check(visit: (entry: number) => void): void;
}

/** The queue that an entry is in, in the order of `#queues`. */
const Place = { small: 0, main: 1, pinned: 2 } as const;
type Place = (typeof Place)[keyof typeof Place];

/** Entries that one eviction may spare before it takes the next one as it is: a bound on its time, far above the mean. */
const SPARED_MAX = 4096;
/** The newcomers' share of the memory, above which the next victim is one of them. */
const SMALL_SHARE = 1 / 10;

/**
 * S3-FIFO (Yang et al., SOSP 2023) with one bit per entry: a hit changes nothing but a word that readers may set without
 * any order. Chosen over SIEVE and LRU by measurement (ADR-002).
 *
 *   new ──▶ small (a tenth) ──not visited──▶ evicted, its name remembered
 *             └─visited─▶ main ◀─visited, once around─┐
 *   new, but remembered ──▶ └──────────────────────────┴─not visited──▶ evicted
 *
 * Pinned entries (a hint asked for it, and the store has room for them) wait in a queue of their own that nothing is taken from.
 *
 * What is read once (scans, reports, one-off queries) passes through the small queue and never displaces what is in the
 * main one; what was evicted too early is recognised when it comes back.
 *
 * The tenth is one of memory, not of entries: a few huge newcomers would otherwise stay below it for ever, and each of them push out a
 * quarter of what is read (ADR-021).
 */
export class S3Fifo implements EvictionPolicy {
  readonly #entries: PolicyEntries;
  readonly #small: Queue;
  readonly #main: Queue;
  readonly #pinned: Queue;
  readonly #place: Uint8Array;
  readonly #ghosts: Ghosts;

  /** @param entriesMax a power of two; entries are 0 … entriesMax − 1 */
  constructor(entriesMax: number, entries: PolicyEntries) {
    const newer = new Int32Array(entriesMax);
    const older = new Int32Array(entriesMax);
    this.#entries = entries;
    this.#small = new Queue(newer, older);
    this.#main = new Queue(newer, older);
    this.#pinned = new Queue(newer, older);
    this.#place = new Uint8Array(entriesMax);
    this.#ghosts = new Ghosts(entriesMax);
  }

  admit(entry: number, pinned = false): void {
    if (pinned) {
      this.#push(entry, Place.pinned);
      return;
    }
    const remembered = (1 - SMALL_SHARE) * (this.#small.count + this.#main.count);
    const known = this.#ghosts.remembers(this.#entries.hashOf(entry), remembered);
    this.#push(entry, known ? Place.main : Place.small);
  }

  remove(entry: number): void {
    this.#queueOf(entry).remove(entry, this.#entries.sizeOf(entry));
  }

  /** An entry of another size took the place of one, which was read or not as before. */
  resized(entry: number, before: number, now: number): void {
    this.#queueOf(entry).size += now - before;
  }

  victim(): number {
    let entry = this.#candidate();
    if (entry < 0 || this.isPinned(entry)) return entry;
    for (let spared = 0; spared < SPARED_MAX && this.#entries.takeVisited(entry); spared++) {
      this.remove(entry);
      this.#push(entry, Place.main);
      entry = this.#candidate();
    }
    if (this.#place[entry] === Place.small) this.#ghosts.remember(this.#entries.hashOf(entry));
    return entry;
  }

  /** Whether it is no victim while there is another one. */
  isPinned(entry: number): boolean {
    return this.#place[entry] === Place.pinned;
  }

  get pinnedCount(): number {
    return this.#pinned.count;
  }

  check(visit: (entry: number) => void): void {
    for (const [place, queue] of this.#queues.entries()) {
      let size = 0;
      queue.check((entry) => {
        if (this.#place[entry] !== place) throw new Error(`queue: entry ${entry} is not where it is marked`);
        size += this.#entries.sizeOf(entry);
        visit(entry);
      });
      if (size !== queue.size) throw new Error(`queue: entries take ${size}, ${queue.size} counted`);
    }
  }

  get #queues(): readonly Queue[] {
    return [this.#small, this.#main, this.#pinned];
  }

  #candidate(): number {
    const { count, size } = this.#small;
    if (count + this.#main.count === 0) return this.#pinned.oldest();
    const fromSmall = this.#main.count === 0 || (count > 0 && size >= SMALL_SHARE * (size + this.#main.size));
    return (fromSmall ? this.#small : this.#main).oldest();
  }

  #push(entry: number, place: Place): void {
    this.#place[entry] = place;
    this.#queueOf(entry).push(entry, this.#entries.sizeOf(entry));
  }

  #queueOf(entry: number): Queue {
    const place = this.#place[entry];
    if (place === Place.small) return this.#small;
    return place === Place.main ? this.#main : this.#pinned;
  }
}

/** Entries in order of arrival. Links hold entry + 1, 0 = none, so that arrays never touched stay untouched. */
class Queue {
  count = 0;
  /** Of all entries together. */
  size = 0;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = 0;
  #oldest = 0;

  constructor(newer: Int32Array, older: Int32Array) {
    this.#newer = newer;
    this.#older = older;
  }

  /** The entry that is here longest, or -1. */
  oldest(): number {
    return this.#oldest - 1;
  }

  push(entry: number, size: number): void {
    this.#older[entry] = this.#newest;
    this.#newer[entry] = 0;
    if (this.#newest === 0) this.#oldest = entry + 1;
    else this.#newer[this.#newest - 1] = entry + 1;
    this.#newest = entry + 1;
    this.count++;
    this.size += size;
  }

  remove(entry: number, size: number): void {
    const newer = this.#newer[entry]!;
    const older = this.#older[entry]!;
    if (newer === 0) this.#newest = older;
    else this.#older[newer - 1] = older;
    if (older === 0) this.#oldest = newer;
    else this.#newer[older - 1] = newer;
    this.count--;
    this.size -= size;
  }

  check(visit: (entry: number) => void): void {
    let count = 0;
    let before = 0;
    for (let at = this.#oldest; at !== 0; at = this.#newer[at - 1]!) {
      if (this.#older[at - 1] !== before) throw new Error(`queue: entry ${at - 1} does not point back`);
      if (++count > this.count) throw new Error('queue: longer than counted');
      visit(at - 1);
      before = at;
    }
    if (before !== this.#newest || count !== this.count) throw new Error('queue: shorter than counted');
  }
}
