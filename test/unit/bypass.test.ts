/** When a shape is passed through although its answers are there: by given costs alone. */
import { expect, it } from 'vitest';
import { BYPASS_SAMPLES_MIN, BYPASS_STATEMENTS, Bypass } from '../../src/worker/bypass.ts';

const SHAPE = 3;

function measured(hitMs: number, originMs: number, samples = BYPASS_SAMPLES_MIN): Bypass {
  const bypass = new Bypass();
  for (let i = 0; i < samples; i++) bypass.originTook(SHAPE, originMs);
  for (let i = 0; i < samples; i++) bypass.hitTook(SHAPE, hitMs);
  return bypass;
}

it('lets hits be that cost less than the origin', () => {
  expect(measured(0.01, 0.1).takes(SHAPE)).toBe(false);
});

it('passes a shape through whose hits cost no less, for so many statements, and then measures again', () => {
  const bypass = measured(0.2, 0.2);
  expect(bypass.takes(SHAPE + 1)).toBe(false);
  for (let i = 0; i < BYPASS_STATEMENTS; i++) expect(bypass.takes(SHAPE)).toBe(true);
  expect(bypass.takes(SHAPE)).toBe(false);
  // Hits have become cheap meanwhile: what was measured before does not count against them.
  for (let i = 0; i < 10 * BYPASS_SAMPLES_MIN; i++) bypass.hitTook(SHAPE, 0.01);
  expect(bypass.takes(SHAPE)).toBe(false);
});

it('judges nothing by a few samples, nor what has no number of its own', () => {
  expect(measured(1, 0.1, BYPASS_SAMPLES_MIN - 1).takes(SHAPE)).toBe(false);
  const bypass = new Bypass();
  for (let i = 0; i < 100; i++) bypass.originTook(0, 0.1);
  for (let i = 0; i < 100; i++) bypass.hitTook(0, 1);
  expect(bypass.takes(0)).toBe(false);
});

it('forgives hits that had to wait for something else, for as long as some did not', () => {
  const bypass = measured(0.01, 0.1);
  for (let i = 0; i < 10 * BYPASS_SAMPLES_MIN; i++) {
    bypass.hitTook(SHAPE, i % BYPASS_SAMPLES_MIN === 3 ? 0.01 : 50);
    expect(bypass.takes(SHAPE)).toBe(false);
  }
});

it('notices when hits have become dear', () => {
  const bypass = measured(0.01, 0.1);
  for (let i = 0; i < 3 * BYPASS_SAMPLES_MIN; i++) bypass.hitTook(SHAPE, 0.3);
  expect(bypass.takes(SHAPE)).toBe(true);
});
