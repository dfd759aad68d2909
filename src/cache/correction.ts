/** An answer that was taken out of the store and is being made anew (in-place.ts). */
import type { SettlingTransaction } from './change.ts';
import type { Recipe } from './recipe.ts';

/** What corrections of either kind are told by who keeps them. */
export interface CorrectionsOptions {
  /** A correction is one whose transaction goes on. */
  readonly onOpen: (correction: Correction) => void;
  /** Test-only: keeps a correction as the first of several changes made it. */
  readonly isFaulty: boolean;
}

export class Correction {
  readonly recipe: Recipe;
  /** Those that changed it and had not settled when the next one did. */
  #transactions: readonly SettlingTransaction[];
  #settledBefore = 0;
  /** Further changes of the last one may come. */
  isOpen = true;
  /** The frames behind the RowDescription; null: a value cannot be encoded. */
  readonly encode: () => Buffer | null;

  constructor(recipe: Recipe, transaction: SettlingTransaction, encode: () => Buffer | null) {
    this.recipe = recipe;
    this.#transactions = [transaction];
    this.encode = encode;
  }

  /** It was changed again. @returns whether it was closed before */
  touched(transaction: SettlingTransaction): boolean {
    const wasOpen = this.isOpen;
    this.isOpen = true;
    if (this.#transactions.at(-1) === transaction) return !wasOpen;
    const settled = this.#transactions.filter(({ settledStamp }) => settledStamp < Number.POSITIVE_INFINITY);
    for (const { settledStamp } of settled) this.#settledBefore = Math.max(this.#settledBefore, settledStamp);
    this.#transactions = [...this.#transactions.filter((each) => !settled.includes(each)), transaction];
    return !wasOpen;
  }

  /** The stamp with which the last of its transactions settled; infinite while one has not. */
  get settledStamp(): number {
    let stamp = this.#settledBefore;
    for (const { settledStamp } of this.#transactions) if (settledStamp > stamp) stamp = settledStamp;
    return stamp;
  }

  /** Told to its end, and in every snapshot that shows what settled with the stamp. */
  isDue(settleStamp: number): boolean {
    return !this.isOpen && this.settledStamp <= settleStamp;
  }

  isOfSameAnswer({ hash, head, keyBytes }: Recipe): boolean {
    const own = this.recipe;
    if (own.hash !== hash) return false;
    return Buffer.compare(own.head.subarray(0, own.keyBytes), head.subarray(0, keyBytes)) === 0;
  }
}
