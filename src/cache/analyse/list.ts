/**
 * Answers that list rows of one table: `SELECT columns FROM t WHERE column = … AND column IS NULL … ORDER BY columns LIMIT n`. Whether a row is in
 * such an answer follows from the row alone, and where it stands, too, if the order tells all rows apart: so a change of the row can be made in the
 * answer (listed-rows.ts).
 */
import type { Node, SelectStmt } from 'libpg-query';
import type { ValueSource } from '../../shared/constants.ts';
import type { Relation } from '../catalog.ts';
import { constantOf, type LiftedAt } from './constant.ts';
import { type Names, nameParts } from './names.ts';
import { starQualifier } from './outputs.ts';
import { columnOf, plainAnswerOf } from './plain.ts';

export interface SortedColumn {
  readonly name: string;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

export interface ListShape {
  readonly relation: number;
  /** What each column of the answer shows. */
  readonly columns: readonly string[];
  /** Columns that the condition wants equal to something or NULL, each once; it says nothing else. */
  readonly fixed: readonly string[];
  readonly order: readonly SortedColumn[];
  /** Null: none. */
  readonly limit: ValueSource | null;
  readonly offset: ValueSource | null;
}

type Clause = ListShape['limit'] | undefined;

/** Null when it is no such answer. */
export function listShapeOf(select: SelectStmt, names: Names, liftedAt: LiftedAt): ListShape | null {
  const { limitCount, limitOffset, limitOption = 'LIMIT_OPTION_DEFAULT', ...rest } = select;
  if (limitOption !== 'LIMIT_OPTION_DEFAULT' && limitOption !== 'LIMIT_OPTION_COUNT') return null;
  const plain = plainAnswerOf({ ...rest, limitOption: 'LIMIT_OPTION_DEFAULT' }, names);
  const from = select.fromClause?.[0];
  const relation = from !== undefined && 'RangeVar' in from ? names.relation(from.RangeVar) : undefined;
  if (plain === null || relation === undefined) return null;
  const columns = plain.columns.filter((column) => column !== null);
  const fixed = fixedColumns(select.whereClause, relation);
  const order = orderOf(select, relation);
  const [limit, offset] = [limitCount, limitOffset].map((node) => clauseOf(node, names, liftedAt));
  if (columns.length < plain.columns.length || fixed === null || order === null) return null;
  if (limit === undefined || offset === undefined) return null;
  return { relation: relation.oid, columns, fixed, order, limit, offset };
}

/** Undefined: not known. */
function clauseOf(node: Node | undefined, names: Names, liftedAt: LiftedAt): Clause {
  if (node === undefined) return null;
  return constantOf(node, names, liftedAt)?.source;
}

/** What the other side of an equality is does not matter here: an answer whose constraint says less is not corrected. */
function fixedColumns(where: Node | undefined, relation: Relation): readonly string[] | null {
  const fixed = new Set<string>();
  const conditions: Node[] = where === undefined ? [] : [where];
  for (let node = conditions.pop(); node !== undefined; node = conditions.pop()) {
    if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') {
      conditions.push(...(node.BoolExpr.args ?? []));
      continue;
    }
    const column = fixedColumn(node, relation);
    if (column === null || fixed.has(column)) return null;
    fixed.add(column);
  }
  return [...fixed];
}

function fixedColumn(node: Node, relation: Relation): string | null {
  if ('NullTest' in node) {
    return node.NullTest.nulltesttype === 'IS_NULL' ? columnOf(node.NullTest.arg, relation) : null;
  }
  if (!('A_Expr' in node) || node.A_Expr.kind !== 'AEXPR_OP' || nameParts(node.A_Expr.name).at(-1) !== '=') return null;
  const { lexpr, rexpr } = node.A_Expr;
  const [left, right] = [columnOf(lexpr, relation), columnOf(rexpr, relation)];
  return (left === null) === (right === null) ? null : (left ?? right);
}

function orderOf(select: SelectStmt, relation: Relation): ListShape['order'] | null {
  const order: SortedColumn[] = [];
  for (const node of select.sortClause ?? []) {
    if (!('SortBy' in node)) return null;
    const { node: expression, sortby_dir: direction = 'SORTBY_DEFAULT', sortby_nulls: nulls } = node.SortBy;
    const name = sortedColumn(expression, select.targetList ?? [], relation);
    if (name === null || direction === 'SORTBY_USING') return null;
    const descending = direction === 'SORTBY_DESC';
    const isDefault = nulls === undefined || nulls === 'SORTBY_NULLS_DEFAULT';
    order.push({ name, descending, nullsFirst: isDefault ? descending : nulls === 'SORTBY_NULLS_FIRST' });
  }
  return order;
}

/** A bare name means the output of that name before it means a column. Manual: SELECT, ORDER BY Clause. */
function sortedColumn(node: Node | undefined, targets: readonly Node[], relation: Relation): string | null {
  const column = columnOf(node, relation);
  if (column === null || node === undefined || !('ColumnRef' in node)) return null;
  const isBare = nameParts(node.ColumnRef.fields).length === 1;
  return isBare && targets.some((target) => isOther(target, column, relation)) ? null : column;
}

/** The output has the column's name, and is another column. */
function isOther(target: Node, column: string, relation: Relation): boolean {
  if (!('ResTarget' in target)) return true;
  const { name, val } = target.ResTarget;
  return name === column && (val === undefined || starQualifier(val) !== null || columnOf(val, relation) !== column);
}
