/**
 * Whether all that a snapshot shows has been applied, told by transaction ids instead of a position in the log (ADR-027).
 *
 *   shown by the snapshot  ⊆  shown by an earlier one, all of which was applied  ∪  commits taken in from the stream since
 *
 * The log's end is mostly not the end of a commit: a read that prunes a page or sets hint bits writes to it as well, and nobody flushes that before the next
 * commit, so the stream does not come there. Transactions that are not told on the stream (rolled back, without a change to a published table, parts
 * of another one) are not known here: then the position says.
 */
import { isVisible, type OriginSnapshot, showsAllOf, widenXid } from './settle.ts';

/** Of those taken in, or begun between two snapshots. With more, the position says. */
const XIDS_MAX = 10_000;
const EPOCH = 2 ** 32;

export class AppliedXids {
  /** All that it shows has been applied. */
  #covered: OriginSnapshot | null = null;
  /** 32 bits, as the stream has them; without what `#covered` shows. */
  readonly #applied = new Set<number>();

  /** A transaction of the stream has been applied. */
  add(xid: number): void {
    if (this.#applied.size < XIDS_MAX) this.#applied.add(xid);
  }

  /** Whether all that it shows has been applied, as far as is known here. */
  hasAllOf({ xmax, running }: OriginSnapshot): boolean {
    const covered = this.#covered;
    if (covered === null || xmax - covered.xmax > XIDS_MAX) return false;
    const isRunning = new Set(running);
    // Not shown, or applied.
    const isKnown = (xid: number): boolean => xid >= xmax || isRunning.has(xid) || this.#applied.has(xid % EPOCH);
    for (let xid = covered.xmax; xid < xmax; xid++) if (!isKnown(xid)) return false;
    return covered.running.every(isKnown);
  }

  /** A round with this snapshot is complete: all that it shows has been applied. */
  completed(snapshot: OriginSnapshot): void {
    if (this.#covered !== null && !showsAllOf(snapshot, this.#covered)) return;
    this.#covered = snapshot;
    for (const xid of this.#applied) {
      if (isVisible(snapshot, widenXid(xid, snapshot.xmax))) this.#applied.delete(xid);
    }
  }

  clear(): void {
    this.#covered = null;
    this.#applied.clear();
  }
}
