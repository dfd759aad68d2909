/**
 * Correction in place (C21): an answer that shows rows of one table as they are, by a condition that each row decides alone, is made anew from the rows
 * that the change stream tells, so that no miss follows a write.
 *
 *   matched ─▶ taken out of the store, kept here ─▶ its transaction applied to its end ─▶ settled, and a round complete ─▶ offered again
 *                      │   ▲                                                                                                │
 *                      └───┘ further changes of its rows                      refused like any late fill ◀──────────────────┘
 *
 * It is never in the store before every new snapshot of the origin shows it: until then readers ask the origin. The offer carries the stamp
 * with which the last of its transactions settled, so that the admitter judges it as an answer of that snapshot; and it is made when a round has
 * completed, which says that the catalog (columns, privileges, policies) was still the same in a snapshot that shows the transactions: so it counts
 * from that round on, unlike an answer of the origin, which the next round has to confirm.
 *
 * An answer of one row by its whole key (corrected-points.ts) is what its last change says, whatever it was before. Of a list (corrected-lists.ts) the other
 * rows stay, so it must have shown just what the stream had told: an answer that no round has confirmed may show a transaction whose changes are still
 * to come, and with the changes of an earlier one it would be the answer of no snapshot.
 *
 * What is not certain is left to the next miss: a value that is not told, a type whose bytes are not known here, a key that is not told.
 */
import { Limits } from '../shared/limits.ts';
import type { FillToken, Offer } from '../shared/messages.ts';
import type { KeptEntry } from './admitter.ts';
import type { RowChange, SettlingTransaction } from './change.ts';
import { CorrectedLists } from './corrected-lists.ts';
import { CorrectedPoints } from './corrected-points.ts';
import type { Correction } from './correction.ts';
import { ListedRows } from './listed-rows.ts';
import { Recipes, type RecipesOptions } from './recipe.ts';

export interface InPlaceOptions extends RecipesOptions {
  readonly tokenOf: (settleStamp: number) => FillToken;
  readonly isStored: (hash: number, key: Uint8Array) => boolean;
  /** A round that began after the entry's answer was given has completed: the stream has told all that the answer shows. */
  readonly isConfirmed: (block: number) => boolean;
  /** Test-only: 'place' keeps a correction as the first of several changes made it. */
  readonly faults: readonly string[];
  /** Puts it into the store unless something is against it: its block, or 0. */
  readonly admit: (offer: Offer, kept: KeptEntry | null) => number;
}

export class InPlace {
  readonly #options: InPlaceOptions;
  readonly #recipes: Recipes;
  readonly #points: CorrectedPoints;
  readonly #lists: CorrectedLists;
  /** Those whose transaction goes on. */
  #open: Correction[] = [];
  #corrected = 0;

  constructor(options: InPlaceOptions) {
    this.#options = options;
    this.#recipes = new Recipes(options);
    const onOpen = (correction: Correction) => void this.#open.push(correction);
    const isFaulty = options.faults.includes('place');
    this.#points = new CorrectedPoints({ onOpen, isFaulty });
    this.#lists = new CorrectedLists({ onOpen, isFaulty });
  }

  /** Answers that went back into the store corrected. */
  get corrected(): number {
    return this.#corrected;
  }

  /** Corrections that wait. */
  get waiting(): number {
    return this.#points.size + this.#lists.size;
  }

  /** A row changed: what waits for its keys is made anew. To be called with every change, before the entries that it matches leave. */
  changed(change: RowChange, transaction: SettlingTransaction): void {
    this.#points.changed(change, transaction);
    this.#lists.changed(change, transaction);
  }

  /** An entry is about to leave because of the change. Its block can still be read. @returns whether it waits here now */
  leaving(block: number, change: RowChange, transaction: SettlingTransaction): boolean {
    if (this.waiting >= Limits.correctionsMax) return false;
    const recipe = this.#recipes.of(block);
    if (recipe === null || recipe.answer.relation !== change.relation.oid) return false;
    const { answer } = recipe;
    if (answer.kind === 'point') return this.#points.take(recipe, answer, change, transaction);
    if (this.#lists.isCrowded(answer.relation) || !this.#options.isConfirmed(block)) return false;
    const rows = ListedRows.of(answer, this.#recipes.framesOf(block), Limits.listedRowsMax);
    return rows !== null && this.#lists.take(recipe, rows, change, transaction);
  }

  /** The block has left the store. */
  left(block: number): void {
    this.#recipes.forget(block);
  }

  /** Nothing is known of the table's rows any more. */
  truncated(relation: number): void {
    this.#points.truncated(relation);
    this.#lists.truncated(relation);
  }

  /** All changes of the transaction that is being applied have been told. */
  committed(): void {
    for (const correction of this.#open) correction.isOpen = false;
    this.#open = [];
    this.#lists.committed();
  }

  /** Round `round` has completed: what had settled by its snapshot, with `settleStamp` or before, goes back into the store. */
  publish(round: number, settleStamp: number): void {
    if (this.waiting === 0) return;
    for (const correction of this.#points.takeDue(settleStamp)) this.#offer(correction, round);
    for (const correction of this.#lists.takeDue(settleStamp)) this.#offer(correction, round);
  }

  /** The catalog or the stream is another one. */
  clear(): void {
    this.#points.clear();
    this.#lists.clear();
    this.#recipes.clear();
    this.#open = [];
  }

  #offer({ recipe, settledStamp, encode }: Correction, round: number): void {
    const { kept, hash, contextId, shape, pin, head, keyBytes } = recipe;
    const { isStored, tokenOf, admit } = this.#options;
    const frames = encode();
    // Whoever missed meanwhile was answered by the origin, and that answer shows the change too.
    if (frames === null || isStored(hash, head.subarray(0, keyBytes))) return;
    const bytes = new Uint8Array(head.length + frames.length);
    bytes.set(head, 0);
    bytes.set(frames, head.length);
    const rowDescriptionBytes = head.length - keyBytes;
    const entry = { shape, pin, contextId, hash, keyBytes, rowDescriptionBytes, filledRound: round, bytes };
    const block = admit({ verdictId: 0, isRefresh: false, costMs: 0, token: tokenOf(settledStamp), ...entry }, kept);
    if (block === 0) return;
    this.#corrected++;
    this.#recipes.keep(block, recipe);
  }
}
