/**
 * Shapes whose hits cost no less than the origin's answers are passed through (lesson 30, ADR-015). Costs are times of this worker: of a hit
 * from the arrival of its batch until the answer stands in the outgoing buffer, of the origin from there until its reply is complete. They are
 * sampled, and of late samples the least counts.
 *
 *   measuring ──hit ≥ origin, both known──▶ bypassed for BYPASS_STATEMENTS look-ups ──▶ measuring, with the hit's cost forgotten
 */
import { SHAPE_NUMBERS } from '../shared/memory/layout.ts';

/** Statements passed through before hits are tried again. */
export const BYPASS_STATEMENTS = 4096;
/** Samples of both before a shape is judged. */
export const BYPASS_SAMPLES_MIN = 8;

/**
 * The least of late: of this window of samples and the one before. What a machine has to do besides only ever adds to a time, and a mean would take a
 * thread that was made to wait once for a shape that has become dear.
 */
class Cost {
  private readonly before = new Float64Array(SHAPE_NUMBERS).fill(Number.POSITIVE_INFINITY);
  private readonly now = new Float64Array(SHAPE_NUMBERS).fill(Number.POSITIVE_INFINITY);
  private readonly samples = new Int32Array(SHAPE_NUMBERS);

  add(shape: number, ms: number): void {
    const samples = this.samples[shape]!;
    if (samples > 0 && samples % BYPASS_SAMPLES_MIN === 0) {
      this.before[shape] = this.now[shape]!;
      this.now[shape] = Number.POSITIVE_INFINITY;
    }
    if (ms < this.now[shape]!) this.now[shape] = ms;
    this.samples[shape] = samples + 1;
  }

  /** Null until there are enough samples. */
  of(shape: number): number | null {
    return this.samples[shape]! < BYPASS_SAMPLES_MIN ? null : Math.min(this.before[shape]!, this.now[shape]!);
  }

  forget(shape: number): void {
    this.samples[shape] = 0;
    this.before[shape] = Number.POSITIVE_INFINITY;
    this.now[shape] = Number.POSITIVE_INFINITY;
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
