import { describe, expect, it } from 'vitest';
import { SegregatedFit } from '../../src/cache/allocator.ts';
import { seededRandom } from '../model/random.ts';

const FIRST = 5;

/** An allocator over `units` units, with a check that the runs it lists and the runs taken cover the memory exactly. */
function make(units: number) {
  const blocks = new SegregatedFit(new Int32Array((FIRST + units) * 16), FIRST, FIRST + units);
  const taken = new Map<number, number>();
  return {
    blocks,
    taken,
    take(size: number): number {
      const unit = blocks.take(size);
      if (unit !== 0) taken.set(unit, size);
      return unit;
    },
    release(unit: number): void {
      blocks.release(unit, taken.get(unit)!);
      taken.delete(unit);
    },
    check(): void {
      const runs = [...taken];
      blocks.check((unit, size) => void runs.push([unit, size]));
      runs.sort(([a], [b]) => a - b);
      let at = FIRST;
      for (const [unit, size] of runs) {
        if (unit !== at) expect.fail(`a run begins at ${unit}, the one before it ends at ${at}`);
        at += size;
      }
      expect(at).toBe(blocks.tail);
      const used = [...taken.values()].reduce((sum, size) => sum + size, 0);
      expect(blocks.freeUnits).toBe(units - used);
    },
  };
}

describe('segregated fit', () => {
  it('hands out all of the memory and no more', () => {
    const made = make(100);
    expect(made.take(101)).toBe(0);
    for (let i = 0; i < 10; i++) expect(made.take(10)).not.toBe(0);
    expect(made.take(1)).toBe(0);
    made.check();
  });

  it('touches new memory only when no released run fits', () => {
    const made = make(1000);
    const a = made.take(10);
    made.take(1);
    made.release(a);
    const { tail } = made.blocks;
    expect(made.take(10)).toBe(a);
    expect(made.blocks.tail).toBe(tail);
    made.check();
  });

  it.each([
    ['ascending', [0, 1, 2, 3, 4, 5]],
    ['descending', [5, 4, 3, 2, 1, 0]],
    ['inside out', [2, 3, 1, 4, 0, 5]],
    ['alternating', [0, 2, 4, 1, 3, 5]],
  ])('joins neighbours released in %s order', (_, order) => {
    const made = make(1000);
    const units = order.map(() => made.take(7));
    const guard = made.take(1);
    for (const i of order) {
      made.release(units[i]!);
      made.check();
    }
    expect(made.blocks.freeRun(FIRST)).toBe(42);
    expect(made.take(42)).toBe(FIRST);
    made.release(FIRST);
    made.release(guard);
    expect(made.blocks.tail).toBe(FIRST);
  });

  it('finds a run of exactly the size wanted in every class', () => {
    for (const size of [1, 2, 63, 64, 65, 71, 72, 100, 127, 128, 129, 1000, 4097, 30_000]) {
      const made = make(size + 1);
      const unit = made.take(size);
      made.take(1);
      made.release(unit);
      expect(made.take(size), `size ${size}`).toBe(unit);
      made.check();
    }
  });

  it('reaches memory beyond 4 GiB of words without mixing up positions', () => {
    // Only pages that are written exist, so this costs address space alone.
    const words = new Int32Array(new SharedArrayBuffer(9 * 2 ** 30));
    const first = (8.5 * 2 ** 30) / 64;
    const blocks = new SegregatedFit(words, first, words.length / 16);
    const a = blocks.take(100);
    const b = blocks.take(1);
    blocks.release(a, 100);
    expect(blocks.take(99)).toBe(first);
    expect(b).toBe(first + 100);
    let listed = 0;
    blocks.check((_, units) => (listed += units));
    expect(listed).toBe(1);
    expect(words[0]).toBe(0);
  });

  it.each([1, 2, 3].map((n) => n * 31_337))('keeps every unit in one place through random use (seed %i)', (seed) => {
    const random = seededRandom(seed).next;
    const made = make(4000);
    for (let step = 0; step < 2000; step++) {
      const size = 1 + Math.floor(random() ** 4 * (step % 100 === 0 ? 2000 : 200));
      if (random() < 0.55) made.take(size);
      else {
        const units = [...made.taken.keys()];
        if (units.length > 0) made.release(units[Math.floor(random() * units.length)]!);
      }
      made.check();
    }
    for (const unit of [...made.taken.keys()]) made.release(unit);
    made.check();
    expect(made.blocks.tail).toBe(FIRST);
  });
});
