/**
 * Tables on the change stream, as fills see them: a table is live from a stamp on, and answers with older tokens are refused for it (C2).
 *
 *   unknown ──wanted──▶ publishing ──barrier passed──▶ live (stamp)
 *                          │  ▲                          │ stream lost, taken out
 *                          ▼  └── retry ──────────────────┘
 *                       refused (reason, remedy), until the catalog changes
 */
import type { Reason } from '../shared/reasons.ts';

export interface TableRefusal {
  readonly oid: number;
  readonly table: string;
  readonly reason: Reason;
  readonly remedy: string;
}

export class StreamTables {
  readonly #live = new Map<number, number>();
  readonly #refused = new Map<number, TableRefusal>();

  /** Answers whose token is at least this stamp may be admitted. */
  setLive(oid: number, liveStamp: number): void {
    this.#live.set(oid, liveStamp);
    this.#refused.delete(oid);
  }

  refuse(refusal: TableRefusal): void {
    this.#live.delete(refusal.oid);
    this.#refused.set(refusal.oid, refusal);
  }

  /** The table's stamp, undefined while it is not live. */
  liveStamp(oid: number): number | undefined {
    return this.#live.get(oid);
  }

  refusal(oid: number): TableRefusal | undefined {
    return this.#refused.get(oid);
  }

  get live(): ReadonlyMap<number, number> {
    return this.#live;
  }

  get refusals(): Iterable<TableRefusal> {
    return this.#refused.values();
  }

  /** The stream has ended: nothing is live. */
  streamEnded(): void {
    this.#live.clear();
  }

  /** The catalog changed: what was refused may be possible now. */
  forgetRefusals(): void {
    this.#refused.clear();
  }
}
