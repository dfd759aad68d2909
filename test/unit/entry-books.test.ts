/** What the cache thread keeps of entries by number and by block (ADR-026). */
import { expect, it } from 'vitest';
import { EntryHeads } from '../../src/cache/entry-heads.ts';
import { EntryNumbers } from '../../src/cache/entry-numbers.ts';
import { announceSeed, seededRandom } from '../model/random.ts';

it('numbers no higher than there have been entries at a time', () => {
  const numbers = new EntryNumbers(4);
  expect([numbers.take(70), numbers.take(71), numbers.take(72)]).toEqual([0, 1, 2]);
  numbers.release(0);
  numbers.release(1);
  expect([numbers.take(80), numbers.take(81), numbers.take(82)]).toEqual([1, 0, 3]);
  numbers.rebind(1, 90);
  expect([0, 1, 2, 3].map((number) => numbers.blockOf(number))).toEqual([81, 90, 72, 82]);
  expect(() => numbers.take(99)).toThrow('no number is left');
});

it('finds the first member of each entry, as a map does', () => {
  const random = seededRandom(announceSeed('entry heads')).next;
  const pick = (n: number): number => Math.floor(random() * n);
  const blocks = new Map<number, number>();
  const model = new Map<number, number>();
  const heads = new EntryHeads((member) => blocks.get(member)!);
  const free = Array.from({ length: 4_000 }, (_, i) => i + 1);
  for (let step = 0; step < 60_000; step++) {
    // Grows beyond several doublings, shrinks, and grows again; blocks are few, so that they come back.
    const isGrowing = Math.floor(step / 10_000) % 2 === 0;
    const block = 1 + pick(6_000);
    const known = model.get(block);
    if (known === undefined && free.length > 0 && random() < (isGrowing ? 0.9 : 0.1)) {
      const member = free.pop()!;
      blocks.set(member, block);
      heads.add(member);
      model.set(block, member);
    } else if (known !== undefined && random() < (isGrowing ? 0.1 : 0.9)) {
      heads.remove(block);
      model.delete(block);
      blocks.delete(known);
      free.push(known);
    }
    if (step % 1_000 === 0) {
      for (let each = 1; each <= 6_000; each++) expect(heads.find(each)).toBe(model.get(each) ?? 0);
    }
  }
  expect(heads.size).toBe(model.size);
  const members = new Set<number>();
  heads.forEach((member) => void members.add(member));
  expect(members).toEqual(new Set(model.values()));
});
