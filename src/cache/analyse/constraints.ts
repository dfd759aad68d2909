/**
 * Constraints on the rows that a table contributes, from comparisons of columns with constants in WHERE and ON.
 *
 * **Why they are sound.** An equality or order with a constant is not true for rows with other values and for the NULLs of an outer
 * join. So a WHERE drops whatever such a row took part in, and also what would stand in its place if it did not exist (a
 * null-extended row): the row cannot be seen, whatever joins are below, and whatever is above only sees what the WHERE
 * let through. The same holds for the ON of an inner join, and for the ON of an outer join on its nullable side, where
 * rows that fail are not joined; it does not hold on the preserved side, whose rows appear all the same.
 *
 * AND, OR and NOT: a condition is true only if one of its alternatives is, and that only if each of its comparisons is; what these
 * say about one table, and nothing about the others, is that table's alternative. One that says nothing is every row.
 *
 * A name merged by USING means every column that was merged: rows that were joined have equal values, and the merged value of
 * a row that was joined to none is its own.
 */
import type { A_Expr, Node } from 'libpg-query';
import { canonicalTypeOf, type Family } from '../../shared/canonical.ts';
import type { BoundTemplate, TermSource } from '../dependency.ts';
import { type Alternatives, both, either, oneRange, oneTerm, valuesPerTermMax } from './alternatives.ts';
import { isNullElement } from './arrays.ts';
import { type Constant, constantOf, fitsFamily, type LiftedAt } from './constant.ts';
import { constantListOf, fitsElements } from './constant-list.ts';
import type { ExpressionWalk } from './expressions.ts';
import { nameParts } from './names.ts';
import { type FromItem, resolveColumn, type Scope, type SourceColumn, type TableReference } from './scope.ts';

export interface ConstrainedColumn {
  readonly table: TableReference;
  readonly name: string;
  readonly type: NonNullable<ReturnType<typeof canonicalTypeOf>>;
}

/** Two columns of one family. */
export type ColumnEquality = readonly [ConstrainedColumn, ConstrainedColumn];

/** What a condition says of each table; of those that are missing nothing. */
export type Finding = ReadonlyMap<TableReference, Alternatives>;

const nothing: Finding = new Map();

/** The operator with its operands exchanged. */
const mirrored: ReadonlyMap<string, string> = new Map([
  ['<', '>'],
  ['<=', '>='],
  ['>', '<'],
  ['>=', '<='],
]);

/** What a condition says about the tables of `scope.items`, and the columns that it makes equal. */
export function findConstraints(
  condition: Node | undefined,
  scope: Scope,
  walk: ExpressionWalk,
  liftedAt: LiftedAt,
): { readonly finding: Finding; readonly equalities: readonly ColumnEquality[] } {
  const search = new Search(scope, walk, liftedAt);
  const finding = search.find(condition, false, true);
  return { finding, equalities: search.equalities };
}

/** A column of a type that can be compared as text, or null. */
export function comparable({ column }: SourceColumn, { table }: FromItem): ConstrainedColumn | null {
  if (column === null || table === null) return null;
  const type = canonicalTypeOf(column.type);
  // Generated columns may be missing in the stream; unequal bytes may be equal under a non-deterministic collation.
  if (type === undefined || column.generated || (type.family === 'string' && !column.deterministic)) return null;
  return { table, name: column.name, type };
}

class Search {
  readonly equalities: ColumnEquality[] = [];
  readonly #scope: Scope;
  readonly #walk: ExpressionWalk;
  readonly #liftedAt: LiftedAt;

  constructor(scope: Scope, walk: ExpressionWalk, liftedAt: LiftedAt) {
    this.#scope = scope;
    this.#walk = walk;
    this.#liftedAt = liftedAt;
  }

  /**
   * What holds where the condition is true or, `negated`, where it is false.
   * @param always nothing but AND is above, so that the condition holds for all that is seen
   */
  find(node: Node | undefined, negated: boolean, always: boolean): Finding {
    if (node === undefined) return nothing;
    if ('BoolExpr' in node) {
      const { boolop, args } = node.BoolExpr;
      if (boolop === 'NOT_EXPR') return this.find(args?.[0], !negated, false);
      // De Morgan's laws hold in three-valued logic.
      const isAnd = (boolop === 'AND_EXPR') !== negated;
      if (!isAnd && (args?.length ?? 0) > valuesPerTermMax) return nothing;
      const findings = (args ?? []).map((arg) => this.find(arg, negated, always && isAnd));
      return findings.length === 0 ? nothing : findings.reduce(isAnd ? conjunctionOf : disjunctionOf);
    }
    if ('ColumnRef' in node) return this.#boolean(node, negated ? 'f' : 't');
    if ('BooleanTest' in node && !negated) {
      const { booltesttype, arg } = node.BooleanTest;
      if (booltesttype === 'IS_TRUE') return this.find(arg, false, always);
      if (booltesttype === 'IS_FALSE') return this.find(arg, true, false);
    }
    return 'A_Expr' in node && !negated ? this.#operation(node.A_Expr, always) : nothing;
  }

  #boolean(node: Node | undefined, text: 't' | 'f'): Finding {
    const columns = this.#columns(node);
    if (columns[0]?.type.family !== 'boolean') return nothing;
    return this.#equal(columns, [{ source: { kind: 'literal', text }, form: 'boolean', cast: null, parameter: 0 }]);
  }

  #operation({ kind, name, lexpr, rexpr }: A_Expr, always: boolean): Finding {
    const operator = nameParts(name);
    if (kind === 'AEXPR_BETWEEN') return this.#between(lexpr, rexpr);
    if (kind === 'AEXPR_OP' && operator.length === 1 && mirrored.has(operator[0]!)) {
      return this.#order(operator[0]!, lexpr, rexpr);
    }
    if (operator.at(-1) !== '=' || (operator.length > 1 && operator[0] !== 'pg_catalog')) return nothing;
    const left = this.#columns(lexpr);
    if (kind === 'AEXPR_OP') {
      const right = this.#columns(rexpr);
      if (left.length > 0 && right.length > 0) {
        // A merged column is not always the same one of those that were merged.
        if (always && left.length === 1 && right.length === 1) this.#equalColumns(left[0]!, right[0]!);
        return nothing;
      }
      const constant = constantOf(left.length === 0 ? lexpr : rexpr, this.#walk.names, this.#liftedAt);
      return constant === null ? nothing : this.#equal(left.length === 0 ? right : left, [constant]);
    }
    if (left.length === 0) return nothing;
    const list = constantListOf(kind, rexpr, this.#walk.names, this.#liftedAt);
    if (list === null) return nothing;
    return list.kind === 'constants' ? this.#equal(left, list.constants) : this.#equalElement(left, list);
  }

  #equalColumns(a: ConstrainedColumn, b: ConstrainedColumn): void {
    if (a.type.family === b.type.family) this.equalities.push([a, b]);
  }

  #order(operator: string, lexpr: Node | undefined, rexpr: Node | undefined): Finding {
    const left = this.#columns(lexpr);
    // `5 < column` is `column > 5`.
    const [columns, node, sign] =
      left.length > 0 ? [left, rexpr, operator] : [this.#columns(rexpr), lexpr, mirrored.get(operator)!];
    const bound = this.#bound(columns, node, sign.endsWith('='));
    return sign.startsWith('>') ? rangeOf(columns, bound, null) : rangeOf(columns, null, bound);
  }

  #between(lexpr: Node | undefined, rexpr: Node | undefined): Finding {
    const columns = this.#columns(lexpr);
    const [low, high] = rexpr !== undefined && 'List' in rexpr ? (rexpr.List.items ?? []) : [];
    return rangeOf(columns, this.#bound(columns, low, true), this.#bound(columns, high, true));
  }

  /** Null where it is not a constant of the columns' type, or the type's order is not that of its text read as an integer. */
  #bound(columns: readonly ConstrainedColumn[], node: Node | undefined, inclusive: boolean): BoundTemplate | null {
    if (columns[0]?.type.family !== 'integer') return null;
    const constant = constantOf(node, this.#walk.names, this.#liftedAt);
    const { reads } = this.#walk;
    if (constant === null || !fitsFamily('integer', constant, reads.declaredType(constant.parameter))) return null;
    if (constant.parameter > 0) reads.useInComparison(constant.parameter, 'integer');
    return { source: constant.source, inclusive };
  }

  #equal(columns: readonly ConstrainedColumn[], constants: readonly Constant[]): Finding {
    const family = columns[0]?.type.family;
    if (family === undefined) return nothing;
    const { reads } = this.#walk;
    if (!constants.every((each) => fitsFamily(family, each, reads.declaredType(each.parameter)))) return nothing;
    for (const { parameter } of constants) if (parameter > 0) reads.useInComparison(parameter, family);
    const values = constants.filter((constant) => !isNullOf(constant, family)).map(({ source }) => source);
    return findingOf(columns, values);
  }

  #equalElement(
    columns: readonly ConstrainedColumn[],
    { parameter, cast }: { readonly parameter: number; readonly cast: Family | null },
  ): Finding {
    const { family } = columns[0]!.type;
    const { reads } = this.#walk;
    if (!fitsElements(family, cast, reads.declaredType(parameter))) return nothing;
    reads.useInComparison(parameter, `${family}[]`);
    return findingOf(columns, [{ kind: 'elements', index: parameter - 1 }]);
  }

  /** The columns of tables of this level that a name means, several only when merged by USING; none when in doubt. */
  #columns(node: Node | undefined): readonly ConstrainedColumn[] {
    if (node === undefined || !('ColumnRef' in node)) return [];
    const fields = nameParts(node.ColumnRef.fields);
    if (fields.length === 0) return [];
    const { columns } = resolveColumn(this.#scope, fields, this.#walk.names.catalog.database);
    // A name that was found in an outer query constrains nothing here.
    if (!columns.every(({ item }) => this.#scope.items.includes(item))) return [];
    const found = columns.map(({ item, column }) => comparable(column, item)).filter((column) => column !== null);
    const isOne = found.length === columns.length && found.every(({ type }) => type.family === found[0]!.type.family);
    return isOne ? found : [];
  }
}

function rangeOf(
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

function findingOf(columns: readonly ConstrainedColumn[], values: readonly TermSource[]): Finding {
  return columns
    .map(
      ({ table, name, type }): Finding => new Map([[table, oneTerm({ column: name, type: type.canonical, values })]]),
    )
    .reduce(conjunctionOf);
}

/** NULL in a text that is read as an array; no other text says that in these types. */
function isNullOf({ form, source }: Constant, family: Family): boolean {
  return form === 'string' && family !== 'string' && source.kind === 'literal' && isNullElement(source.text);
}

function conjunctionOf(a: Finding, b: Finding): Finding {
  if (a.size === 0) return b;
  const result = new Map(a);
  for (const [table, alternatives] of b) {
    const other = result.get(table);
    result.set(table, other === undefined ? alternatives : both(other, alternatives));
  }
  return result;
}

function disjunctionOf(a: Finding, b: Finding): Finding {
  const result = new Map<TableReference, Alternatives>();
  for (const [table, alternatives] of b) {
    const other = a.get(table);
    if (other !== undefined) result.set(table, either(other, alternatives));
  }
  return result;
}
