/**
 * How far apart rounds are (ADR-022). A round costs the origin its statement; without one, reads behind a fence go to the origin, which costs them a read
 * there. The longer the gap the more rows are fenced at its end, so what reads pay grows with its square:
 *
 *   cost per second = round / gap + readMs × a × gap          least where both halves are alike: where a round comes for as many
 *   a = reads passed / gap²                                   reads as it costs
 *
 * So after each round the gap is led towards that: gap × √(worth / reads), where `worth` is the number of reads that a round costs. Never closer than
 * `factor` times the cost of a round (the origin's sake), never further apart than `gapMsMax`: who reads what was just written does not wait for company.
 */
export interface PaceLimits {
  /** The next round starts not before this many times the origin's time for the last one: 3 is a quarter of a core. */
  readonly factor: number;
  /** What a read costs more that is passed through instead of answered here. */
  readonly readMs: number;
  readonly gapMsMax: number;
}

/** By how much the estimate of a round's cost may rise from one round to the next. */
const ORIGIN_MS_GROWTH = 1.25;
/** One round says little: at most so much closer or further than the gap of before. */
const STEP_MAX = 2;

export class RoundPace {
  readonly #limits: PaceLimits;
  /** What a round costs the origin: the least of late, since a busy machine makes the statement wait, not work. */
  #originMs = Number.POSITIVE_INFINITY;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #begunMs = Number.NEGATIVE_INFINITY;
  #reads = 0;
  #gapMs = 0;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
  }

  /** Milliseconds from the start of one round to the start of the next, where rounds are wanted all the time. */
  get gapMs(): number {
    return this.#gapMs;
  }

  /** When the next round may start. */
  get earliestMs(): number {
    const originMs = this.#originMs === Number.POSITIVE_INFINITY ? 0 : this.#originMs;
    return Math.max(this.#begunMs + this.#gapMs, this.#answeredMs + this.#limits.factor * originMs);
  }

  /** When it may start where statements stand still for it: from start to start twice its cost, so half a core of the origin at most. */
  get soonestMs(): number {
    return this.#originMs === Number.POSITIVE_INFINITY ? this.#answeredMs : this.#begunMs + 2 * this.#originMs;
  }

  /** A round begins. @param reads passed through so far for want of one; 32 bits that go round */
  begin(nowMs: number, reads: number): void {
    const { readMs, gapMsMax } = this.#limits;
    const passed = (reads - this.#reads) | 0;
    const sinceMs = nowMs - this.#begunMs;
    this.#reads = reads;
    this.#begunMs = nowMs;
    // After a pause there is nothing to learn: how many rows were fenced is another matter then.
    if (sinceMs > 2 * gapMsMax || this.#originMs === Number.POSITIVE_INFINITY) return;
    const worth = this.#originMs / readMs;
    const step = Math.sqrt(worth / Math.max(passed, 1 / STEP_MAX));
    const wantedMs = sinceMs * Math.min(STEP_MAX, Math.max(1 / STEP_MAX, step));
    this.#gapMs = Math.min(gapMsMax, (this.#gapMs + wantedMs) / 2);
  }

  answered(nowMs: number, originMs: number): void {
    this.#originMs = Math.min(originMs, this.#originMs * ORIGIN_MS_GROWTH);
    this.#answeredMs = nowMs;
  }
}
