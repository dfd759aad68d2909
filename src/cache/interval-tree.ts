/**
 * Which of many intervals of 64-bit integers hold a point? A treap in typed arrays: a search tree by (low, node), a heap by
 * priorities that nobody outside can choose, and in each node the highest end of its subtree, by which a search leaves out
 * subtrees that end too early.
 *
 *   search   subtrees to the right of a node that begins too late, and those that end too early, are not entered
 *   cost     O(log n) to insert and remove; a point at most O(log n) for each interval found
 *   memory   40 bytes a node, doubled when full; node numbers are used again
 */
import { mix } from './tuple-hash.ts';

/** Memory of a node. */
export const NODE_BYTES = 40;

const NONE = 0;
/** Below every end of an interval. */
const LOWEST = -(1n << 63n);

export class IntervalTree {
  #low = new BigInt64Array(16);
  #high = new BigInt64Array(16);
  /** Highest end in the subtree. */
  #end = new BigInt64Array(16).fill(LOWEST);
  #left = new Int32Array(16);
  #right = new Int32Array(16);
  #priority = new Int32Array(16);
  #value = new Int32Array(16);
  #root = NONE;
  #top = 1;
  #free = NONE;
  #size = 0;
  #drawn = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#low.length * NODE_BYTES;
  }

  /** Files a value under `low … high`, ends included, and gives the number under which it can be removed. */
  insert(low: bigint, high: bigint, value: number): number {
    const node = this.#take();
    this.#low[node] = low;
    this.#high[node] = high;
    this.#end[node] = high;
    this.#left[node] = NONE;
    this.#right[node] = NONE;
    this.#priority[node] = mix(++this.#drawn);
    this.#value[node] = value;
    this.#root = this.#insert(this.#root, node);
    this.#size++;
    return node;
  }

  remove(node: number): void {
    this.#root = this.#remove(this.#root, node);
    this.#left[node] = this.#free;
    this.#free = node;
    this.#size--;
  }

  /** Calls `found` with the value of each interval that holds the point, until it returns false; whether it never did. */
  search(point: bigint, found: (value: number) => boolean): boolean {
    return this.#search(this.#root, point, found);
  }

  #search(node: number, point: bigint, found: (value: number) => boolean): boolean {
    while (node !== NONE && this.#end[node]! >= point) {
      if (!this.#search(this.#left[node]!, point, found)) return false;
      if (this.#low[node]! > point) return true;
      if (this.#high[node]! >= point && !found(this.#value[node]!)) return false;
      node = this.#right[node]!;
    }
    return true;
  }

  #before(a: number, b: number): boolean {
    const [low, other] = [this.#low[a]!, this.#low[b]!];
    return low < other || (low === other && a < b);
  }

  #insert(tree: number, node: number): number {
    if (tree === NONE) return node;
    if (this.#before(node, tree)) {
      this.#left[tree] = this.#insert(this.#left[tree]!, node);
      if (this.#priority[this.#left[tree]!]! > this.#priority[tree]!) return this.#rotateRight(tree);
    } else {
      this.#right[tree] = this.#insert(this.#right[tree]!, node);
      if (this.#priority[this.#right[tree]!]! > this.#priority[tree]!) return this.#rotateLeft(tree);
    }
    this.#update(tree);
    return tree;
  }

  #remove(tree: number, node: number): number {
    if (tree === NONE) throw new Error(`interval ${node} is not in the tree`);
    if (tree === node) return this.#merge(this.#left[tree]!, this.#right[tree]!);
    if (this.#before(node, tree)) this.#left[tree] = this.#remove(this.#left[tree]!, node);
    else this.#right[tree] = this.#remove(this.#right[tree]!, node);
    this.#update(tree);
    return tree;
  }

  /** One tree of two, all of `a` before all of `b`. */
  #merge(a: number, b: number): number {
    if (a === NONE) return b;
    if (b === NONE) return a;
    const first = this.#priority[a]! > this.#priority[b]!;
    const tree = first ? a : b;
    if (first) this.#right[a] = this.#merge(this.#right[a]!, b);
    else this.#left[b] = this.#merge(a, this.#left[b]!);
    this.#update(tree);
    return tree;
  }

  #rotateRight(tree: number): number {
    const top = this.#left[tree]!;
    this.#left[tree] = this.#right[top]!;
    this.#right[top] = tree;
    this.#update(tree);
    this.#update(top);
    return top;
  }

  #rotateLeft(tree: number): number {
    const top = this.#right[tree]!;
    this.#right[tree] = this.#left[top]!;
    this.#left[top] = tree;
    this.#update(tree);
    this.#update(top);
    return top;
  }

  #update(node: number): void {
    this.#end[node] = this.#endOf(node);
  }

  #endOf(node: number): bigint {
    let end = this.#high[node]!;
    const left = this.#end[this.#left[node]!]!;
    const right = this.#end[this.#right[node]!]!;
    if (left > end) end = left;
    return right > end ? right : end;
  }

  #take(): number {
    const free = this.#free;
    if (free !== NONE) {
      this.#free = this.#left[free]!;
      return free;
    }
    if (this.#top === this.#low.length) this.#grow();
    return this.#top++;
  }

  #grow(): void {
    const length = this.#low.length * 2;
    const wide = (from: BigInt64Array): BigInt64Array<ArrayBuffer> => {
      const to = new BigInt64Array(length);
      to.set(from);
      return to;
    };
    const narrow = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(length);
      to.set(from);
      return to;
    };
    [this.#low, this.#high, this.#end] = [wide(this.#low), wide(this.#high), wide(this.#end)];
    [this.#left, this.#right] = [narrow(this.#left), narrow(this.#right)];
    [this.#priority, this.#value] = [narrow(this.#priority), narrow(this.#value)];
  }

  /** @throws Error naming the first broken invariant. */
  check(): void {
    if (this.#end[NONE] !== LOWEST) throw new Error('intervals: the empty tree ends somewhere');
    const counted = this.#check(this.#root);
    if (counted !== this.#size) throw new Error(`intervals: ${counted} reachable, ${this.#size} filed`);
  }

  #check(node: number): number {
    if (node === NONE) return 0;
    const [left, right] = [this.#left[node]!, this.#right[node]!];
    if (this.#end[node] !== this.#endOf(node)) throw new Error(`interval ${node}: end of subtree`);
    if (left !== NONE && !this.#before(left, node)) throw new Error(`interval ${node}: order on the left`);
    if (right !== NONE && !this.#before(node, right)) throw new Error(`interval ${node}: order on the right`);
    for (const child of [left, right]) {
      if (child !== NONE && this.#priority[child]! > this.#priority[node]!) throw new Error(`interval ${node}: heap`);
    }
    return this.#check(left) + 1 + this.#check(right);
  }
}
