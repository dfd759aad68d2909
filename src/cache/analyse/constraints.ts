/**
 * Constraints on the rows that a table contributes, from comparisons of columns with constants in WHERE and ON.
 *
 * **Why they are sound.** An equality or order with a constant is not true for rows with other values and for the NULLs of an outer
 * join. So a WHERE drops whatever such a row took part in, and also what would stand in its place if it did not exist (a
 * null-extended row): the row cannot be seen, whatever joins are below, and whatever is above only sees what the WHERE
 * let through. The same holds for the ON of an inner join, and for the ON of an outer join on its nullable side, where
 * rows that fail are not joined; it does not hold on the preserved side, whose rows appear all the same.
 *
 * IS NULL, and whatever else is true for NULL, says something only of tables that no join below has put NULLs in the place of.
 *
 * AND, OR and NOT: a condition is true only if one of its alternatives is, and that only if each of its comparisons is; what these
 * say about one table, and nothing about the others, is that table's alternative. One that says nothing is every row.
 *
 * A name merged by USING means every column that was merged: rows that were joined have equal values, and the merged value of
 * a row that was joined to none is its own.
 */
import type { A_Expr, BooleanTest, Node, NullTest, SubLink } from 'libpg-query';
import { canonicalTypeOf, type Family } from '../../shared/canonical.ts';
import type { ValueSource } from '../../shared/constants.ts';
import type { BoundTemplate } from '../dependency.ts';
import { oneTerm, valuesPerTermMax } from './alternatives.ts';
import { isNullElement } from './arrays.ts';
import { type Constant, constantOf, fitsFamily, type LiftedAt } from './constant.ts';
import { constantListOf, fitsElements } from './constant-list.ts';
import type { ExpressionWalk } from './expressions.ts';
import {
  type ConstrainedColumn,
  conjunctionOf,
  disjunctionOf,
  type Finding,
  findingOf,
  isNotNull,
  nothing,
  rangeOf,
} from './findings.ts';
import type { Correlation, Equalities } from './level.ts';
import { nameParts } from './names.ts';
import {
  type FromItem,
  resolveColumn,
  type Scope,
  type SourceColumn,
  type TableColumn,
  type TableReference,
  tableColumnOf,
  UNKNOWN_TYPE,
} from './scope.ts';

/** Two columns of one family. */
export type ColumnEquality = readonly [ConstrainedColumn, ConstrainedColumn];

/** The operator with its operands exchanged. */
const mirrored: ReadonlyMap<string, string> = new Map([
  ['<', '>'],
  ['<=', '>='],
  ['>', '<'],
  ['>=', '<='],
]);

/** The operator that is true where the other is false. */
const opposite: ReadonlyMap<string, string> = new Map([
  ['<', '>='],
  ['<=', '>'],
  ['>', '<='],
  ['>=', '<'],
]);

/**
 * What a condition says about the tables of `scope.items`, and the columns that it makes equal where it is true.
 * @param nullable tables in whose place there may be NULLs when the condition is looked at
 */
export function findConstraints(
  condition: Node | undefined,
  scope: Scope,
  walk: ExpressionWalk,
  liftedAt: LiftedAt,
  nullable: ReadonlySet<TableReference>,
): { readonly finding: Finding; readonly equalities: Equalities } {
  const search = new Search(scope, walk, liftedAt, nullable);
  const finding = search.find(condition, false, true);
  return { finding, equalities: search };
}

/** A column of a type that can be compared as text, or null. */
export function comparable(column: SourceColumn, item: FromItem, encoding: string): ConstrainedColumn | null {
  const own = tableColumnOf(column, item);
  return own === null ? null : comparableOf(own, encoding);
}

function comparableOf({ table, column }: TableColumn, encoding: string): ConstrainedColumn | null {
  const type = canonicalTypeOf(column.type);
  // Generated columns may be missing in the stream; unequal bytes may be equal under a non-deterministic collation.
  if (type === undefined || column.generated || (type.family === 'string' && !column.deterministic)) return null;
  const ordered = type.family === 'string' ? column.byteOrdered && encoding === 'UTF8' : type.family !== 'boolean';
  return { table, name: column.name, type, ordered };
}

class Search implements Equalities {
  readonly columns: ColumnEquality[] = [];
  readonly correlations: Correlation[] = [];
  readonly memberships: ColumnEquality[] = [];
  readonly #scope: Scope;
  readonly #walk: ExpressionWalk;
  readonly #liftedAt: LiftedAt;
  readonly #nullable: ReadonlySet<TableReference>;

  constructor(scope: Scope, walk: ExpressionWalk, liftedAt: LiftedAt, nullable: ReadonlySet<TableReference>) {
    this.#scope = scope;
    this.#walk = walk;
    this.#liftedAt = liftedAt;
    this.#nullable = nullable;
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
    if ('BooleanTest' in node) return this.#booleanTest(node.BooleanTest, negated, always);
    if ('NullTest' in node) return this.#nullTest(node.NullTest, negated);
    if ('SubLink' in node && always && !negated) this.#membership(node.SubLink);
    return 'A_Expr' in node ? this.#operation(node.A_Expr, negated, always) : nothing;
  }

  #boolean(node: Node | undefined, text: 't' | 'f'): Finding {
    const columns = this.#columns(node);
    if (columns[0]?.type.family !== 'boolean') return nothing;
    return this.#equal(columns, [{ source: { kind: 'literal', text }, form: 'boolean', cast: null, parameter: 0 }]);
  }

  /** `IS [NOT] TRUE | FALSE | UNKNOWN`: never unknown itself, so that NOT turns one into another. */
  #booleanTest({ booltesttype, arg }: BooleanTest, negated: boolean, always: boolean): Finding {
    const isNot = (booltesttype ?? '').startsWith('IS_NOT') !== negated;
    const word = (booltesttype ?? '').replace(/^IS_(?:NOT_)?/, '');
    if (word === 'UNKNOWN') return this.#nullTest({ ...(arg && { arg }), nulltesttype: 'IS_NULL' }, isNot);
    if (!isNot) return this.find(arg, word === 'FALSE', word === 'TRUE' && always);
    const other = { source: { kind: 'literal', text: word === 'TRUE' ? 'f' : 't' } } as const;
    const column = this.#ownColumn(arg);
    if (column === null || canonicalTypeOf(column.column.type)?.family !== 'boolean') return nothing;
    const {
      table,
      column: { name },
    } = column;
    return new Map([[table, oneTerm({ column: name, type: 'bool', values: [other.source, { kind: 'null' }] })]]);
  }

  #nullTest({ arg, nulltesttype }: NullTest, negated: boolean): Finding {
    if ((nulltesttype === 'IS_NULL') === negated) {
      return this.#plainColumns(arg).map(isNotNull).reduce(conjunctionOf, nothing);
    }
    const column = this.#ownColumn(arg);
    if (column === null) return nothing;
    const type = canonicalTypeOf(column.column.type)?.canonical ?? 'text';
    return new Map([[column.table, oneTerm({ column: column.column.name, type, values: [{ kind: 'null' }] })]]);
  }

  #operation(expression: A_Expr, negated: boolean, always: boolean): Finding {
    const { kind, lexpr, rexpr } = expression;
    const name = nameParts(expression.name);
    const operator = name.length === 2 && name[0] === 'pg_catalog' ? name[1]! : name.length === 1 ? name[0]! : '';
    if (kind === 'AEXPR_OP' && mirrored.has(operator)) {
      return this.#order(negated ? opposite.get(operator)! : operator, lexpr, rexpr);
    }
    if (negated) return nothing;
    if (kind === 'AEXPR_BETWEEN') return this.#between(lexpr, rexpr);
    if (kind === 'AEXPR_LIKE' && operator === '~~') return this.#like(lexpr, rexpr);
    if (operator !== '=') return nothing;
    const left = this.#columns(lexpr);
    if (kind === 'AEXPR_OP') return this.#equality(left, lexpr, rexpr, always);
    if (left.length === 0) return nothing;
    const list = constantListOf(kind, rexpr, this.#walk.names, this.#liftedAt);
    if (list === null) return nothing;
    return list.kind === 'constants' ? this.#equal(left, list.constants) : this.#equalElement(left, list);
  }

  #equality(
    left: readonly ConstrainedColumn[],
    lexpr: Node | undefined,
    rexpr: Node | undefined,
    always: boolean,
  ): Finding {
    const right = this.#columns(rexpr);
    if (left.length > 0 && right.length > 0) {
      // A merged column is not always the same one of those that were merged.
      if (always && left.length === 1 && right.length === 1) this.#equalColumns(left[0]!, right[0]!);
      return nothing;
    }
    const [own, other] = left.length === 0 ? [right, lexpr] : [left, rexpr];
    const constant = constantOf(other, this.#walk.names, this.#liftedAt);
    if (constant !== null) return this.#equal(own, [constant]);
    if (always && own.length === 1) this.#correlate(own[0]!, other);
    return nothing;
  }

  #equalColumns(a: ConstrainedColumn, b: ConstrainedColumn): void {
    if (a.type.family === b.type.family) this.columns.push([a, b]);
  }

  /** With a column of a query around this one. */
  #correlate(own: ConstrainedColumn, node: Node | undefined): void {
    if (node === undefined || !('ColumnRef' in node)) return;
    const fields = nameParts(node.ColumnRef.fields);
    if (fields.length === 0) return;
    const { catalog } = this.#walk.names;
    const { columns, type } = resolveColumn(this.#scope, fields, catalog.database);
    const [found, other] = columns;
    // Of an unknown type: a function of this level may have a column of that name.
    if (found === undefined || other !== undefined || type === UNKNOWN_TYPE) return;
    const outer = this.#scope.items.includes(found.item)
      ? null
      : comparable(found.column, found.item, catalog.encoding);
    if (outer === null || outer.type.family !== own.type.family) return;
    this.correlations.push({ column: own, outer, item: found.item });
  }

  /** `x IN (SELECT …)`, also of several columns. */
  #membership({ subLinkType, operName, testexpr, subselect }: SubLink): void {
    const isEquality = operName === undefined || nameParts(operName).at(-1) === '=';
    if (subLinkType !== 'ANY_SUBLINK' || !isEquality || testexpr === undefined) return;
    if (subselect === undefined || !('SelectStmt' in subselect)) return;
    const shown = this.#walk.shownBy(subselect.SelectStmt);
    const operands = 'RowExpr' in testexpr ? (testexpr.RowExpr.args ?? []) : [testexpr];
    for (const [i, operand] of operands.entries()) {
      const [own, other] = this.#columns(operand);
      const source = shown[i]?.source;
      if (own === undefined || other !== undefined || source === undefined) continue;
      const inner = comparableOf(source, this.#walk.names.catalog.encoding);
      if (inner?.type.family === own.type.family) this.memberships.push([own, inner]);
    }
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

  /** Null where it is not a constant of the columns' type, or the type's order is not that of ranks. */
  #bound(columns: readonly ConstrainedColumn[], node: Node | undefined, inclusive: boolean): BoundTemplate | null {
    if (columns.length === 0 || !columns.every(({ ordered }) => ordered)) return null;
    const source = this.#constant(columns[0]!.type.family, node);
    return source === null ? null : { source, inclusive };
  }

  /** A text matches only if it begins as the pattern does, byte for byte, whatever the collation sorts by. */
  #like(lexpr: Node | undefined, rexpr: Node | undefined): Finding {
    const columns = this.#columns(lexpr);
    if (columns[0]?.type.family !== 'string') return nothing;
    const source = this.#constant('string', rexpr);
    const bound = source === null ? null : ({ source, inclusive: true, isPattern: true } as const);
    return rangeOf(columns, bound, bound);
  }

  #constant(family: Family, node: Node | undefined): ValueSource | null {
    const constant = constantOf(node, this.#walk.names, this.#liftedAt);
    const { reads } = this.#walk;
    if (constant === null || !fitsFamily(family, constant, reads.declaredType(constant.parameter))) return null;
    if (constant.parameter > 0) reads.useInComparison(constant.parameter, family);
    return constant.source;
  }

  #equal(columns: readonly ConstrainedColumn[], constants: readonly Constant[]): Finding {
    const family = columns[0]?.type.family;
    if (family === undefined) return nothing;
    const { reads } = this.#walk;
    if (!constants.every((each) => fitsFamily(family, each, reads.declaredType(each.parameter)))) return nothing;
    for (const { parameter } of constants) if (parameter > 0) reads.useInComparison(parameter, family);
    const values = constants.filter((constant) => !isNullOf(constant, family)).map(({ source }) => source);
    if (family !== 'numeric') return findingOf(columns, values);
    // 1.0 and 1.00 are two texts of one value: compared by its rank.
    const bounds = values.map((source): BoundTemplate => ({ source, inclusive: true }));
    return bounds.length === 0 ? nothing : bounds.map((bound) => rangeOf(columns, bound, bound)).reduce(disjunctionOf);
  }

  #equalElement(
    columns: readonly ConstrainedColumn[],
    { parameter, cast }: { readonly parameter: number; readonly cast: Family | null },
  ): Finding {
    const { family } = columns[0]!.type;
    const { reads } = this.#walk;
    if (family === 'numeric' || !fitsElements(family, cast, reads.declaredType(parameter))) return nothing;
    reads.useInComparison(parameter, `${family}[]`);
    return findingOf(columns, [{ kind: 'elements', index: parameter - 1 }]);
  }

  /** The columns of tables of this level that a name means, several only when merged by USING; none when in doubt. */
  #plainColumns(node: Node | undefined): readonly TableColumn[] {
    if (node === undefined || !('ColumnRef' in node)) return [];
    const fields = nameParts(node.ColumnRef.fields);
    if (fields.length === 0) return [];
    const { columns } = resolveColumn(this.#scope, fields, this.#walk.names.catalog.database);
    // A name that was found in an outer query constrains nothing here.
    if (!columns.every(({ item }) => this.#scope.items.includes(item))) return [];
    const found = columns.flatMap(({ item, column }) => {
      const own = tableColumnOf(column, item);
      return own === null || own.column.generated ? [] : [own];
    });
    return found.length === columns.length ? found : [];
  }

  /** The same where all are of one family that can be compared. */
  #columns(node: Node | undefined): readonly ConstrainedColumn[] {
    const { encoding } = this.#walk.names.catalog;
    const columns = this.#plainColumns(node);
    const found = columns.map((column) => comparableOf(column, encoding)).filter((column) => column !== null);
    const isOne = found.length === columns.length && found.every(({ type }) => type.family === found[0]!.type.family);
    return isOne ? found : [];
  }

  /** The one column that a name means, where NULL can only be its own. */
  #ownColumn(node: Node | undefined): TableColumn | null {
    const [column, other] = this.#plainColumns(node);
    return column === undefined || other !== undefined || this.#nullable.has(column.table) ? null : column;
  }
}

/** NULL in a text that is read as an array; no other text says that in these types. */
function isNullOf({ form, source }: Constant, family: Family): boolean {
  return form === 'string' && family !== 'string' && source.kind === 'literal' && isNullElement(source.text);
}
