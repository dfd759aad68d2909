/** How many statements and bytes a second the workers serve: differences of their counters between two samples. */
import type { Clock } from '../../shared/clock.ts';
import type { WorkerCounters } from '../counters.ts';

/** Per second. Bytes from and to clients, hits included. */
export interface Rate {
  readonly statements: number;
  readonly bytes: number;
}

type Worker = number | 'all';

const none: Rate = { statements: 0, bytes: 0 };

export class Rates {
  readonly #counters: Pick<WorkerCounters, 'of' | 'total'>;
  readonly #clock: Clock;
  #totals = new Map<Worker, Rate>();
  #rates = new Map<Worker, Rate>();
  #atMs: number;

  constructor(counters: Pick<WorkerCounters, 'of' | 'total'>, clock: Clock) {
    this.#counters = counters;
    this.#clock = clock;
    this.#atMs = clock.nowMs();
  }

  /** To be called at intervals: rates are those between the last two calls. */
  sample(workerSlots: readonly number[]): void {
    const nowMs = this.#clock.nowMs();
    const seconds = (nowMs - this.#atMs) / 1e3;
    if (seconds <= 0) return;
    const totals = new Map<Worker, Rate>([
      ['all', this.#totalOf((name) => this.#counters.total(name))],
      ...workerSlots.map((slot) => [slot, this.#totalOf((name) => this.#counters.of(slot, name))] as const),
    ]);
    this.#rates = new Map(
      [...totals].map(([worker, now]) => {
        const before = this.#totals.get(worker) ?? none;
        // A worker that was replaced counts from zero.
        const rate = (name: keyof Rate): number => Math.max(0, now[name] - before[name]) / seconds;
        return [worker, { statements: rate('statements'), bytes: rate('bytes') }];
      }),
    );
    this.#totals = totals;
    this.#atMs = nowMs;
  }

  of(worker: Worker): Rate {
    return this.#rates.get(worker) ?? none;
  }

  #totalOf(read: (name: 'statements' | 'bytesFromClients' | 'bytesToClients' | 'bytesHit') => number): Rate {
    return {
      statements: read('statements'),
      bytes: read('bytesFromClients') + read('bytesToClients') + read('bytesHit'),
    };
  }
}
