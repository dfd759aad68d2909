/** Rivals of the store's eviction policy (ADR-002), as simulations that say for each read of a key whether it hit. */
import { type EvictionPolicy, type PolicyEntries, S3Fifo } from '../../src/cache/policy.ts';
import { finishHash } from '../../src/shared/query-key.ts';
import { Sieve } from './sieve.ts';

/** Reads a key, admits it on a miss; true when it hit. */
export type Simulation = (key: number, at: number) => boolean;
export type SimulationMaker = (capacity: number, keys: Int32Array, keyCount: number) => Simulation;

/** A policy of the store's interface, each key its own entry. */
function simulate(
  make: (entriesMax: number, entries: PolicyEntries) => EvictionPolicy,
  capacity: number,
  keyCount: number,
): Simulation {
  const visited = new Uint8Array(keyCount);
  const present = new Uint8Array(keyCount);
  const policy = make(2 ** Math.ceil(Math.log2(keyCount)), {
    takeVisited(key) {
      const was = visited[key] !== 0;
      visited[key] = 0;
      return was;
    },
    hashOf: finishHash,
    sizeOf: () => 1,
  });
  let count = 0;
  return (key) => {
    if (present[key] !== 0) {
      visited[key] = 1;
      return true;
    }
    if (count === capacity) {
      const victim = policy.victim();
      policy.remove(victim);
      present[victim] = 0;
      count--;
    }
    present[key] = 1;
    visited[key] = 0;
    policy.admit(key);
    count++;
    return false;
  };
}

export const sieve: SimulationMaker = (capacity, _keys, keyCount) =>
  simulate((entriesMax, entries) => new Sieve(entriesMax, entries), capacity, keyCount);

/** The store's own, as it is in src. */
export const ours: SimulationMaker = (capacity, _keys, keyCount) =>
  simulate((entriesMax, entries) => new S3Fifo(entriesMax, entries), capacity, keyCount);

export function lru(capacity: number): Simulation {
  const order = new Map<number, true>();
  return (key) => {
    const hit = order.delete(key);
    if (!hit && order.size === capacity) order.delete(order.keys().next().value!);
    order.set(key, true);
    return hit;
  };
}

/** A first-in first-out queue of keys. */
class Fifo {
  readonly #ring: Int32Array;
  #first = 0;
  count = 0;

  constructor(capacity: number) {
    this.#ring = new Int32Array(capacity);
  }

  push(key: number): void {
    this.#ring[(this.#first + this.count++) % this.#ring.length] = key;
  }

  shift(): number {
    const key = this.#ring[this.#first]!;
    this.#first = (this.#first + 1) % this.#ring.length;
    this.count--;
    return key;
  }
}

/**
 * S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a main queue, and the names of those that left the small
 * one unread. `countMax` 1 is what a visited byte can say, 3 is the paper's counter.
 */
export const s3fifo =
  (countMax: number): SimulationMaker =>
  (capacity, _keys, keyCount) => {
    const smallMax = Math.max(1, Math.floor(capacity / 10));
    const visits = new Uint8Array(keyCount);
    const present = new Uint8Array(keyCount);
    const small = new Fifo(capacity + 1);
    const main = new Fifo(capacity + 1);
    const ghost = new Fifo(capacity + 1);
    const inGhost = new Uint8Array(keyCount);
    const remember = (key: number): void => {
      if (ghost.count >= capacity - smallMax) inGhost[ghost.shift()]!--;
      ghost.push(key);
      inGhost[key]!++;
    };
    const evictMain = (): void => {
      for (;;) {
        const key = main.shift();
        if (visits[key] === 0) {
          present[key] = 0;
          return;
        }
        visits[key]!--;
        main.push(key);
      }
    };
    const evict = (): void => {
      while (small.count > 0 && (small.count >= smallMax || main.count === 0)) {
        const key = small.shift();
        if (visits[key]! > (countMax > 1 ? 1 : 0)) {
          visits[key] = 0;
          main.push(key);
          continue;
        }
        present[key] = 0;
        remember(key);
        return;
      }
      evictMain();
    };
    return (key) => {
      if (present[key] !== 0) {
        if (visits[key]! < countMax) visits[key]!++;
        return true;
      }
      if (small.count + main.count >= capacity) evict();
      present[key] = 1;
      visits[key] = 0;
      (inGhost[key] !== 0 ? main : small).push(key);
      return false;
    };
  };

/** The optimum, which knows the future: evicts what is read again last (Belady 1966). */
export function belady(capacity: number, keys: Int32Array, keyCount: number): Simulation {
  const never = keys.length;
  const nextRead = new Int32Array(keys.length);
  const seenAt = new Int32Array(keyCount).fill(never);
  for (let i = keys.length - 1; i >= 0; i--) {
    nextRead[i] = seenAt[keys[i]!]!;
    seenAt[keys[i]!] = i;
  }
  // A heap of next reads, latest first; one of a key that was read meanwhile is skipped when it comes up.
  const heap = new LatestFirst(keys.length);
  const dueOf = new Int32Array(keyCount).fill(-1);
  let count = 0;
  return (key, at) => {
    const hit = dueOf[key]! >= 0;
    if (!hit && count === capacity) {
      for (;;) {
        const due = heap.pop();
        const victim = due.key;
        if (dueOf[victim] !== due.at) continue;
        dueOf[victim] = -1;
        count--;
        break;
      }
    }
    if (!hit) count++;
    dueOf[key] = nextRead[at]!;
    heap.push(nextRead[at]!, key);
    return hit;
  };
}

class LatestFirst {
  readonly #at: Int32Array;
  readonly #key: Int32Array;
  #count = 0;

  constructor(capacity: number) {
    this.#at = new Int32Array(capacity + 1);
    this.#key = new Int32Array(capacity + 1);
  }

  push(at: number, key: number): void {
    let i = this.#count++;
    for (; i > 0; i = (i - 1) >> 1) {
      const parent = (i - 1) >> 1;
      if (this.#at[parent]! >= at) break;
      this.#move(parent, i);
    }
    this.#at[i] = at;
    this.#key[i] = key;
  }

  pop(): { at: number; key: number } {
    const top = { at: this.#at[0]!, key: this.#key[0]! };
    this.#count--;
    const at = this.#at[this.#count]!;
    const key = this.#key[this.#count]!;
    let i = 0;
    for (let child = 1; child < this.#count; child = 2 * i + 1) {
      if (child + 1 < this.#count && this.#at[child + 1]! > this.#at[child]!) child++;
      if (this.#at[child]! <= at) break;
      this.#move(child, i);
      i = child;
    }
    this.#at[i] = at;
    this.#key[i] = key;
    return top;
  }

  #move(from: number, to: number): void {
    this.#at[to] = this.#at[from]!;
    this.#key[to] = this.#key[from]!;
  }
}
