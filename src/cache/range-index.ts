/**
 * The intervals that entries of one relation compare one column with. Equal intervals are one group of the dependency pool,
 * which knows its entries; here are the groups, to be found by a value. A group stands for one interval: where another is filed under it
 * (the hashes of both collided) it is widened to cover both, so that a collision costs needless invalidations and nothing else.
 */
import type { RangeTerm } from './dependency.ts';
import { IntervalTree, NODE_BYTES } from './interval-tree.ts';

/** What a group costs in `#filed`, measured on Node 24 with a million of them. */
const FILED_BYTES = 125;
/** What it costs in all. */
export const INTERVAL_BYTES = FILED_BYTES + NODE_BYTES;

interface Filed {
  readonly node: number;
  readonly low: bigint;
  readonly high: bigint;
}

export class RangeIndex {
  readonly #tree = new IntervalTree();
  readonly #filed = new Map<number, Filed>();

  get bytes(): number {
    return this.#tree.bytes + this.#filed.size * FILED_BYTES;
  }

  add(group: number, { low, high }: Pick<RangeTerm, 'low' | 'high'>): void {
    const known = this.#filed.get(group);
    if (known === undefined) {
      this.#filed.set(group, { node: this.#tree.insert(low, high, group), low, high });
      return;
    }
    if (known.low <= low && known.high >= high) return;
    const wide = { low: known.low < low ? known.low : low, high: known.high > high ? known.high : high };
    this.remove(group);
    this.add(group, wide);
  }

  /** The group has no entries any more. */
  remove(group: number): void {
    const known = this.#filed.get(group);
    if (known === undefined) throw new Error(`group ${group} has no interval`);
    this.#filed.delete(group);
    this.#tree.remove(known.node);
  }

  /** Calls `found` with groups that hold the value until it says that it wants no more; whether these were all. */
  search(value: bigint, found: (group: number) => boolean): boolean {
    return this.#tree.search(value, found);
  }

  /** @throws Error naming the first broken invariant. */
  check(): void {
    this.#tree.check();
    if (this.#tree.size !== this.#filed.size) throw new Error('intervals: tree and groups disagree');
  }

  get size(): number {
    return this.#filed.size;
  }
}
