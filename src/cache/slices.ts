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
  /** Until when jobs may begin in this turn of the event loop; null: none has begun yet. */
  #endMs: number | null = null;

  /** @param sliceMs after which no further job is begun in the same turn */
  constructor(clock: Clock, sliceMs: number) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  /** Does the work at once if this turn has time for it and nobody waits. Resolves with what it returns, rejects with what it throws. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const job = (): void => {
        try {
          resolve(work());
        } catch (thrown) {
          reject(toError(thrown));
        }
      };
      if (this.#jobs.length === 0 && this.#hasTime()) job();
      else this.#jobs.push(job);
    });
  }

  /** Always for the first job of a turn. */
  #hasTime(): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#endMs !== null) return nowMs < this.#endMs;
    this.#endMs = nowMs + this.#sliceMs;
    setImmediate(() => this.#turned());
    return true;
  }

  #turned(): void {
    this.#endMs = null;
    let done = 0;
    while (done < this.#jobs.length && this.#hasTime()) this.#jobs[done++]!();
    this.#jobs.splice(0, done);
  }
}
