/** How statements were answered over the last minutes: a ring of samples that the dashboard draws, kept whether or not anybody looks. */

/** Statements answered within one step. */
export interface HistorySample {
  readonly hits: number;
  readonly misses: number;
  readonly passthrough: number;
}

export interface HistoryDocument {
  readonly stepMs: number;
  /** Oldest first. */
  readonly samples: readonly HistorySample[];
}

export const historyStepMs = 2_000;
/** Ten minutes. */
const samplesMax = 300;

export class History {
  readonly #totals: () => HistorySample;
  readonly #samples: HistorySample[] = [];
  #last: HistorySample;

  /** @param totals counters that only rise */
  constructor(totals: () => HistorySample) {
    this.#totals = totals;
    this.#last = totals();
  }

  /** To be called every `historyStepMs`. */
  sample(): void {
    const now = this.#totals();
    const { hits, misses, passthrough } = this.#last;
    this.#last = now;
    this.#samples.push({
      hits: now.hits - hits,
      misses: now.misses - misses,
      passthrough: now.passthrough - passthrough,
    });
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  document(): HistoryDocument {
    return { stepMs: historyStepMs, samples: this.#samples };
  }
}
