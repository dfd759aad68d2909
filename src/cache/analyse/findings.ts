/** What a condition says about the tables of a query level, and how that is put together under AND and OR. */
import { canonicalTypeOf } from '../../shared/canonical.ts';
import type { BoundTemplate, TermSource } from '../dependency.ts';
import { type Alternatives, both, either, oneRange, oneTerm } from './alternatives.ts';
import type { TableColumn, TableReference } from './scope.ts';

export interface ConstrainedColumn {
  readonly table: TableReference;
  readonly name: string;
  readonly type: NonNullable<ReturnType<typeof canonicalTypeOf>>;
  /** Order is that of the ranks of its values. */
  readonly ordered: boolean;
}

/** What a condition says of each table; of those that are missing nothing. */
export type Finding = ReadonlyMap<TableReference, Alternatives>;

export const nothing: Finding = new Map();

export function isNotNull({ table, column: { name, type } }: TableColumn): Finding {
  const ranked = canonicalTypeOf(type)?.canonical ?? 'none';
  return new Map([[table, oneRange({ column: name, type: ranked, low: null, high: null })]]);
}

export function rangeOf(
  columns: readonly ConstrainedColumn[],
  low: BoundTemplate | null,
  high: BoundTemplate | null,
): Finding {
  if (low === null && high === null) return nothing;
  return columns
    .map(
      ({ table, name, type }): Finding =>
        new Map([[table, oneRange({ column: name, type: type.canonical, low, high })]]),
    )
    .reduce(conjunctionOf);
}

export function findingOf(columns: readonly ConstrainedColumn[], values: readonly TermSource[]): Finding {
  return columns
    .map(
      ({ table, name, type }): Finding => new Map([[table, oneTerm({ column: name, type: type.canonical, values })]]),
    )
    .reduce(conjunctionOf);
}

export function conjunctionOf(a: Finding, b: Finding): Finding {
  if (a.size === 0) return b;
  const result = new Map(a);
  for (const [table, alternatives] of b) {
    const other = result.get(table);
    result.set(table, other === undefined ? alternatives : both(other, alternatives));
  }
  return result;
}

export function disjunctionOf(a: Finding, b: Finding): Finding {
  const result = new Map<TableReference, Alternatives>();
  for (const [table, alternatives] of b) {
    const other = a.get(table);
    if (other !== undefined) result.set(table, either(other, alternatives));
  }
  return result;
}
