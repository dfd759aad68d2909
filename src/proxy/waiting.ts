/** How long connections waited between their acceptance and their way to a worker, and how many at once. */

/** Bucket i holds waits below 2^i microseconds; the last one everything beyond, half a minute and more. */
const BUCKETS = 26;

export interface WaitReport {
  readonly count: number;
  readonly sumMs: number;
  /** Upper bounds of the bucket that the rank falls into. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class WaitTimes {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  add(ms: number): void {
    const us = Math.max(0, ms * 1e3);
    const bucket = us < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(us)) + 1);
    this.#buckets[bucket]! += 1;
    this.#count++;
    this.#sumMs += ms;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  report(): WaitReport {
    const rank = (share: number): number => {
      let left = this.#count * share;
      for (let i = 0; i < BUCKETS; i++) {
        left -= this.#buckets[i]!;
        if (left <= 0 && this.#count > 0) return Math.min(2 ** i / 1e3, this.#maxMs);
      }
      return this.#maxMs;
    };
    return { count: this.#count, sumMs: this.#sumMs, p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: this.#maxMs };
  }
}
