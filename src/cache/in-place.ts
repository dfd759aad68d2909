/**
 * Correction in place (C21): an answer that shows one row by its whole primary key is made anew from the row that the change stream tells, so that
 * no miss follows a write.
 *
 *   matched ─▶ taken out of the store, kept here ─▶ its transaction applied to its end ─▶ settled, and a round complete ─▶ offered again
 *                      │   ▲                                                                                                │
 *                      └───┘ further changes of the row                          refused like any late fill ◀────────────────┘
 *
 * It is never in the store before every new snapshot of the origin shows it: until then readers ask the origin. The offer carries the stamp
 * with which the transaction settled, so that the admitter judges it as an answer of that snapshot; and it is made when a round has
 * completed, which says that the catalog (columns, privileges, policies) was still the same in a snapshot that shows the transaction: so it counts
 * from that round on, unlike an answer of the origin, which the next round has to confirm.
 *
 * What is not certain is left to the next miss: a value that is not told, a type whose bytes are not known here, a key that is not told.
 */
import { Limits } from '../shared/limits.ts';
import type { FillToken, Offer } from '../shared/messages.ts';
import type { KeptEntry } from './admitter.ts';
import type { RowChange, SettlingTransaction, StreamRelation, StreamRow } from './change.ts';
import { type PointAnswer, type Recipe, Recipes, type RecipesOptions } from './recipe.ts';
import { encodeAnswer } from './row-encoder.ts';

export interface InPlaceOptions extends RecipesOptions {
  readonly tokenOf: (settleStamp: number) => FillToken;
  readonly isStored: (hash: number, key: Uint8Array) => boolean;
  /** Test-only: 'place' keeps a correction as the first of several changes made it. */
  readonly faults: readonly string[];
  /** Puts it into the store unless something is against it: its block, or 0. */
  readonly admit: (offer: Offer, kept: KeptEntry | null) => number;
}

interface Correction {
  readonly recipe: Recipe;
  /** Of the row, in the order of the answer's columns; null: no row has the key. */
  values: readonly (string | null)[] | null;
  transaction: SettlingTransaction;
  /** Further changes of the transaction may come. */
  open: boolean;
}

export class InPlace {
  readonly #options: InPlaceOptions;
  readonly #recipes: Recipes;
  /** By relation, then by key: all corrections that wait. */
  readonly #waiting = new Map<number, Map<string, Correction[]>>();
  #open: Correction[] = [];
  #count = 0;
  #corrected = 0;

  constructor(options: InPlaceOptions) {
    this.#options = options;
    this.#recipes = new Recipes(options);
  }

  /** Answers that went back into the store corrected. */
  get corrected(): number {
    return this.#corrected;
  }

  /** Corrections that wait. */
  get waiting(): number {
    return this.#count;
  }

  /** A row changed: what waits for its keys is made anew. To be called with every change, before the entries that it matches leave. */
  changed(change: RowChange, transaction: SettlingTransaction): void {
    const waiting = this.#waiting.get(change.relation.oid);
    if (waiting === undefined) return;
    const { faults } = this.#options;
    const { keyColumns } = waiting.values().next().value![0]!.recipe.point;
    const keys = keysOf(change, keyColumns);
    if (keys === null) {
      this.truncated(change.relation.oid);
      return;
    }
    for (const key of keys) {
      for (const correction of waiting.get(joined(key)) ?? []) {
        const values = valuesAfter(change, correction.recipe.point);
        if (values === undefined) this.#drop(correction);
        else this.#put(correction, faults.includes('place') ? correction.values : values, transaction);
      }
    }
  }

  /** An entry is about to leave because of the change. Its block can still be read. @returns whether it waits here now */
  leaving(block: number, change: RowChange, transaction: SettlingTransaction): boolean {
    if (this.#count >= Limits.correctionsMax) return false;
    const recipe = this.#recipes.of(block);
    if (recipe === null || recipe.point.relation !== change.relation.oid) return false;
    const { keyColumns, key: ownKey } = recipe.point;
    const keys = keysOf(change, keyColumns);
    if (keys === null || !keys.some((each) => isSameKey(each, ownKey))) return false;
    const values = valuesAfter(change, recipe.point);
    if (values === undefined) return false;
    this.#add({ recipe, values, transaction, open: false }, transaction);
    return true;
  }

  /** The block has left the store. */
  left(block: number): void {
    this.#recipes.forget(block);
  }

  /** Nothing is known of the table's rows any more. */
  truncated(relation: number): void {
    for (const corrections of this.#waiting.get(relation)?.values() ?? []) this.#count -= corrections.length;
    this.#waiting.delete(relation);
  }

  /** All changes of the transaction that is being applied have been told. */
  committed(): void {
    for (const correction of this.#open) correction.open = false;
    this.#open = [];
  }

  /** Round `round` has completed: what had settled by its snapshot, with `settleStamp` or before, goes back into the store. */
  publish(round: number, settleStamp: number): void {
    if (this.#count === 0) return;
    const due: Correction[] = [];
    for (const keys of this.#waiting.values()) {
      for (const corrections of keys.values()) {
        for (const correction of corrections) {
          if (correction.open || correction.transaction.settledStamp > settleStamp) continue;
          due.push(correction);
        }
      }
    }
    for (const correction of due) {
      this.#drop(correction);
      this.#offer(correction, round);
    }
  }

  /** The catalog or the stream is another one. */
  clear(): void {
    this.#waiting.clear();
    this.#recipes.clear();
    this.#open = [];
    this.#count = 0;
  }

  #offer({ recipe, values, transaction }: Correction, round: number): void {
    const { point, kept, hash, contextId, shape, pin, head, keyBytes } = recipe;
    const { isStored, tokenOf, admit } = this.#options;
    const frames = encodeAnswer(values, point.encoders);
    // Whoever missed meanwhile was answered by the origin, and that answer shows the change too.
    if (frames === null || isStored(hash, head.subarray(0, keyBytes))) return;
    const bytes = new Uint8Array(head.length + frames.length);
    bytes.set(head, 0);
    bytes.set(frames, head.length);
    const token = tokenOf(transaction.settledStamp);
    const rowDescriptionBytes = head.length - keyBytes;
    const entry = { shape, pin, contextId, hash, keyBytes, rowDescriptionBytes, filledRound: round, bytes };
    const block = admit({ verdictId: 0, isRefresh: false, token, ...entry }, kept);
    if (block === 0) return;
    this.#corrected++;
    this.#recipes.keep(block, recipe);
  }

  #add(correction: Correction, transaction: SettlingTransaction): void {
    const { relation, key } = correction.recipe.point;
    let keys = this.#waiting.get(relation);
    if (keys === undefined) this.#waiting.set(relation, (keys = new Map()));
    const others = keys.get(joined(key)) ?? [];
    const kept = others.filter((other) => !isSameAnswer(other.recipe, correction.recipe));
    this.#count += kept.length + 1 - others.length;
    keys.set(joined(key), [...kept, correction]);
    this.#put(correction, correction.values, transaction);
  }

  #put(correction: Correction, values: Correction['values'], transaction: SettlingTransaction): void {
    correction.values = values;
    correction.transaction = transaction;
    if (correction.open) return;
    correction.open = true;
    this.#open.push(correction);
  }

  #drop(correction: Correction): void {
    const { relation, key } = correction.recipe.point;
    const keys = this.#waiting.get(relation)!;
    const others = keys.get(joined(key))!.filter((other) => other !== correction);
    this.#count--;
    if (others.length > 0) keys.set(joined(key), others);
    else keys.delete(joined(key));
    if (keys.size === 0) this.#waiting.delete(relation);
  }
}

const joined = (key: readonly string[]): string => (key.length === 1 ? key[0]! : key.join('\0'));

const isSameKey = (a: readonly string[], b: readonly string[]): boolean => a.every((text, i) => text === b[i]);

function isSameAnswer(a: Recipe, b: Recipe): boolean {
  return a.hash === b.hash && Buffer.compare(a.head.subarray(0, a.keyBytes), b.head.subarray(0, b.keyBytes)) === 0;
}

/** Keys of the rows that the change took away and put in place; null: the stream does not tell them. */
function keysOf(
  { relation, oldRow, newRow, kind }: RowChange,
  columns: readonly string[],
): (readonly string[])[] | null {
  const keys: (readonly string[])[] = [];
  if (newRow !== null) {
    const key = keyOf(relation, newRow, columns, false);
    if (key === null) return null;
    keys.push(key);
  }
  if (kind === 'insert') return keys;
  const old =
    oldRow !== null ? keyOf(relation, oldRow, columns, false) : newRow && keyOf(relation, newRow, columns, true);
  return old === null ? null : [...keys, old];
}

/** @param isUnsent the row is the new one, and the old one was not sent: they have the columns of the identity in common */
function keyOf(
  relation: StreamRelation,
  row: StreamRow,
  columns: readonly string[],
  isUnsent: boolean,
): readonly string[] | null {
  const values = columns.map((name) => {
    const i = relation.columns.findIndex((column) => column.name === name);
    return i < 0 || (isUnsent && !relation.columns[i]!.isKey) ? undefined : row[i];
  });
  return values.every((value) => typeof value === 'string') ? values : null;
}

/** What the answer shows after the change: null where no row has the key, undefined where that is not known. */
function valuesAfter({ relation, newRow }: RowChange, point: PointAnswer): Correction['values'] | undefined {
  const newKey = newRow === null ? null : keyOf(relation, newRow, point.keyColumns, false);
  if (newRow === null || newKey === null || !isSameKey(newKey, point.key)) return null;
  // A table with other columns than the catalog's is about to have another catalog.
  if (relation.columns.length !== point.streamedColumns) return undefined;
  const values = point.columns.map(({ name, type }) => {
    const i = relation.columns.findIndex((column) => column.name === name && column.typeOid === type);
    return newRow[i];
  });
  return values.every((value) => value !== undefined) ? values : undefined;
}
