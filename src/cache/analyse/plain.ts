/**
 * Answers that show rows of one table as they are: no joins, groups, aggregates, windows, DISTINCT, LIMIT or OFFSET. Each row that satisfies
 * the condition is in the answer once, so an answer that shows the key knows the keys of all of them (C22); and where the condition is nothing but
 * an equality with the whole key, and every output is a column, the answer can be made from the row alone.
 */
import type { Node, SelectStmt } from 'libpg-query';
import type { Relation } from '../catalog.ts';
import { type Names, nameParts } from './names.ts';
import { starQualifier } from './outputs.ts';
import { isRowByRow } from './row-by-row.ts';

export interface PlainAnswer {
  readonly relation: number;
  /** What each column of the answer shows: a column of the table, or null: anything else. */
  readonly columns: readonly (string | null)[];
  /** Its condition is `key column = constant` for each column of the primary key and nothing else, and all its columns are the table's. */
  readonly isPoint: boolean;
}

/** Null when it is no such answer. */
export function plainAnswerOf(select: SelectStmt, names: Names): PlainAnswer | null {
  const [from, other] = select.fromClause ?? [];
  if (from === undefined || other !== undefined || !('RangeVar' in from)) return null;
  if (!isRowByRow(select)) return null;
  const { alias } = from.RangeVar;
  const relation = names.relation(from.RangeVar);
  if (relation === undefined || !isPlainTable(relation) || alias?.colnames !== undefined) return null;
  const columns = columnsOf(select.targetList ?? [], relation);
  if (columns === null) return null;
  const isBare = select.sortClause === undefined && columns.every((column) => column !== null);
  return { relation: relation.oid, columns, isPoint: isBare && fixesKey(select.whereClause, relation) };
}

/** All its rows are its own and seen by everybody who may read it. */
function isPlainTable({ kind, parents, children, rowSecurity, hasRules }: Relation): boolean {
  return kind === 'r' && parents.length === 0 && children.length === 0 && !rowSecurity && !hasRules;
}

/** Null where an output may decide how many rows there are: a function can be an aggregate, or return a set. */
function columnsOf(targets: readonly Node[], relation: Relation): readonly (string | null)[] | null {
  const columns: (string | null)[] = [];
  for (const target of targets) {
    const value = 'ResTarget' in target ? target.ResTarget.val : undefined;
    if (value === undefined || mayCall(value)) return null;
    if (starQualifier(value) !== null) columns.push(...relation.columns.map(({ name }) => name));
    else columns.push(columnOf(value, relation));
  }
  return columns;
}

/** The column that a name means where the relation is all there is to name. */
export function columnOf(node: Node | undefined, relation: Relation): string | null {
  if (node === undefined || !('ColumnRef' in node)) return null;
  const name = nameParts(node.ColumnRef.fields).at(-1) ?? '';
  return relation.column.has(name) ? name : null;
}

function mayCall(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return 'FuncCall' in value || 'SubLink' in value || Object.values(value).some(mayCall);
}

function fixesKey(where: Node | undefined, relation: Relation): boolean {
  const open = new Set(relation.primaryKey);
  const conditions: (Node | undefined)[] = [where];
  for (let node = conditions.pop(); node !== undefined; node = conditions.pop()) {
    if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') {
      conditions.push(...(node.BoolExpr.args ?? []));
      continue;
    }
    if (!('A_Expr' in node) || node.A_Expr.kind !== 'AEXPR_OP' || nameParts(node.A_Expr.name).at(-1) !== '=')
      return false;
    const { lexpr, rexpr } = node.A_Expr;
    const [left, right] = [columnOf(lexpr, relation), columnOf(rexpr, relation)];
    // Each column of the key once: with a second equality the row might be none.
    if ((left === null) === (right === null) || !open.delete(left ?? right ?? '')) return false;
  }
  return relation.primaryKey.length > 0 && open.size === 0;
}
