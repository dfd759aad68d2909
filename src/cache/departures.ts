/** What becomes of answers that a change takes out: corrected where that is certain, else asked for again where they are hot. */
import type { RowChange, SettlingTransaction } from './change.ts';
import type { InPlace } from './in-place.ts';
import type { RefreshAhead } from './refresh-ahead.ts';

export class Departures {
  /** Undefined: switched off. */
  readonly inPlace: InPlace | undefined;
  readonly refreshAhead: RefreshAhead | undefined;

  constructor(inPlace: InPlace | undefined, refreshAhead: RefreshAhead | undefined) {
    this.inPlace = inPlace;
    this.refreshAhead = refreshAhead;
  }

  /** Answers wait for the next round. */
  get isWaiting(): boolean {
    return (this.inPlace?.waiting ?? 0) + (this.refreshAhead?.waiting ?? 0) > 0;
  }

  /** A row changed. To be called with every change, before the entries that it matches leave. */
  changed(change: RowChange, transaction: SettlingTransaction): void {
    this.inPlace?.changed(change, transaction);
  }

  /** An entry is about to leave because of the change. Its block can still be read. */
  leaving(block: number, change: RowChange, transaction: SettlingTransaction): void {
    const isCorrected = this.inPlace?.leaving(block, change, transaction) === true;
    if (!isCorrected) this.refreshAhead?.leaving(block, transaction);
  }

  /** The block has left the store, for whatever reason. */
  left(block: number): void {
    this.inPlace?.left(block);
  }

  /** Nothing is known of the table's rows any more. */
  truncated(relation: number): void {
    this.inPlace?.truncated(relation);
  }

  /** All changes of the transaction that is being applied have been told. */
  committed(): void {
    this.inPlace?.committed();
  }

  /** A round has completed, whose snapshot showed what has settled with this stamp or a lower one. */
  publish(round: number, settleStamp: number): void {
    this.inPlace?.publish(round, settleStamp);
    this.refreshAhead?.publish(settleStamp);
  }

  /** The catalog or the stream is another one. */
  clear(): void {
    this.inPlace?.clear();
    this.refreshAhead?.clear();
  }
}
