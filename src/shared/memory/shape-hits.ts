/**
 * Hits counted by shape, for `explain`: each worker adds to a lane of its own, and whoever wants to know sums them. A hit costs one load from
 * the header of its block, which it has in hand, and one addition in memory that no other worker writes.
 */
import type { ControlWords } from './control.ts';
import { SHAPE_HITS_BYTE, SHAPE_NUMBERS, WORKERS_MAX } from './layout.ts';

export type ShapeHits = Float64Array<SharedArrayBuffer>;

/** The lane of one worker, by shape number. */
export function openShapeHits(control: ControlWords, workerSlot: number): ShapeHits {
  return new Float64Array(control.buffer, SHAPE_HITS_BYTE + workerSlot * SHAPE_NUMBERS * 8, SHAPE_NUMBERS);
}

/** Hits of a shape in all workers, past ones included. */
export function hitsOfShape(control: ControlWords, shape: number): number {
  let sum = 0;
  for (let slot = 0; slot < WORKERS_MAX; slot++) sum += openShapeHits(control, slot)[shape]!;
  return sum;
}

const SECOND_SHIFT = Math.log2(SHAPE_NUMBERS);
const SECONDS_MASK = 2 ** (32 - SECOND_SHIFT) - 1;

/** `Block.ADMISSION` of an entry that is admitted now. */
export function encodeAdmission(shape: number, nowMs: number): number {
  return (Math.floor(nowMs / 1e3) << SECOND_SHIFT) | shape;
}

export const shapeOfAdmission = (admission: number): number => admission & (SHAPE_NUMBERS - 1);

/** Whole seconds since the admission, right up to 48 days. */
export function admissionAgeS(admission: number, nowMs: number): number {
  return (Math.floor(nowMs / 1e3) - (admission >>> SECOND_SHIFT)) & SECONDS_MASK;
}
