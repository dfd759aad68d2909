/**
 * Settling: which applied transactions are visible to every new snapshot.
 *
 * A change may arrive on the stream up to milliseconds before its commit is visible, so an answer computed after the change
 * was applied may still not contain it. A transaction is settled once a snapshot of the origin shows it; it then keeps the stamp
 * that was published with that observation, and an answer whose token is older is refused where the transaction matches.
 *
 * By the set of transactions, not by a prefix (C24): one commit that hangs on a synchronous standby holds up nobody else.
 */
import type { SettlingTransaction } from './change.ts';
import type { SnapshotHistory } from './snapshot-history.ts';

/** `pg_current_snapshot()`. Full 64-bit transaction ids, exact as numbers up to 2^53. */
export interface OriginSnapshot {
  /** Every transaction below has ended. */
  readonly xmin: number;
  /** No transaction from here on had ended. */
  readonly xmax: number;
  /** Between the two, those still running. */
  readonly running: readonly number[];
}

/** Reads the text form `xmin:xmax:xip,xip,…`. Manual: System Information Functions, pg_snapshot.
 * @throws RangeError when the text is no snapshot. */
export function parseSnapshot(text: string): OriginSnapshot {
  const match = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text);
  if (match === null) throw new RangeError(`not a snapshot: ${JSON.stringify(text.slice(0, 100))}`);
  return {
    xmin: Number(match[1]),
    xmax: Number(match[2]),
    running: match[3] === '' ? [] : match[3]!.split(',').map(Number),
  };
}

const EPOCH = 2 ** 32;

/** The full transaction id that ends in `xid` (32 bits) and is nearest to `near`: the stream carries 32 bits only. */
export function widenXid(xid: number, near: number): number {
  const full = near - (near % EPOCH) + xid;
  if (full - near > EPOCH / 2) return full - EPOCH;
  if (near - full > EPOCH / 2) return full + EPOCH;
  return full;
}

/** Whether a committed transaction is visible in a snapshot. */
export function isVisible(snapshot: OriginSnapshot, fullXid: number): boolean {
  if (fullXid < snapshot.xmin) return true;
  return fullXid < snapshot.xmax && !snapshot.running.includes(fullXid);
}

/** Whether `later` shows all that `earlier` shows. Snapshots of one server are in such an order, but for those who are told of them late. */
export function showsAllOf(later: OriginSnapshot, earlier: OriginSnapshot): boolean {
  // Those that the later one does not know of must all be running in the earlier one.
  const unknown = earlier.running.filter((xid) => xid >= later.xmax).length;
  if (earlier.xmax - later.xmax > unknown) return false;
  return later.running.every((xid) => xid >= earlier.xmax || earlier.running.includes(xid));
}

export interface SettlerOptions {
  /** Raises the stamp and returns it, without publishing it yet. */
  readonly nextStamp: () => number;
  /** Publishes SETTLE_STAMP. Called after every transaction of the observation carries the stamp. */
  readonly publish: (stamp: number) => void;
  /** Remembers observations for longer than is needed here. */
  readonly history?: SnapshotHistory | undefined;
  /** Transactions waiting at most. One that finds no room never settles: fills on its rows are refused until the change
   * log has forgotten it, which is safe. */
  readonly pendingMax: number;
}

interface Observation {
  readonly snapshot: OriginSnapshot;
  readonly stamp: number;
}

/** The change stream is behind the snapshots by milliseconds, in which there are few. */
const OBSERVATIONS_MAX = 8;

export class Settler {
  readonly #options: SettlerOptions;
  #pending: SettlingTransaction[] = [];
  /** The latest ones, latest first; each shows what those behind it show. */
  #observations: Observation[] = [];
  #refused = 0;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Applied and not yet seen in a snapshot. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Of the last observation: what has settled has this stamp or a lower one. */
  get stamp(): number {
    return this.#observations[0]?.stamp ?? 0;
  }

  /** Transactions that found no room. */
  get refused(): number {
    return this.#refused;
  }

  /** @param xid 32 bits, as the stream has it: that of the top transaction. */
  register(xid: number): SettlingTransaction {
    const transaction: SettlingTransaction = { xid, settledStamp: this.#settledStamp(xid) };
    if (transaction.settledStamp !== Number.POSITIVE_INFINITY) return transaction;
    if (this.#pending.length < this.#options.pendingMax) this.#pending.push(transaction);
    else this.#refused++;
    return transaction;
  }

  /** Settles what `snapshot` shows, pending or still to come. Snapshots must come in the order in which they were taken.
   * @returns how many transactions that were pending settled. */
  observe(snapshot: OriginSnapshot): number {
    const last = this.#observations[0];
    if (last !== undefined && isSame(last.snapshot, snapshot)) return 0;
    const stamp = this.#options.nextStamp();
    this.#observations.unshift({ snapshot, stamp });
    this.#observations.length = Math.min(this.#observations.length, OBSERVATIONS_MAX);
    this.#options.history?.add(snapshot, stamp);
    const waiting: SettlingTransaction[] = [];
    for (const transaction of this.#pending) {
      if (isVisible(snapshot, widenXid(transaction.xid, snapshot.xmax))) transaction.settledStamp = stamp;
      else waiting.push(transaction);
    }
    const settled = this.#pending.length - waiting.length;
    this.#pending = waiting;
    this.#options.publish(stamp);
    return settled;
  }

  /** That of the first snapshot which showed the transaction before the stream told of it; infinite where none of the latest did. */
  #settledStamp(xid: number): number {
    let stamp = Number.POSITIVE_INFINITY;
    for (const observation of this.#observations) {
      const { snapshot } = observation;
      if (!isVisible(snapshot, widenXid(xid, snapshot.xmax))) break;
      stamp = observation.stamp;
    }
    return stamp;
  }

  /** The stream is begun anew: what was pending belongs to entries that are gone. */
  clear(): void {
    this.#pending = [];
    this.#observations = [];
    this.#options.history?.clear();
  }
}

function isSame(a: OriginSnapshot, b: OriginSnapshot): boolean {
  return (
    a.xmin === b.xmin &&
    a.xmax === b.xmax &&
    a.running.length === b.running.length &&
    a.running.every((xid, i) => xid === b.running[i])
  );
}
