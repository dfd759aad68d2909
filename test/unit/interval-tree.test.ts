import { expect, it } from 'vitest';
import { IntervalTree } from '../../src/cache/interval-tree.ts';
import { RangeIndex } from '../../src/cache/range-index.ts';
import { announceSeed, seededRandom } from '../model/random.ts';

const int8Max = 2n ** 63n - 1n;
const int8Min = -(2n ** 63n);

function holding(tree: Pick<IntervalTree, 'search'>, point: bigint): number[] {
  const found: number[] = [];
  tree.search(point, (value) => found.push(value) > 0);
  return found.sort((a, b) => a - b);
}

it('finds what a walk over all intervals finds, at the ends of int8 as well', () => {
  const seed = announceSeed('interval-tree');
  const random = seededRandom(seed);
  const tree = new IntervalTree();
  const filed = new Map<number, { low: bigint; high: bigint; node: number }>();
  const points = [int8Min, int8Max, 0n, 1n, -1n, ...Array.from({ length: 30 }, () => BigInt(random.below(300)) - 150n)];
  for (let step = 0; step < 3_000; step++) {
    const value = random.below(400);
    const known = filed.get(value);
    if (known !== undefined) {
      tree.remove(known.node);
      filed.delete(value);
    } else {
      const low = random.below(10) === 0 ? int8Min : BigInt(random.below(300)) - 150n;
      const high = random.below(10) === 0 ? int8Max : (low < -150n ? -150n : low) + BigInt(random.below(60));
      filed.set(value, { low, high, node: tree.insert(low, high, value) });
    }
    if (step % 100 !== 0) continue;
    tree.check();
    expect(tree.size).toBe(filed.size);
    for (const point of points) {
      const expected = [...filed].filter(([, { low, high }]) => low <= point && point <= high).map(([each]) => each);
      expect(holding(tree, point), `seed ${seed} step ${step}`).toEqual(expected.sort((a, b) => a - b));
    }
  }
  for (const { node } of filed.values()) tree.remove(node);
  tree.check();
  expect(tree.size).toBe(0);
});

it('uses the room of removed intervals again', () => {
  const tree = new IntervalTree();
  for (let i = 0n; i < 1_000n; i++) tree.remove(tree.insert(i, i + 5n, 1));
  expect(tree.bytes).toBe(16 * 40);
});

it('bears intervals that come in order', () => {
  const tree = new IntervalTree();
  for (let i = 0; i < 50_000; i++) tree.insert(BigInt(i), BigInt(i), i);
  tree.check();
  expect(holding(tree, 49_999n)).toEqual([49_999]);
});

it('widens the interval of a group in which two collide', () => {
  const ranges = new RangeIndex();
  ranges.add(7, { low: 1n, high: 3n });
  ranges.add(7, { low: 10n, high: 12n });
  ranges.add(7, { low: 2n, high: 2n });
  ranges.check();
  expect([0n, 1n, 7n, 12n, 13n].map((point) => holding(ranges, point))).toEqual([[], [7], [7], [7], []]);
  ranges.remove(7);
  expect(ranges.size).toBe(0);
});
