/** Signatures of the dependency index (dependency-index.ts): which columns entries of one kind compare, and in which way. */
import type { EqualityTerm, KnownKeys } from './dependency.ts';
import type { RangeIndex } from './range-index.ts';
import type { RankedType } from './rank.ts';

export interface Signature {
  readonly id: number;
  readonly relation: number;
  readonly columns: readonly string[];
  /** Columns of the replica identity among `columns`, where these are some but not all, or all of them where keys are known. */
  readonly projected: readonly string[];
  /** Keys of entries are filed under `projectionId`, rather than values that they compare. */
  readonly keyed: boolean;
  readonly projectionId: number;
  /** The only column is compared with intervals; null: columns are compared with values. */
  readonly ranges: RangeIndex | null;
  /** How the column's values are ranked for `ranges`. */
  readonly rankedAs: RankedType;
  /** What the statements of its entries use of a row; null: anything. */
  readonly uses: readonly string[] | null;
  members: number;
}

/** What a signature is of. */
export interface SignatureShape {
  readonly columns: readonly string[];
  readonly rankedAs: RankedType | null;
  /** Columns of the keys that its entries know; null: they know none. */
  readonly keyColumns: readonly string[] | null;
  readonly uses: readonly string[] | null;
}

export const everyRow: SignatureShape = { columns: [], rankedAs: null, keyColumns: null, uses: null };

export function signatureKey({ columns, rankedAs, keyColumns, uses }: SignatureShape): string {
  return JSON.stringify([columns, rankedAs !== null, keyColumns, uses]);
}

/** Keys help where other columns are compared: a row that knows its key knows these as well. Too many are not worth their places. */
export function usefulKeys(
  known: KnownKeys | undefined,
  columns: readonly string[],
  tuplesMax: number,
): KnownKeys | null {
  if (known === undefined || columns.length === 0 || known.keys.length > tuplesMax) return null;
  return columns.every((column) => known.columns.includes(column)) ? null : known;
}

function tupleCount(terms: readonly EqualityTerm[]): number {
  return terms.reduce((product, term) => product * term.values.length, 1);
}

/** Drops the longest lists until the product of all is within the bound: a weaker constraint, so a superset of rows. */
export function boundedTerms(terms: readonly EqualityTerm[], tuplesMax: number): readonly EqualityTerm[] {
  let kept = terms;
  while (tupleCount(kept) > tuplesMax) {
    const longest = Math.max(...kept.map((term) => term.values.length));
    const at = kept.findIndex((term) => term.values.length === longest);
    kept = kept.filter((_, i) => i !== at);
  }
  return kept;
}
