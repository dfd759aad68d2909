/**
 * What an answer depends on: for each relation it read, the rows that satisfy a constraint, a superset of what the query could
 * see. A row change matters iff its old or its new row satisfies the constraint.
 */
import type { CanonicalType } from '../shared/canonical.ts';
import type { ValueSource } from '../shared/constants.ts';

export type { CanonicalType, ValueSource };

/** `column IN values`, compared as the canonical text that the change stream carries for the column's type. */
export interface EqualityTerm {
  readonly column: string;
  /** Without duplicates, at least one. */
  readonly values: readonly string[];
}

/** `low <= column <= high`, of an integer type. */
export interface RangeTerm {
  readonly column: string;
  /** Not above `high`; the smallest and the largest int8 stand for no bound. */
  readonly low: bigint;
  readonly high: bigint;
}

export interface Dependency {
  readonly relation: number;
  /** Conjunction, columns distinct and sorted by name; empty means every row, unless there is a range. */
  readonly terms: readonly EqualityTerm[];
  /** Holds as well. */
  readonly range?: RangeTerm;
}

/** A constant, or each element of the array that a parameter is (0-based number). */
export type TermSource = ValueSource | { readonly kind: 'elements'; readonly index: number };

export interface TermTemplate {
  readonly column: string;
  readonly type: CanonicalType;
  readonly values: readonly TermSource[];
}

export interface BoundTemplate {
  readonly source: ValueSource;
  readonly inclusive: boolean;
}

export interface RangeTemplate {
  readonly column: string;
  readonly type: CanonicalType;
  /** Null is no bound; not both. */
  readonly low: BoundTemplate | null;
  readonly high: BoundTemplate | null;
}

/** A dependency before its constants are known. */
export interface DependencyTemplate {
  readonly relation: number;
  readonly terms: readonly TermTemplate[];
  readonly range?: RangeTemplate;
}
