/** Rows of the change stream looked at by column name, with what is unknown kept apart from what is NULL (C22). */
import type { RowChange, StreamRelation, StreamRow } from './change.ts';
import type { Dependency, KnownKeys, RangeTerm } from './dependency.ts';
import { rankOf } from './rank.ts';

export interface RowView {
  /** The row is one that a change took away. */
  readonly isOld: boolean;
  /** Text of the column, null for NULL, undefined when the stream does not tell. */
  value(column: string): string | null | undefined;
  /** Whether the change may have altered one of these columns; of a row that came or went, it has. */
  touches(columns: readonly string[]): boolean;
}

/** What is told of a row: all that was sent; of an old row that was not sent, its key, which is the new row's; nothing. */
type Told = 'row' | 'key' | 'nothing';

/** One class for all, and its functions shared: these are looked at for each change and each late answer. */
class StreamedRow implements RowView {
  readonly isOld: boolean;
  readonly #change: RowChange;
  readonly #row: StreamRow;
  readonly #told: Told;
  readonly #at: ReadonlyMap<string, number>;

  constructor(change: RowChange, row: StreamRow, told: Told, isOld: boolean) {
    this.#change = change;
    this.#row = row;
    this.#told = told;
    this.#at = positionsOf(change.relation);
    this.isOld = isOld;
  }

  /** A column that the relation does not stream (generated, up to PostgreSQL 17) is unknown. */
  value(column: string): string | null | undefined {
    if (this.#told === 'nothing') return undefined;
    const i = this.#at.get(column);
    if (i === undefined) return undefined;
    if (this.#told === 'key' && !this.#change.relation.columns[i]!.isKey) return undefined;
    return this.#row[i];
  }

  /** New rows are sent whole but for large values that did not change; of an old row that was not sent the key did not. */
  touches(columns: readonly string[]): boolean {
    const { kind, relation, oldRow, newRow } = this.#change;
    if (kind !== 'update') return true;
    for (const column of columns) {
      const i = this.#at.get(column);
      // Generated columns are computed from others.
      if (i === undefined) return true;
      const now = newRow![i];
      if (now !== undefined && (oldRow === null ? !relation.columns[i]!.isKey : oldRow[i] !== now)) return true;
    }
    return false;
  }
}

const positions = new WeakMap<StreamRelation, ReadonlyMap<string, number>>();

/** Where a relation's columns are in its rows. */
export function positionsOf(relation: StreamRelation): ReadonlyMap<string, number> {
  let known = positions.get(relation);
  if (known === undefined) {
    known = new Map(relation.columns.map((column, i) => [column.name, i]));
    positions.set(relation, known);
  }
  return known;
}

/** The rows that a change took away and put in place; every one may satisfy a constraint. */
export function viewsOf(change: RowChange): readonly RowView[] {
  const { kind, oldRow, newRow } = change;
  const views: RowView[] = [];
  if (newRow !== null) views.push(new StreamedRow(change, newRow, 'row', false));
  if (oldRow !== null) views.push(new StreamedRow(change, oldRow, 'row', true));
  else if (kind === 'update' && newRow !== null) views.push(new StreamedRow(change, newRow, 'key', true));
  else if (kind === 'delete') views.push(new StreamedRow(change, [], 'nothing', true));
  return views;
}

/**
 * Whether the row may satisfy the constraint: an unknown value may equal anything, NULL only what asks for NULL. An old row that did satisfy
 * it is in the answer: where the answer's keys are known, one with another key did not. An update of columns that the answer does not rest on
 * leaves the answer as it is.
 */
export function maySatisfy(row: RowView, dependency: Dependency): boolean {
  // What most rows fail comes first.
  for (const term of dependency.terms) {
    const value = row.value(term.column);
    if (value !== undefined && !term.values.includes(value)) return false;
  }
  if (dependency.range !== undefined && !mayBeWithin(row.value(dependency.range.column), dependency.range))
    return false;
  if (dependency.uses !== undefined && !row.touches(dependency.uses)) return false;
  return !row.isOld || dependency.known === undefined || mayBeAmong(row, dependency.known);
}

function mayBeAmong(row: RowView, { columns, keys }: KnownKeys): boolean {
  const key = columns.map((column) => row.value(column));
  return key.includes(undefined) || keys.some((known) => known.every((value, i) => value === key[i]));
}

function mayBeWithin(text: string | null | undefined, { type, low, high }: RangeTerm): boolean {
  if (text === null) return false;
  const rank = text === undefined ? null : rankOf(type, text);
  return rank === null || (rank >= low && rank <= high);
}
