/** Answers of one row by its primary key that wait to be corrected: found by the key of the row that changed. */
import type { RowChange, SettlingTransaction } from './change.ts';
import { Correction, type CorrectionsOptions } from './correction.ts';
import type { PointAnswer, Recipe } from './recipe.ts';
import { encodeAnswer } from './row-encoder.ts';
import { isSameKey, joinedKey, keyOf, keysOf } from './row-keys.ts';
import { positionsOf } from './row-view.ts';

/** Of the row, in the order of the answer's columns; null: no row has the key. */
type Values = readonly (string | null)[] | null;

interface Waiting {
  readonly correction: Correction;
  readonly point: PointAnswer;
  values: Values;
}

export class CorrectedPoints {
  readonly #options: CorrectionsOptions;
  /** By relation, then by key. */
  readonly #waiting = new Map<number, Map<string, Waiting[]>>();
  size = 0;

  constructor(options: CorrectionsOptions) {
    this.#options = options;
  }

  changed(change: RowChange, transaction: SettlingTransaction): void {
    const keys = this.#waiting.get(change.relation.oid);
    if (keys === undefined) return;
    const { keyColumns } = keys.values().next().value![0]!.point;
    const changed = keysOf(change, keyColumns);
    if (changed === null) {
      this.truncated(change.relation.oid);
      return;
    }
    for (const key of changed) {
      for (const waiting of keys.get(joinedKey(key)) ?? []) this.#change(waiting, change, transaction);
    }
  }

  /** @returns whether the answer waits here now */
  take(recipe: Recipe, point: PointAnswer, change: RowChange, transaction: SettlingTransaction): boolean {
    const keys = keysOf(change, point.keyColumns);
    if (keys === null || !keys.some((each) => isSameKey(each, point.key))) return false;
    const values = valuesAfter(change, point);
    if (values === undefined) return false;
    const waiting: Waiting = {
      point,
      values,
      correction: new Correction(recipe, transaction, () => encodeAnswer(waiting.values, point.encoders)),
    };
    this.#add(waiting);
    this.#options.onOpen(waiting.correction);
    return true;
  }

  truncated(relation: number): void {
    for (const waiting of this.#waiting.get(relation)?.values() ?? []) this.size -= waiting.length;
    this.#waiting.delete(relation);
  }

  /** They wait no longer. */
  takeDue(settleStamp: number): Correction[] {
    const due: Waiting[] = [];
    for (const keys of this.#waiting.values()) {
      for (const all of keys.values()) {
        for (const waiting of all) if (waiting.correction.isDue(settleStamp)) due.push(waiting);
      }
    }
    for (const waiting of due) this.#drop(waiting);
    return due.map(({ correction }) => correction);
  }

  clear(): void {
    this.#waiting.clear();
    this.size = 0;
  }

  #change(waiting: Waiting, change: RowChange, transaction: SettlingTransaction): void {
    const values = valuesAfter(change, waiting.point);
    if (values === undefined) {
      this.#drop(waiting);
      return;
    }
    if (!this.#options.isFaulty) waiting.values = values;
    if (waiting.correction.touched(transaction)) this.#options.onOpen(waiting.correction);
  }

  #add(waiting: Waiting): void {
    const { relation, key } = waiting.point;
    let keys = this.#waiting.get(relation);
    if (keys === undefined) this.#waiting.set(relation, (keys = new Map()));
    const others = keys.get(joinedKey(key));
    if (others === undefined) {
      this.size++;
      keys.set(joinedKey(key), [waiting]);
      return;
    }
    const kept = others.filter(({ correction }) => !correction.isOfSameAnswer(waiting.correction.recipe));
    this.size += kept.length + 1 - others.length;
    keys.set(joinedKey(key), [...kept, waiting]);
  }

  #drop(waiting: Waiting): void {
    const { relation, key } = waiting.point;
    const keys = this.#waiting.get(relation)!;
    const all = keys.get(joinedKey(key))!;
    this.size--;
    if (all.length > 1)
      keys.set(
        joinedKey(key),
        all.filter((other) => other !== waiting),
      );
    else keys.delete(joinedKey(key));
    if (keys.size === 0) this.#waiting.delete(relation);
  }
}

/** What the answer shows after the change: null where no row has the key, undefined where that is not known. */
function valuesAfter({ relation, newRow }: RowChange, point: PointAnswer): Values | undefined {
  const newKey = newRow === null ? null : keyOf(relation, newRow, point.keyColumns);
  if (newRow === null || newKey === null || !isSameKey(newKey, point.key)) return null;
  // A table with other columns than the catalog's is about to have another catalog.
  if (relation.columns.length !== point.streamedColumns) return undefined;
  const at = positionsOf(relation);
  const values: (string | null)[] = [];
  for (const { name, type } of point.columns) {
    const i = at.get(name);
    const value = i === undefined || relation.columns[i]!.typeOid !== type ? undefined : newRow[i];
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}
