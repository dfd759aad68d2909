/**
 * Lists that wait to be corrected. Each change of their table is tried on all of them, so they are few, and a transaction that changes very many
 * rows of a table takes none of its lists along.
 */
import { Limits } from '../shared/limits.ts';
import type { RowChange, SettlingTransaction } from './change.ts';
import { Correction, type CorrectionsOptions } from './correction.ts';
import type { ListedRows } from './listed-rows.ts';
import type { Recipe } from './recipe.ts';

interface Waiting {
  readonly correction: Correction;
  readonly rows: ListedRows;
}

export class CorrectedLists {
  readonly #options: CorrectionsOptions;
  readonly #waiting = new Map<number, Set<Waiting>>();
  /** Changes of the transaction that is being applied, by table. */
  readonly #changes = new Map<number, number>();
  size = 0;

  constructor(options: CorrectionsOptions) {
    this.#options = options;
  }

  changed(change: RowChange, transaction: SettlingTransaction): void {
    const { oid } = change.relation;
    this.#changes.set(oid, (this.#changes.get(oid) ?? 0) + 1);
    const lists = this.#waiting.get(oid);
    if (lists === undefined) return;
    if (this.isCrowded(oid)) {
      this.truncated(oid);
      return;
    }
    for (const waiting of lists) {
      const outcome = this.#options.isFaulty ? 'same' : waiting.rows.apply(change);
      if (outcome === 'unknown') this.#drop(oid, waiting);
      // What does not concern it does not keep it waiting.
      else if (outcome === 'changed' && waiting.correction.touched(transaction))
        this.#options.onOpen(waiting.correction);
    }
  }

  /** No list of the table is worth the work. */
  isCrowded(relation: number): boolean {
    return this.size >= Limits.listCorrectionsMax || (this.#changes.get(relation) ?? 0) > Limits.listChangesMax;
  }

  /** @param rows before the change. @returns whether the answer waits here now */
  take(recipe: Recipe, rows: ListedRows, change: RowChange, transaction: SettlingTransaction): boolean {
    if (rows.apply(change) === 'unknown') return false;
    const { oid } = change.relation;
    let lists = this.#waiting.get(oid);
    if (lists === undefined) this.#waiting.set(oid, (lists = new Set()));
    for (const other of lists) if (other.correction.isOfSameAnswer(recipe)) this.#drop(oid, other);
    const correction = new Correction(recipe, transaction, () => rows.encode());
    this.#waiting.set(oid, lists.add({ correction, rows }));
    this.size++;
    this.#options.onOpen(correction);
    return true;
  }

  truncated(relation: number): void {
    this.size -= this.#waiting.get(relation)?.size ?? 0;
    this.#waiting.delete(relation);
  }

  /** The transaction has been applied to its end. */
  committed(): void {
    this.#changes.clear();
  }

  /** They wait no longer. */
  takeDue(settleStamp: number): Correction[] {
    const due: Correction[] = [];
    for (const [oid, lists] of this.#waiting) {
      for (const waiting of lists) {
        const { correction } = waiting;
        if (!correction.isDue(settleStamp)) continue;
        due.push(correction);
        this.#drop(oid, waiting);
      }
    }
    return due;
  }

  clear(): void {
    this.#waiting.clear();
    this.#changes.clear();
    this.size = 0;
  }

  #drop(relation: number, waiting: Waiting): void {
    const lists = this.#waiting.get(relation)!;
    if (lists.delete(waiting)) this.size--;
    if (lists.size === 0) this.#waiting.delete(relation);
  }
}
