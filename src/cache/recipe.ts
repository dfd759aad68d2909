/**
 * What must be known of an answer to make it anew from the rows that changed (in-place.ts). It follows from the entry's key and the catalog, so whoever has been corrected
 * once need not be looked into again when the same row changes next: the recipe stays with the block until that leaves the store.
 */
import { Limits } from '../shared/limits.ts';
import type { StoreReader } from '../shared/memory/index-reader.ts';
import { Block } from '../shared/memory/layout.ts';
import { shapeOfAdmission } from '../shared/memory/shape-hits.ts';
import type { KeptEntry } from './admitter.ts';
import { type AnswerFrames, rowsOfAnswer } from './answer-rows.ts';
import { type ParsedKey, parseKey } from './key-reader.ts';
import type { ListAnswer } from './list-answer.ts';
import type { ValueEncoder } from './row-encoder.ts';

/** An answer that shows columns of the row with this primary key, and nothing else. */
export interface PointAnswer {
  readonly kind: 'point';
  readonly relation: number;
  readonly keyColumns: readonly string[];
  /** Texts as the stream has them. */
  readonly key: readonly string[];
  readonly columns: readonly { readonly name: string; readonly type: number }[];
  /** Columns of the table that the stream carries. */
  readonly streamedColumns: number;
  readonly encoders: readonly ValueEncoder[];
}

/** An answer that can be made anew, and what it depends on; null where that follows from the rows it shows, too. */
export interface Corrigible {
  readonly answer: PointAnswer | ListAnswer;
  readonly depends: Omit<KeptEntry, 'fenceSlots'> | null;
}

export interface Recipe {
  readonly answer: PointAnswer | ListAnswer;
  readonly kept: KeptEntry | null;
  readonly hash: number;
  readonly contextId: number;
  readonly shape: number;
  readonly pin: boolean;
  /** Key and RowDescription. */
  readonly head: Uint8Array;
  readonly keyBytes: number;
}

export type RecipeReader = Pick<
  StoreReader,
  | 'isPinned'
  | 'word'
  | 'bytesOf'
  | 'keyOffset'
  | 'framesOffset'
  | 'framesBytes'
  | 'rowDescriptionBytes'
  | 'fenceSlots'
  | 'fenceSlot'
>;

export interface RecipesOptions {
  readonly reader: RecipeReader;
  /** Null when the key's answer is no such answer. */
  readonly corrigibleOf: (key: ParsedKey, frames: AnswerFrames) => Corrigible | null;
}

export class Recipes {
  readonly #options: RecipesOptions;
  /** Of entries that were corrected. */
  readonly #known = new Map<number, Recipe>();

  constructor(options: RecipesOptions) {
    this.#options = options;
  }

  /** The recipe of an entry whose block can still be read; null when there is none. */
  of(block: number): Recipe | null {
    return this.#known.get(block) ?? this.#read(block);
  }

  /** The answer in a block that can still be read. */
  framesOf(block: number): AnswerFrames {
    const { reader } = this.#options;
    const at = reader.framesOffset(block);
    const frames = reader.bytesOf(block).subarray(at, at + reader.framesBytes(block));
    return { frames, rowDescriptionBytes: reader.rowDescriptionBytes(block) };
  }

  /** The entry of this block was made by the recipe. */
  keep(block: number, recipe: Recipe): void {
    if (this.#known.size < Limits.correctionsMax) this.#known.set(block, recipe);
  }

  /** The block has left the store. */
  forget(block: number): void {
    this.#known.delete(block);
  }

  clear(): void {
    this.#known.clear();
  }

  #read(block: number): Recipe | null {
    const { reader, corrigibleOf } = this.#options;
    const bytes = reader.bytesOf(block);
    const keyBytes = reader.word(block, Block.KEY_BYTES);
    const { frames, rowDescriptionBytes } = this.framesOf(block);
    if (keyBytes + frames.length > Limits.correctionBytesMax) return null;
    const key = bytes.subarray(reader.keyOffset(block), reader.keyOffset(block) + keyBytes);
    const parsed = parseKey(key);
    if (parsed === null || parsed.form === 'description') return null;
    const corrigible = corrigibleOf(parsed, { frames, rowDescriptionBytes });
    const rowsMax = corrigible?.answer.kind === 'point' ? 1 : Limits.listedRowsMax;
    if (corrigible === null || rowsOfAnswer({ frames, rowDescriptionBytes }, rowsMax) === null) return null;
    const { answer, depends } = corrigible;
    const head = new Uint8Array(keyBytes + rowDescriptionBytes);
    head.set(key, 0);
    head.set(frames.subarray(0, rowDescriptionBytes), keyBytes);
    const shape = shapeOfAdmission(reader.word(block, Block.ADMISSION));
    const kept = depends === null ? null : { ...depends, fenceSlots: fenceSlotsOf(reader, block) };
    const { contextId } = parsed;
    const pin = reader.isPinned(block);
    return { answer, kept, hash: reader.word(block, Block.HASH), contextId, shape, pin, head, keyBytes };
  }
}

function fenceSlotsOf(reader: RecipeReader, block: number): readonly number[] {
  return Array.from({ length: reader.fenceSlots(block) }, (_, i) => reader.fenceSlot(block, i));
}
