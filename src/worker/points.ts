/**
 * The rows that a write names by their primary key (C16), found when it is sent: its verdict says where the text or the Bind message
 * has the key, and one verdict serves many texts and many Binds.
 */
import { Constants, readParameters } from '../shared/constants.ts';
import { fenceSlotKey } from '../shared/memory/fences.ts';
import type { RowKey, Verdict, WrittenTable } from '../shared/messages.ts';
import { stripComments } from '../shared/shape.ts';

/** Points name a key as a catalog has it: under another catalog the key, and so the row, may be another. */
export interface CatalogStamp {
  readonly generation: number;
  readonly catalogVersion: number;
}

export interface Points {
  /** The one that they follow from. */
  readonly verdict: Verdict;
  readonly stamp: CatalogStamp;
  /** By relation, the fence slots of the rows; tables of which any row may change are missing. */
  readonly slots: ReadonlyMap<number, readonly number[]>;
}

/** Whether it is a write that may name its rows. */
export function mayName(verdict: Verdict | null): verdict is Verdict & { writes: readonly WrittenTable[] } {
  if (verdict === null || typeof verdict.writes === 'string') return false;
  return verdict.writes.some(({ points }) => points !== null);
}

/**
 * Null when the statement is no point write, or names a row in a way that is not certain.
 * @param bindTail the Bind message after its names; null in the simple protocol
 */
export function pointsOf(
  verdict: Verdict | null,
  text: string,
  bindTail: Uint8Array | null,
  generation: number,
): Points | null {
  if (!mayName(verdict)) return null;
  const parameters = bindTail === null ? [] : readParameters(bindTail);
  if (parameters === null) return null;
  // Keys beyond ASCII have no slot, so it does not matter whether they could be compared.
  const constants = new Constants(stripComments(text), parameters, true);
  const slots = new Map<number, readonly number[]>();
  for (const table of verdict.writes) {
    const rows = slotsOf(table, constants);
    if (rows !== null) slots.set(table.relation, rows);
  }
  return { verdict, stamp: { generation, catalogVersion: verdict.catalogVersion }, slots };
}

function slotsOf({ relation, points }: WrittenTable, constants: Constants): readonly number[] | null {
  const slots: number[] = [];
  for (const point of points ?? []) {
    const slot = slotOf(relation, point, constants);
    if (slot === null) return null;
    slots.push(slot);
  }
  return points === null ? null : slots;
}

function slotOf(relation: number, point: RowKey, constants: Constants): number | null {
  const key: string[] = [];
  for (const { type, source } of point) {
    const value = constants.read(type, source);
    if (typeof value !== 'string') return null;
    key.push(value);
  }
  return fenceSlotKey(relation, key);
}
