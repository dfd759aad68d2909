/**
 * The fence slots of an entry (design §5, C16). For each relation that it read:
 *
 *   every dependency fixes the whole primary key, few keys in all     (relation, all) and (relation, key = v) for each of the keys
 *   anything else                                                     (relation, all) and (relation, not a point)
 *
 * Sound because a point write changes rows of its keys alone: where no dependency has such a key among its rows, the answer stays right.
 */
import { Limits } from '../shared/limits.ts';
import { entryFenceSlots, fencedTable, fenceSlotAll, fenceSlotKey } from '../shared/memory/fences.ts';
import type { Dependency, EqualityTerm } from './dependency.ts';

/** Columns of a relation's primary key in the order of the table; empty when it has none that is known. */
export type PrimaryKeyOf = (relation: number) => readonly string[];

/** Slots of a block, in number even as a block has them. @param database `databaseHash` */
export function pointedFenceSlots(
  database: number,
  relations: readonly number[],
  dependencies: readonly Dependency[],
  primaryKeyOf: PrimaryKeyOf,
): number[] {
  return relations.flatMap((relation) => {
    const table = fencedTable(database, relation);
    const all = fenceSlotAll(table);
    const own = dependencies.filter((dependency) => dependency.relation === relation);
    const points = pointSlots(table, own, primaryKeyOf(relation));
    if (points === null) return entryFenceSlots([table]);
    const slots = [...points, all];
    return slots.length % 2 === 0 ? slots : [...slots, all];
  });
}

/** Slots of the keys that the dependencies of one relation fix; null when one of them fixes none, or they are too many. */
function pointSlots(
  table: number,
  dependencies: readonly Dependency[],
  key: readonly string[],
): ReadonlySet<number> | null {
  if (dependencies.length === 0 || key.length === 0) return null;
  const slots = new Set<number>();
  for (const { terms } of dependencies) {
    const columns = key.map((column) => textsOf(terms.find((term) => term.column === column)));
    if (!columns.every((values) => values !== null)) return null;
    const count = columns.reduce((product, values) => product * values.length, 1);
    if (count > Limits.fencePointsPerEntryMax) return null;
    for (const values of productOf(columns)) {
      const slot = fenceSlotKey(table, values);
      if (slot === null) return null;
      slots.add(slot);
    }
    if (slots.size > Limits.fencePointsPerEntryMax) return null;
  }
  return slots;
}

/** Null: no term, or one that NULL satisfies. */
function textsOf(term: EqualityTerm | undefined): readonly string[] | null {
  const texts = term?.values.filter((value) => value !== null);
  return texts === undefined || texts.length < term!.values.length ? null : texts;
}

/** Every choice of one value per column. */
function productOf(columns: readonly (readonly string[])[]): string[][] {
  return columns.reduce<string[][]>(
    (rows, values) => rows.flatMap((row) => values.map((value) => [...row, value])),
    [[]],
  );
}
