/**
 * Shapes whose hits cost no less than the origin's answers are passed through (lesson 30, ADR-015). Costs are times of this worker: of a hit
 * from the arrival of its batch until the answer stands in the outgoing buffer, of the origin from there until its reply is complete. They are
 * sampled, and smoothed over about the last eight samples.
 *
 *   measuring ──hit ≥ origin, both known──▶ bypassed for BYPASS_STATEMENTS look-ups ──▶ measuring, with the hit's cost forgotten
 */
import { SHAPE_NUMBERS } from '../shared/memory/layout.ts';

/** Statements passed through before hits are tried again. */
export const BYPASS_STATEMENTS = 4096;
/** Samples of both before a shape is judged. */
export const BYPASS_SAMPLES_MIN = 8;
const WEIGHT = 1 / 8;

class Cost {
  private readonly ms = new Float64Array(SHAPE_NUMBERS);
  private readonly samples = new Int32Array(SHAPE_NUMBERS);

  add(shape: number, ms: number): void {
    const known = this.ms[shape]!;
    this.ms[shape] = this.samples[shape]! === 0 ? ms : known + (ms - known) * WEIGHT;
    this.samples[shape]! += 1;
  }

  /** Null until there are enough samples. */
  of(shape: number): number | null {
    return this.samples[shape]! < BYPASS_SAMPLES_MIN ? null : this.ms[shape]!;
  }

  forget(shape: number): void {
    this.samples[shape] = 0;
  }
}

export class Bypass {
  private readonly hits = new Cost();
  private readonly origin = new Cost();
  private readonly left = new Int32Array(SHAPE_NUMBERS);

  /** Whether an answer of this shape, which is there, is to be asked of the origin instead. */
  takes(shape: number): boolean {
    const left = this.left[shape]!;
    if (left === 0) return false;
    this.left[shape] = left - 1;
    return true;
  }

  hitTook(shape: number, ms: number): void {
    this.hits.add(shape, ms);
    const [hit, origin] = [this.hits.of(shape), this.origin.of(shape)];
    if (hit === null || origin === null || hit < origin || shape === 0) return;
    this.left[shape] = BYPASS_STATEMENTS;
    this.hits.forget(shape);
  }

  originTook(shape: number, ms: number): void {
    this.origin.add(shape, ms);
  }
}
