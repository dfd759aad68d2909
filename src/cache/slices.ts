/**
 * Work that is done in slices, with a turn of the event loop between them: a port hands over all messages that have arrived in one turn, and several
 * hundred statements to analyse would keep this thread from applying changes, from freshness rounds and from its heartbeat for a tenth of a
 * second, and on a machine without a free core for seconds (ADR-021). First come, first served; as many jobs wait as workers may have under way.
 */
import type { Clock } from '../shared/clock.ts';
import { toError } from '../shared/errors.ts';

export class Slices {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #jobs: (() => void)[] = [];
  #scheduled = false;

  /** @param sliceMs after which no further job is begun in the same turn */
  constructor(clock: Clock, sliceMs: number) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  /** Resolves with what `work` returns, rejects with what it throws. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#jobs.push(() => {
        try {
          resolve(work());
        } catch (thrown) {
          reject(toError(thrown));
        }
      });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#slice();
      this.#schedule();
    });
  }

  /** One job at least. */
  #slice(): void {
    const endMs = this.#clock.nowMs() + this.#sliceMs;
    let done = 0;
    do this.#jobs[done++]!();
    while (done < this.#jobs.length && this.#clock.nowMs() < endMs);
    this.#jobs.splice(0, done);
  }
}
