/** Rows of the change stream looked at by column name, with what is unknown kept apart from what is NULL (C22). */
import type { RowChange, StreamRelation, StreamRow } from './change.ts';
import type { Dependency, KnownKeys, RangeTerm } from './dependency.ts';
import { rankOf } from './rank.ts';

/** Value of a column: text, null for NULL, undefined when the stream does not tell. */
export interface RowView {
  (column: string): string | null | undefined;
  /** The row is one that a change took away. */
  isOld?: true;
  /** The row is of an update: whether that may have changed one of these columns. Missing: the row came or went. */
  touches?: (columns: readonly string[]) => boolean;
}

const positions = new WeakMap<StreamRelation, ReadonlyMap<string, number>>();

function positionsOf(relation: StreamRelation): ReadonlyMap<string, number> {
  let known = positions.get(relation);
  if (known === undefined) {
    known = new Map(relation.columns.map((column, i) => [column.name, i]));
    positions.set(relation, known);
  }
  return known;
}

/** Whole row as sent. A column that the relation does not stream (generated, up to PostgreSQL 17) is unknown. */
function viewOf(relation: StreamRelation, row: StreamRow): RowView {
  const at = positionsOf(relation);
  return (column) => {
    const i = at.get(column);
    return i === undefined ? undefined : row[i];
  };
}

/** The old row of an update that sent none: its key is the new row's, the rest is unknown. */
function viewOfUnsentOld(relation: StreamRelation, newRow: StreamRow): RowView {
  const at = positionsOf(relation);
  return (column) => {
    const i = at.get(column);
    return i !== undefined && relation.columns[i]!.isKey ? newRow[i] : undefined;
  };
}

/** The rows that a change took away and put in place; every one may satisfy a constraint. */
export function viewsOf(change: RowChange): readonly RowView[] {
  const { relation, oldRow, newRow } = change;
  const views: RowView[] = [];
  if (newRow !== null) views.push(viewOf(relation, newRow));
  if (oldRow !== null) views.push(asOld(viewOf(relation, oldRow)));
  else if (change.kind === 'update' && newRow !== null) views.push(asOld(viewOfUnsentOld(relation, newRow)));
  else if (change.kind === 'delete') views.push(asOld(() => undefined));
  if (change.kind === 'update') for (const view of views) view.touches = (columns) => mayTouch(change, columns);
  return views;
}

/** New rows are sent whole but for large values that did not change; of an old row that was not sent the key did not. */
function mayTouch({ relation, oldRow, newRow }: RowChange, columns: readonly string[]): boolean {
  const at = positionsOf(relation);
  return columns.some((column) => {
    const i = at.get(column);
    // Generated columns are computed from others.
    if (i === undefined) return true;
    if (newRow![i] === undefined) return false;
    return oldRow === null ? !relation.columns[i]!.isKey : oldRow[i] !== newRow![i];
  });
}

function asOld(row: RowView): RowView {
  row.isOld = true;
  return row;
}

/**
 * Whether the row may satisfy the constraint: an unknown value may equal anything, NULL only what asks for NULL. An old row that did satisfy
 * it is in the answer: where the answer's keys are known, one with another key did not. An update of columns that the answer does not rest on
 * leaves the answer as it is.
 */
export function maySatisfy(row: RowView, dependency: Dependency): boolean {
  if (dependency.uses !== undefined && row.touches?.(dependency.uses) === false) return false;
  if (row.isOld === true && dependency.known !== undefined && !mayBeAmong(row, dependency.known)) return false;
  for (const term of dependency.terms) {
    const value = row(term.column);
    if (value !== undefined && !term.values.includes(value)) return false;
  }
  return dependency.range === undefined || mayBeWithin(row(dependency.range.column), dependency.range);
}

function mayBeAmong(row: RowView, { columns, keys }: KnownKeys): boolean {
  const key = columns.map(row);
  return key.includes(undefined) || keys.some((known) => known.every((value, i) => value === key[i]));
}

function mayBeWithin(text: string | null | undefined, { type, low, high }: RangeTerm): boolean {
  if (text === null) return false;
  const rank = text === undefined ? null : rankOf(type, text);
  return rank === null || (rank >= low && rank <= high);
}
