/**
 * Recent row changes, against which late answers are checked before they are admitted.
 *
 * An answer whose token is stamp s was computed from a snapshot that shows every transaction settled at or before s, and no other
 * one for certain. So it may be admitted iff no change that matches what it depends on belongs to a transaction with a settled stamp
 * above s, or to one that has not settled. Answers are late by milliseconds, seldom by minutes: recent changes are enough, and a token
 * older than what has been forgotten is refused.
 *
 * One record per transaction and table. Bounds (a bound only refuses fills, it never lets a wrong one in):
 *   rows of a record   beyond `changeLogRowsPerTableMax`, or TRUNCATE: the record becomes "every row"
 *   all rows and text  beyond their maxima the oldest record goes and tokens below its stamp are refused for its table; while the oldest
 *                      has not settled it must stay, and the rows of the oldest records go instead ("every row")
 * Records that cannot go are as many as transactions that have not settled, which the settler bounds.
 *
 * Transactions settle in any order (C24), so a table's records are not sorted by stamp. The oldest of them that are
 * all settled form a prefix with a running maximum; a check walks from the newest record back and stops where that maximum is old enough.
 */
import { Limits } from '../shared/limits.ts';
import type { RowChange, SettlingTransaction } from './change.ts';
import type { Dependency } from './dependency.ts';
import { maySatisfy, type RowView, viewsOf } from './row-view.ts';

interface ChangeRecord {
  readonly transaction: SettlingTransaction;
  readonly table: Table;
  /** Old and new rows; null: every row. */
  rows: RowView[] | null;
  rowCount: number;
  text: number;
  /** Highest stamp of this and all older records, once all of these are settled. */
  stampUpTo: number;
}

interface Table {
  readonly records: Queue<ChangeRecord>;
  /** Records at the front that are settled and have `stampUpTo`. */
  settledPrefix: number;
  /** Tokens below are refused: changes up to this stamp have been forgotten. */
  floorStamp: number;
}

export interface ChangeLogLimits {
  readonly rowsMax: number;
  readonly rowsPerRecordMax: number;
  readonly textMax: number;
}

const defaults: ChangeLogLimits = {
  rowsMax: Limits.changeLogRowsMax,
  rowsPerRecordMax: Limits.changeLogRowsPerTableMax,
  textMax: Limits.changeLogTextMax,
};

/** A value costs its text and this. */
const VALUE_TEXT = 16;

/** First in, first out, with access by position; room of what left is reclaimed in large steps. */
class Queue<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  at(i: number): T | undefined {
    return this.#items[this.#head + i];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#head++;
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

export class ChangeLog {
  readonly #limits: ChangeLogLimits;
  #tables = new Map<number, Table>();
  /** All records, in the order of application. */
  #order = new Queue<ChangeRecord>();
  /** Records at the front of `#order` that keep no rows any more. */
  #widened = 0;
  #rows = 0;
  #text = 0;

  constructor(limits: Partial<ChangeLogLimits> = {}) {
    this.#limits = { ...defaults, ...limits };
  }

  /** Rows kept one by one. */
  get rows(): number {
    return this.#rows;
  }

  /** Records kept, tables × transactions. */
  get records(): number {
    return this.#order.length;
  }

  /** Remembers a change of a transaction that may or may not have settled. @param views those of the change, where they have been made already */
  record(transaction: SettlingTransaction, change: RowChange, views?: readonly RowView[]): void {
    const record = this.#recordOf(transaction, change.relation.oid);
    if (record.rows === null) return;
    if (record.rowCount >= this.#limits.rowsPerRecordMax) {
      this.#widen(record);
      return;
    }
    const text = textOf(change);
    for (const view of views ?? viewsOf(change)) record.rows.push(view);
    record.rowCount++;
    record.text += text;
    this.#rows++;
    this.#text += text;
    this.#trim();
  }

  /** Remembers that a transaction may have changed every row of a table. */
  recordAll(transaction: SettlingTransaction, relation: number): void {
    this.#widen(this.#recordOf(transaction, relation));
    this.#trim();
  }

  /** Whether a matching change was not certainly visible to an answer with this stamp in its token. */
  conflicts(dependencies: readonly Dependency[], settleStamp: number): boolean {
    for (const dependency of dependencies) if (this.#conflict(dependency, settleStamp)) return true;
    return false;
  }

  /** The stream is begun anew: tokens of before are refused by their epoch. */
  clear(): void {
    this.#tables = new Map();
    this.#order = new Queue();
    this.#widened = 0;
    this.#rows = 0;
    this.#text = 0;
  }

  #conflict(dependency: Dependency, settleStamp: number): boolean {
    const table = this.#tables.get(dependency.relation);
    if (table === undefined) return false;
    if (settleStamp < table.floorStamp) return true;
    extendPrefix(table);
    const { records, settledPrefix } = table;
    for (let i = records.length - 1; i >= 0; i--) {
      const record = records.at(i)!;
      if (i < settledPrefix && record.stampUpTo <= settleStamp) return false;
      if (record.transaction.settledStamp <= settleStamp) continue;
      if (record.rows === null || anySatisfies(record.rows, dependency)) return true;
    }
    return false;
  }

  #recordOf(transaction: SettlingTransaction, relation: number): ChangeRecord {
    let table = this.#tables.get(relation);
    if (table === undefined) {
      table = { records: new Queue(), settledPrefix: 0, floorStamp: 0 };
      this.#tables.set(relation, table);
    }
    const last = table.records.at(table.records.length - 1);
    if (last !== undefined && last.transaction === transaction) return last;
    const record: ChangeRecord = { transaction, table, rows: [], rowCount: 0, text: 0, stampUpTo: 0 };
    table.records.push(record);
    this.#order.push(record);
    return record;
  }

  /** Keeps no rows: the record then stands for every row. */
  #widen(record: ChangeRecord): void {
    this.#rows -= record.rowCount;
    this.#text -= record.text;
    record.rows = null;
    record.rowCount = 0;
    record.text = 0;
  }

  get #isOver(): boolean {
    return this.#rows + this.#order.length > this.#limits.rowsMax || this.#text > this.#limits.textMax;
  }

  #trim(): void {
    while (this.#isOver && this.#order.at(0)!.transaction.settledStamp !== Number.POSITIVE_INFINITY)
      this.#forgetOldest();
    while (this.#rows > 0 && this.#isOver) this.#widen(this.#order.at(this.#widened++)!);
  }

  #forgetOldest(): void {
    const record = this.#order.at(0)!;
    const { table } = record;
    this.#widen(record);
    this.#order.shift();
    this.#widened = Math.max(0, this.#widened - 1);
    table.floorStamp = Math.max(table.floorStamp, record.transaction.settledStamp);
    table.records.shift();
    table.settledPrefix = Math.max(0, table.settledPrefix - 1);
  }
}

/** Asked for each late answer of each newer change: a loop, since a function for each would be most of what that allocates. */
function anySatisfies(rows: readonly RowView[], dependency: Dependency): boolean {
  for (const row of rows) if (maySatisfy(row, dependency)) return true;
  return false;
}

function extendPrefix(table: Table): void {
  const { records } = table;
  while (table.settledPrefix < records.length) {
    const record = records.at(table.settledPrefix)!;
    if (record.transaction.settledStamp === Number.POSITIVE_INFINITY) return;
    const before = records.at(table.settledPrefix - 1)?.stampUpTo ?? 0;
    record.stampUpTo = Math.max(before, record.transaction.settledStamp);
    table.settledPrefix++;
  }
}

function textOf(change: RowChange): number {
  let text = 0;
  for (const row of [change.oldRow, change.newRow]) {
    for (const value of row ?? []) text += VALUE_TEXT + (value?.length ?? 0);
  }
  return text;
}
