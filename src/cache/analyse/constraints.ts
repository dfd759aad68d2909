/**
 * Constraints on the rows that a table contributes: conjuncts `column = constant` of WHERE and ON.
 *
 * **Why they are sound.** An equality with a constant is not true for rows with another value and for the NULLs of an outer
 * join. So a WHERE drops whatever such a row took part in, and also what would stand in its place if it did not exist (a
 * null-extended row): the row cannot be seen, whatever joins are below, and whatever is above only sees what the WHERE
 * let through. The same holds for the ON of an inner join, and for the ON of an outer join on its nullable side, where
 * rows that fail are not joined; it does not hold on the preserved side, whose rows appear all the same.
 */
import type { A_Expr, Node } from 'libpg-query';
import { canonicalTypeOf } from '../../shared/canonical.ts';
import { type Constant, constantOf, fitsFamily, type LiftedAt } from './constant.ts';
import type { ExpressionWalk } from './expressions.ts';
import { nameParts } from './names.ts';
import { type FromItem, resolveColumn, type Scope, type TableReference } from './scope.ts';

/** More constants than this in one list are not worth an index entry each. */
const valuesPerTermMax = 256;

interface ConstrainedColumn {
  readonly table: TableReference;
  readonly name: string;
  readonly type: NonNullable<ReturnType<typeof canonicalTypeOf>>;
}

/** Adds what the conjuncts of `condition` say about the tables among `constrained`, which is part of `scope.items`. */
export function constrain(
  condition: Node | undefined,
  scope: Scope,
  constrained: readonly FromItem[],
  walk: ExpressionWalk,
  liftedAt: LiftedAt,
): void {
  new Conjunction(scope, constrained, walk, liftedAt).add(condition);
}

class Conjunction {
  readonly #scope: Scope;
  readonly #constrained: readonly FromItem[];
  readonly #walk: ExpressionWalk;
  readonly #liftedAt: LiftedAt;

  constructor(scope: Scope, constrained: readonly FromItem[], walk: ExpressionWalk, liftedAt: LiftedAt) {
    this.#scope = scope;
    this.#constrained = constrained;
    this.#walk = walk;
    this.#liftedAt = liftedAt;
  }

  add(node: Node | undefined): void {
    if (node === undefined) return;
    if ('BoolExpr' in node) {
      const { boolop, args } = node.BoolExpr;
      if (boolop === 'AND_EXPR') for (const arg of args ?? []) this.add(arg);
      else if (boolop === 'NOT_EXPR') this.#boolean(args?.[0], 'f');
    } else if ('ColumnRef' in node) this.#boolean(node, 't');
    else if ('BooleanTest' in node) {
      const { booltesttype, arg } = node.BooleanTest;
      if (booltesttype === 'IS_TRUE') this.#boolean(arg, 't');
      else if (booltesttype === 'IS_FALSE') this.#boolean(arg, 'f');
    } else if ('A_Expr' in node) this.#operation(node.A_Expr);
  }

  #boolean(node: Node | undefined, text: 't' | 'f'): void {
    const column = this.#column(node);
    if (column?.type.family !== 'boolean') return;
    this.#equal(column, [{ source: { kind: 'literal', text }, form: 'boolean', cast: null, parameter: 0 }]);
  }

  #operation({ kind, name, lexpr, rexpr }: A_Expr): void {
    const operator = nameParts(name);
    if (operator.at(-1) !== '=' || (operator.length > 1 && operator[0] !== 'pg_catalog')) return;
    if (kind === 'AEXPR_OP') {
      const left = this.#column(lexpr);
      const column = left ?? this.#column(rexpr);
      const constant = this.#constant(left === null ? lexpr : rexpr);
      if (column !== null && constant !== null) this.#equal(column, [constant]);
      return;
    }
    const column = this.#column(lexpr);
    const nodes = listOf(kind, rexpr);
    if (column === null || nodes === null || nodes.length > valuesPerTermMax) return;
    const constants = nodes.map((node) => this.#constant(node));
    if (constants.every((constant) => constant !== null)) this.#equal(column, constants);
  }

  #equal(column: ConstrainedColumn, constants: readonly Constant[]): void {
    if (constants.length === 0 || !constants.every((constant) => this.#fits(column, constant))) return;
    for (const { parameter } of constants) {
      if (parameter > 0) this.#walk.reads.useInEquality(parameter, column.type.family);
    }
    const applies = this.#constrained.some((item) => item.table === column.table);
    // A second equality for a column only narrows: leaving it out is safe.
    if (!applies || column.table.terms.has(column.name)) return;
    const values = constants.map(({ source }) => source);
    column.table.terms.set(column.name, { type: column.type.canonical, values });
  }

  #fits({ type }: ConstrainedColumn, constant: Constant): boolean {
    return fitsFamily(type.family, constant, this.#walk.reads.declaredType(constant.parameter));
  }

  /** A column of a table of this level, of a type that can be compared as text. */
  #column(node: Node | undefined): ConstrainedColumn | null {
    if (node === undefined || !('ColumnRef' in node)) return null;
    const fields = nameParts(node.ColumnRef.fields);
    if (fields.length === 0) return null;
    const { columns } = resolveColumn(this.#scope, fields, this.#walk.names.catalog.database);
    const only = columns.length === 1 ? columns[0]! : undefined;
    const column = only?.column.column;
    if (only === undefined || column === undefined || column === null || only.item.table === null) return null;
    // A name that was found in an outer query constrains nothing here.
    if (!this.#scope.items.includes(only.item)) return null;
    const type = canonicalTypeOf(column.type);
    // Generated columns may be missing in the stream; unequal bytes may be equal under a non-deterministic collation.
    if (type === undefined || column.generated || (type.family === 'string' && !column.deterministic)) return null;
    return { table: only.item.table, name: column.name, type };
  }

  #constant(node: Node | undefined): Constant | null {
    return constantOf(node, this.#walk.names, this.#liftedAt);
  }
}

/** The nodes of `IN (…)` or `= ANY (ARRAY[…])`. */
function listOf(kind: A_Expr['kind'], rexpr: Node | undefined): readonly Node[] | null {
  if (rexpr === undefined) return null;
  if (kind === 'AEXPR_IN') return 'List' in rexpr ? (rexpr.List.items ?? []) : null;
  return kind === 'AEXPR_OP_ANY' && 'A_ArrayExpr' in rexpr ? (rexpr.A_ArrayExpr.elements ?? []) : null;
}
