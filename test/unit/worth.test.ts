/** Which answers are kept: by what their shape has brought, with fixed orders of statements. */
import { expect, it } from 'vitest';
import { CREDIT_MAX, HIT_GAIN, PATIENCE, PROBE_EVERY, RARE_PROBE_EVERY, Worth } from '../../src/worker/worth.ts';

const SHAPE = 7;
/** Spread like the hashes of keys. */
const hashOf = (key: number): number => Math.imul(key + 1, 0x9e3779b1) | 0;

/** Reads keys in order; returns how many answers were kept. */
function scan(worth: Worth, first: number, count: number): number {
  let kept = 0;
  for (let key = first; key < first + count; key++) if (worth.judge(SHAPE, hashOf(key)) === null) kept++;
  return kept;
}

it('keeps everything of a new shape, and of one whose answers are asked for again', () => {
  const worth = new Worth();
  expect(scan(worth, 0, CREDIT_MAX)).toBe(CREDIT_MAX);
  const hits = CREDIT_MAX / HIT_GAIN;
  for (let i = 0; i < hits; i++) worth.hit(SHAPE);
  expect(scan(worth, 10_000, CREDIT_MAX)).toBe(CREDIT_MAX);
});

it('keeps an answer at second sight only where it would push another one out', () => {
  const worth = new Worth();
  expect(worth.judge(SHAPE, hashOf(1), true)).toBe('fill.firstSight');
  expect(worth.judge(SHAPE, hashOf(1), true)).toBe(null);
  expect(worth.judge(SHAPE, hashOf(2), false)).toBe(null);
});

it('keeps one in so many answers of a scan, and of other shapes everything', () => {
  const worth = new Worth();
  scan(worth, 0, CREDIT_MAX);
  expect(worth.judge(SHAPE, hashOf(1_000_000))).toBe('fill.firstSight');
  expect(scan(worth, 100_000, 64_000)).toBeLessThan(64_000 / PROBE_EVERY + 600);
  expect(worth.judge(SHAPE + 1, hashOf(1))).toBe(null);
});

it('keeps what is asked for a second time, while the shape has earned nothing', () => {
  const worth = new Worth();
  scan(worth, 0, CREDIT_MAX);
  expect(scan(worth, 50_000, 500)).toBeLessThan(500 / PROBE_EVERY + 2);
  expect(scan(worth, 50_000, 500)).toBeGreaterThan(490);
});

it('gives up on answers that are never hit though their keys come again, but for probes', () => {
  const worth = new Worth();
  for (let round = 0; round < 40; round++) scan(worth, 0, 100);
  expect(worth.judge(SHAPE, hashOf(1))).toBe('fill.changesTooOften');
  expect(scan(worth, 0, PROBE_EVERY)).toBe(1);
});

it('takes a shape back whose luck turns, by its probes alone', () => {
  const worth = new Worth();
  for (let round = 0; round < 40; round++) scan(worth, 0, 100);
  // From now on each answer kept is hit three times.
  for (let round = 0; round < 2_000; round++) {
    const kept = scan(worth, 0, 100);
    for (let hit = 0; hit < 3 * kept; hit++) worth.hit(SHAPE);
  }
  expect(scan(worth, 1_000_000, 100)).toBe(100);
});

it('loses patience with a shape that is never hit, and finds it again with the first hit', () => {
  const worth = new Worth();
  scan(worth, 0, CREDIT_MAX + PATIENCE);
  expect(scan(worth, 1_000_000, 64 * RARE_PROBE_EVERY)).toBe(64);
  worth.hit(SHAPE);
  // The hit's own gain, then as often as at first.
  expect(scan(worth, 2_000_000, PATIENCE - 1)).toBeGreaterThanOrEqual(PATIENCE / PROBE_EVERY - 1);
});
