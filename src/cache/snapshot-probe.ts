/**
 * A snapshot of the origin alone: what it shows has settled (settle.ts), at a tenth of a round's cost. For answers that are refused only because no snapshot
 * has shown a change yet: the next ones are not. A round, which brings a snapshot as well, is still what confirms them.
 */
import type { Clock } from '../shared/clock.ts';
import type { Lsn } from '../shared/lsn.ts';
import type { OriginSnapshot } from './settle.ts';

export interface ProbeAnswer {
  readonly snapshot: OriginSnapshot;
  /** The insert position, sampled after the snapshot was taken. */
  readonly lsn: Lsn;
}

export interface ProbePorts {
  readonly clock: Clock;
  readonly ask: () => Promise<ProbeAnswer>;
  readonly onAnswer: (answer: ProbeAnswer) => void;
  readonly onError: (thrown: unknown) => void;
}

export class SnapshotProbe {
  readonly #ports: ProbePorts;
  readonly #gapMs: number;
  #isAsking = false;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  /** @param gapMs at least this long from an answer to the next question */
  constructor(ports: ProbePorts, gapMs: number) {
    this.#ports = ports;
    this.#gapMs = gapMs;
  }

  /** Not now, where one was just taken: who is refused again asks again. */
  want(): void {
    const { clock } = this.#ports;
    if (this.#isStopped || this.#isAsking || clock.nowMs() - this.#answeredMs < this.#gapMs) return;
    this.#isAsking = true;
    this.#ports.ask().then(
      (answer) => this.#answered(answer),
      (thrown) => this.#ports.onError(thrown),
    );
  }

  stop(): void {
    this.#isStopped = true;
  }

  #answered(answer: ProbeAnswer): void {
    this.#isAsking = false;
    this.#answeredMs = this.#ports.clock.nowMs();
    if (!this.#isStopped) this.#ports.onAnswer(answer);
  }
}
