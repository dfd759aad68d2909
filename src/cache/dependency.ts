/**
 * What an answer depends on: for each relation it read, the rows that satisfy a constraint, a superset of what the query could
 * see. A row change matters iff its old or its new row satisfies the constraint.
 */
import type { CanonicalType } from '../shared/canonical.ts';
import type { ValueSource } from '../shared/constants.ts';
import type { RankedType } from './rank.ts';

export type { CanonicalType, ValueSource };

/** `column IN values`, compared as the canonical text that the change stream carries for the column's type. */
export interface EqualityTerm {
  readonly column: string;
  /** Without duplicates, at least one. Null is NULL, which such a constraint asks for by name (IS NULL). */
  readonly values: readonly (string | null)[];
}

/** The column is not NULL, and the rank of its value (rank.ts) lies between two others, ends included. */
export interface RangeTerm {
  readonly column: string;
  readonly type: RankedType;
  /** Not above `high`; the smallest and the largest rank stand for no bound. */
  readonly low: bigint;
  readonly high: bigint;
}

/** The keys of all rows that satisfy a constraint, where the answer shows them (C22). */
export interface KnownKeys {
  /** Of the replica identity, in its order. */
  readonly columns: readonly string[];
  /** Texts as the change stream has them, in the order of `columns`; each key once. */
  readonly keys: readonly (readonly string[])[];
}

export interface Dependency {
  readonly relation: number;
  /** Conjunction, columns distinct and sorted by name; empty means every row, unless there is a range. */
  readonly terms: readonly EqualityTerm[];
  /** Holds as well. */
  readonly range?: RangeTerm;
  readonly known?: KnownKeys;
  /** The columns that the statement names or shows, sorted; missing: any. */
  readonly uses?: readonly string[];
}

/** A constant, each element of the array that a parameter is (0-based number), or NULL, which `IS NULL` asks for. */
export type TermSource =
  | ValueSource
  | { readonly kind: 'elements'; readonly index: number }
  | { readonly kind: 'null' };

export interface TermTemplate {
  readonly column: string;
  readonly type: CanonicalType;
  readonly values: readonly TermSource[];
}

export interface BoundTemplate {
  readonly source: ValueSource;
  readonly inclusive: boolean;
  /** The constant is a pattern of LIKE: the bound is that of the texts that begin as it does. */
  readonly isPattern?: true;
}

export interface RangeTemplate {
  readonly column: string;
  readonly type: RankedType;
  /** Null is no bound; both: all but NULL. */
  readonly low: BoundTemplate | null;
  readonly high: BoundTemplate | null;
}

/** A dependency before its constants are known. */
export interface DependencyTemplate {
  readonly relation: number;
  readonly terms: readonly TermTemplate[];
  readonly range?: RangeTemplate;
  readonly uses?: readonly string[];
}
