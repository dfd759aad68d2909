import { expect, it } from 'vitest';
import { ShapeNumbers } from '../../src/cache/shape-numbers.ts';
import { createControl, openControl } from '../../src/shared/memory/control.ts';
import { SHAPE_NUMBERS, WORKERS_MAX } from '../../src/shared/memory/layout.ts';
import {
  admissionAgeS,
  encodeAdmission,
  hitsOfShape,
  openShapeHits,
  shapeOfAdmission,
} from '../../src/shared/memory/shape-hits.ts';

const dayMs = 86_400_000;

it.each([
  [1, 0, 0],
  [SHAPE_NUMBERS - 1, 5_000, 12_500],
  [17, 40 * dayMs, 40 * dayMs],
  // The clock's seconds have wrapped in between.
  [17, 100 * dayMs, 40 * dayMs],
])('an admission of shape %i at %i ms is as old as it is', (shape, atMs, ageMs) => {
  const word = encodeAdmission(shape, atMs);
  expect(new Int32Array([word])[0]).toBe(word);
  expect(shapeOfAdmission(word)).toBe(shape);
  expect(admissionAgeS(word, atMs + ageMs)).toBe(Math.floor(ageMs / 1e3));
});

it('hits of all workers are summed, each lane in memory of its own', () => {
  const control = openControl(createControl());
  for (let slot = 0; slot < WORKERS_MAX; slot++) openShapeHits(control, slot)[3]! += slot;
  openShapeHits(control, WORKERS_MAX - 1)[SHAPE_NUMBERS - 1]! += 1;
  expect(hitsOfShape(control, 3)).toBe((WORKERS_MAX * (WORKERS_MAX - 1)) / 2);
  expect(hitsOfShape(control, 2)).toBe(0);
  expect(control.every((word) => word === 0)).toBe(false);
});

it('texts of one shape have one number, whose hits begin at zero in each generation', () => {
  const control = openControl(createControl());
  const numbers = new ShapeNumbers(control);
  const shape = numbers.numberOf('SELECT a FROM t WHERE id = 1');
  expect(numbers.numberOf('SELECT a FROM t WHERE id = 2 /* x */')).toBe(shape);
  expect(numbers.numberOf('SELECT b FROM t WHERE id = 2')).not.toBe(shape);
  expect(numbers.hits('SELECT c')).toBeNull();
  openShapeHits(control, 1)[shape]! += 5;
  expect(numbers.hits('SELECT a FROM t WHERE id = 9')).toBe(5);
  const next = new ShapeNumbers(control);
  expect(next.hits('SELECT a FROM t WHERE id = 9')).toBeNull();
  expect(next.numberOf('SELECT a FROM t WHERE id = 9')).toBe(shape);
  expect(next.hits('SELECT a FROM t WHERE id = 9')).toBe(0);
});

it('when the numbers are used up, and for long texts, zero counts for all', () => {
  const numbers = new ShapeNumbers(openControl(createControl()));
  expect(numbers.numberOf(`SELECT ${'a'.repeat(10_000)}`)).toBe(0);
  const given = Array.from({ length: SHAPE_NUMBERS + 10 }, (_, i) => numbers.numberOf(`SELECT c${i}`));
  expect(Math.max(...given)).toBe(SHAPE_NUMBERS - 1);
  expect(given.slice(-10)).toEqual(Array(10).fill(0));
  expect(new Set(given).size).toBe(SHAPE_NUMBERS);
});
