import { expect, it } from 'vitest';
import { seededRandom } from './random.ts';

const draw = (seed: number, label: number) => {
  const random = seededRandom(seed).fork(label);
  return Array.from({ length: 200 }, () => [random.below(1000), random.skewed(40)]);
};

it('replays from the seed alone, each session apart from the others', () => {
  expect(draw(7, 1)).toEqual(draw(7, 1));
  expect(draw(7, 1)).not.toEqual(draw(8, 1));
  expect(draw(7, 1)).not.toEqual(draw(7, 2));
});

it('stays in range, reaches every element and prefers the first', () => {
  const random = seededRandom(11);
  const counts = new Array<number>(40).fill(0);
  for (let i = 0; i < 20_000; i++) counts[random.skewed(40)]!++;
  expect(counts.reduce((sum, count) => sum + count)).toBe(20_000);
  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(counts[0]).toBeGreaterThan(counts[39]! * 3);
});
