/**
 * Which snapshots of the origin this node has seen, and the settle stamp that each was published with: what an answer's token means to another
 * node, and what another node's token means here (ADR-025).
 *
 * A token with stamp s says that the answer shows all that the observation of s shows. Another node numbers stamps otherwise, but the snapshot is the
 * same there; the stamp that it stands for is that of the latest observation of its own that the snapshot shows all of. Either way a sparser history
 * only makes answers older than they are, which refuses some for nothing.
 */
import { type OriginSnapshot, showsAllOf } from './settle.ts';

interface Observation {
  readonly snapshot: OriginSnapshot;
  readonly stamp: number;
}

/** Observations kept; of those in the older half every second one goes when there are more, so that the past is the sparser the older it is. */
const OBSERVATIONS_MAX = 1_024;

export class SnapshotHistory {
  /** Oldest first. */
  #observations: Observation[] = [];

  get size(): number {
    return this.#observations.length;
  }

  /** In the order in which they were published. */
  add(snapshot: OriginSnapshot, stamp: number): void {
    this.#observations.push({ snapshot, stamp });
    if (this.#observations.length <= OBSERVATIONS_MAX) return;
    const half = OBSERVATIONS_MAX / 2;
    this.#observations = this.#observations.filter((_, i) => i >= half || i % 2 === 0);
  }

  /** What an answer shows whose token has the stamp; null: not known any more. */
  shownBy(settleStamp: number): OriginSnapshot | null {
    return this.#observations.findLast(({ stamp }) => stamp <= settleStamp)?.snapshot ?? null;
  }

  /** The stamp for the token of an answer that shows all of the snapshot; null: it is older than all that is known here. */
  stampOf(snapshot: OriginSnapshot): number | null {
    return this.#observations.findLast((known) => showsAllOf(snapshot, known.snapshot))?.stamp ?? null;
  }

  /** The stream is begun anew. */
  clear(): void {
    this.#observations = [];
  }
}
