/**
 * Carries committed changes into the cache: every entry that a changed row may have been in, or may now be in, leaves the store,
 * and the change is remembered for answers that are still on their way. Both happen before the applied position passes the commit, since the stream
 * calls this sink synchronously and in order.
 *
 * Entries leave row by row, before their transaction's last row is seen. The transaction has committed on the origin by then, so this is
 * never too early for correctness.
 *
 * One change may concern all entries of a table, a million of them. They leave in slices: while some are left this sink is busy, and the stream
 * waits with what follows, the commit and with it the applied position included.
 */
import { Limits } from '../shared/limits.ts';
import type { Lsn } from '../shared/lsn.ts';
import type { ChangeSink, RowChange, SettlingTransaction, StreamRelation } from './change.ts';
import type { ChangeLog } from './change-log.ts';
import type { Departures } from './departures.ts';
import type { DependencyIndex } from './dependency-index.ts';
import { type RowView, viewsOf } from './row-view.ts';

export interface ApplyOptions {
  readonly index: Pick<DependencyIndex, 'has' | 'match' | 'matchMore' | 'matchAll'>;
  readonly log: Pick<ChangeLog, 'record' | 'recordAll'>;
  readonly store: { remove(block: number): void };
  /** Relations that show the rows of a table besides itself. */
  readonly ancestorsOf: (relation: number) => readonly number[];
  /** Has answers made anew that a change takes out; missing: they are left to the next miss. */
  readonly departures?: Pick<Departures, 'changed' | 'leaving' | 'truncated' | 'committed'>;
  readonly settler: { register(xid: number): SettlingTransaction };
  /** A logical message, ours or somebody's. */
  readonly onMessage?: (prefix: string, content: Buffer) => void;
}

/** A change that entries of a relation are left of. */
interface Unfinished {
  readonly relation: number;
  /** Null: the table was truncated. */
  readonly row: RowView | null;
  readonly change: RowChange | null;
}

/** Entries taken out in one go. */
const SLICE = Limits.invalidatedPerSliceMax;

export class Apply implements ChangeSink {
  readonly #options: ApplyOptions;
  readonly #blocks = new Set<number>();
  #unfinished: Unfinished[] = [];
  #xid = 0;
  #transaction: SettlingTransaction | null = null;
  #invalidated = 0;
  #appliedLsn: Lsn = 0n;

  constructor(options: ApplyOptions) {
    this.#options = options;
  }

  /** Entries that left because of a change. */
  get invalidated(): number {
    return this.#invalidated;
  }

  /** End of the last commit record applied. */
  get appliedLsn(): Lsn {
    return this.#appliedLsn;
  }

  begin(xid: number): void {
    this.#xid = xid;
    this.#transaction = null;
  }

  change(change: RowChange): void {
    const { index, log } = this.#options;
    const { departures } = this.#options;
    const relations = this.#shownBy(change.relation.oid);
    const rows = relations.some((relation) => index.has(relation)) ? viewsOf(change) : undefined;
    log.record(this.#settling(), change, rows);
    departures?.changed(change, this.#settling());
    if (rows === undefined) return;
    for (const row of rows) {
      for (const relation of relations) {
        if (!index.has(relation)) continue;
        if (!index.match(relation, row, this.#blocks, SLICE)) this.#unfinished.push({ relation, row, change });
      }
    }
    this.#removeMatched(change);
  }

  truncate(relations: readonly StreamRelation[]): void {
    for (const { oid } of relations) {
      this.#options.log.recordAll(this.#settling(), oid);
      this.#options.departures?.truncated(oid);
      for (const relation of this.#shownBy(oid)) this.#unfinished.push({ relation, row: null, change: null });
    }
    this.proceed();
  }

  /** The transaction counts as one that must become visible, though it has changed no row that is told. */
  settles(): void {
    this.#settling();
  }

  /** Every row of these may be another in each snapshot from `transaction` on. All at once: a round waits for it. */
  refreshed(relations: readonly number[], transaction: SettlingTransaction): void {
    const blocks = new Set<number>();
    for (const relation of relations) {
      this.#options.log.recordAll(transaction, relation);
      this.#options.departures?.truncated(relation);
      this.#options.index.matchAll(relation, blocks);
    }
    for (const block of blocks) this.#options.store.remove(block);
    this.#invalidated += blocks.size;
  }

  get isBusy(): boolean {
    return this.#unfinished.length > 0;
  }

  /** As much as one slice allows for. All that is unfinished is of one change, or of one TRUNCATE. */
  proceed(): void {
    const { index } = this.#options;
    const change = this.#unfinished[0]?.change ?? null;
    while (this.#unfinished.length > 0) {
      const { relation, row } = this.#unfinished[0]!;
      const isAll =
        row === null
          ? index.matchAll(relation, this.#blocks, SLICE)
          : index.matchMore(relation, row, this.#blocks, SLICE);
      if (!isAll) break;
      this.#unfinished.shift();
    }
    this.#removeMatched(change);
  }

  /** The entries are gone, and with them what was left to do. */
  forget(): void {
    this.#unfinished = [];
  }

  /** Partitions and heirs have the columns of their parents, by name. */
  #shownBy(relation: number): readonly number[] {
    const ancestors = this.#options.ancestorsOf(relation);
    return ancestors.length === 0 ? [relation] : [relation, ...ancestors];
  }

  message(prefix: string, content: Buffer): void {
    this.#options.onMessage?.(prefix, content);
  }

  commit(endLsn: Lsn): void {
    this.#transaction = null;
    this.#options.departures?.committed();
    this.#appliedLsn = endLsn;
  }

  /** Registered with the first row, not at the end: it has committed already, and offers may be looked at between two rows (C25). */
  #settling(): SettlingTransaction {
    this.#transaction ??= this.#options.settler.register(this.#xid);
    return this.#transaction;
  }

  #removeMatched(change: RowChange | null): void {
    if (this.#blocks.size === 0) return;
    const { departures } = this.#options;
    if (departures !== undefined && change !== null)
      for (const block of this.#blocks) departures.leaving(block, change, this.#settling());
    for (const block of this.#blocks) this.#options.store.remove(block);
    this.#invalidated += this.#blocks.size;
    this.#blocks.clear();
  }
}
