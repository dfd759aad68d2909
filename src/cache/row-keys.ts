/** Primary keys of the rows that a change took away and put in place. */
import type { RowChange, StreamRelation, StreamRow } from './change.ts';
import { positionsOf } from './row-view.ts';

/** Texts as the stream has them. */
export type RowKey = readonly string[];

export const joinedKey = (key: RowKey): string => (key.length === 1 ? key[0]! : key.join('\0'));

export const isSameKey = (a: RowKey, b: RowKey): boolean => a.every((text, i) => text === b[i]);

/** The new row's first; null: the stream does not tell them. */
export function keysOf({ relation, oldRow, newRow, kind }: RowChange, columns: readonly string[]): RowKey[] | null {
  const keys: RowKey[] = [];
  if (newRow !== null) {
    const key = keyOf(relation, newRow, columns);
    if (key === null) return null;
    keys.push(key);
  }
  if (kind === 'insert') return keys;
  const old =
    oldRow !== null ? keyOf(relation, oldRow, columns) : newRow && keyOf(relation, newRow, columns, { isUnsent: true });
  return old === null ? null : [...keys, old];
}

/** @param isUnsent the row is the new one, and the old one was not sent: they have the columns of the identity in common */
export function keyOf(
  relation: StreamRelation,
  row: StreamRow,
  columns: readonly string[],
  { isUnsent } = { isUnsent: false },
): RowKey | null {
  const at = positionsOf(relation);
  const key: string[] = [];
  for (const name of columns) {
    const i = at.get(name);
    const value = i === undefined || (isUnsent && !relation.columns[i]!.isKey) ? undefined : row[i];
    if (typeof value !== 'string') return null;
    key.push(value);
  }
  return key;
}
