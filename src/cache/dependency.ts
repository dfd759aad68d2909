/**
 * What an answer depends on: for each relation it read, the rows that satisfy a constraint, a superset of what the query could
 * see. A row change matters iff its old or its new row satisfies the constraint.
 */

/** `column IN values`, compared as the canonical text that the change stream carries for the column's type. */
export interface EqualityTerm {
  readonly column: string;
  /** Without duplicates, at least one. */
  readonly values: readonly string[];
}

export interface Dependency {
  readonly relation: number;
  /** Conjunction, columns distinct and sorted by name; empty means every row. */
  readonly terms: readonly EqualityTerm[];
}

/** Where a constant of a statement is: in the text, in a literal lifted out of the shape, or in a parameter of Bind. */
export type ValueSource =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'lifted'; readonly index: number }
  | { readonly kind: 'parameter'; readonly index: number };

/** Types whose text form decides equality, and how a constant of them is made canonical (analyse/canonical.ts). */
export type CanonicalType = 'int2' | 'int4' | 'int8' | 'oid' | 'bool' | 'uuid' | 'text' | 'varchar';

export interface TermTemplate {
  readonly column: string;
  readonly type: CanonicalType;
  readonly values: readonly ValueSource[];
}

/** A dependency before its constants are known. */
export interface DependencyTemplate {
  readonly relation: number;
  readonly terms: readonly TermTemplate[];
}
