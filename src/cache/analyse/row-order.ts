/**
 * Whether the order in which a table's rows are stored can show in an answer. An update moves a row to another place though nothing that the answer
 * names has changed, and PostgreSQL then gives rows that no ORDER BY tells apart, and whatever is computed from them one after another, in
 * another order. Such an answer depends on every column of its rows; another only on those that it uses (`Dependency.uses`).
 */
import type { FuncCall, Node, SelectStmt } from 'libpg-query';
import type { Column, Relation } from '../catalog.ts';
import { type Names, nameParts } from './names.ts';

/** 'fixed': it can not. 'ofOneRow': not in an answer of at most one row. 'open': it may. */
export type RowOrder = 'fixed' | 'ofOneRow' | 'open';

/** Aggregates of any argument that give the same for every order. */
const countAggregates: ReadonlySet<string> = new Set(['count', 'bool_and', 'bool_or', 'every', 'bit_and', 'bit_or']);
/** Those that do for exact types: of floating point the last digit, of numeric the scale among equal values depends on the order. (Averages of
 * integers and of numerics of one scale are made of an exact sum and a count.) */
const exactAggregates: ReadonlySet<string> = new Set(['sum', 'min', 'max', 'avg']);
/** pg_type oids: bool, int8, int2, int4, text, varchar, date, timestamp, timestamptz, uuid. */
const exactTypes: ReadonlySet<number> = new Set([16, 20, 21, 23, 25, 1043, 1082, 1114, 1184, 2950]);
const NUMERIC = 1700;

const closedKeys: ReadonlySet<string> = new Set([
  ...['withClause', 'windowClause', 'distinctClause', 'valuesLists', 'over'],
  ...['JsonArrayAgg', 'JsonObjectAgg', 'JsonTable', 'XmlExpr', 'RangeFunction', 'RangeTableFunc', 'RangeTableSample'],
]);

interface Source {
  readonly alias: string;
  readonly relation: Relation;
}

export function rowOrderOf(select: SelectStmt, names: Names): RowOrder {
  const { limitCount, limitOffset, limitOption, ...rest } = select;
  if (!isIndifferent(rest, names, sourcesOf(select, names) ?? [])) return 'open';
  if (isSorted(select, names)) return 'fixed';
  return limitCount === undefined && limitOffset === undefined ? 'ofOneRow' : 'open';
}

/** Nothing in it takes rows one after another, or the first of them. */
function isIndifferent(value: unknown, names: Names, sources: readonly Source[]): boolean {
  if (typeof value !== 'object' || value === null) return true;
  for (const [key, child] of Object.entries(value)) {
    if (closedKeys.has(key) || key === 'limitCount' || key === 'limitOffset') return false;
    if (key === 'subLinkType' && child === 'ARRAY_SUBLINK') return false;
    if (key === 'op' && child !== 'SETOP_NONE') return false;
    if (key === 'FuncCall' && !isIndifferentCall(child as FuncCall, sources)) return false;
    if (key === 'RangeVar' && !isTable(names.relation(child))) return false;
    // Names in a sub-select may mean other tables' columns.
    if (!isIndifferent(child, names, key === 'SubLink' ? [] : sources)) return false;
  }
  return true;
}

function isIndifferentCall({ funcname, args }: FuncCall, sources: readonly Source[]): boolean {
  const name = nameParts(funcname).at(-1) ?? '';
  if (countAggregates.has(name)) return true;
  const column = args?.length === 1 ? columnOf(args[0], sources) : null;
  return exactAggregates.has(name) && column !== null && isExact(column);
}

/** Values that are equal are shown alike. */
function isExact({ type, typeModifier, deterministic }: Column): boolean {
  return type === NUMERIC ? typeModifier >= 0 : exactTypes.has(type) && deterministic;
}

/** What stands behind a view or a policy was not looked at. */
function isTable(relation: Relation | undefined): boolean {
  if (relation === undefined || relation.rowSecurity || relation.hasRules) return false;
  return relation.kind === 'p' || (relation.kind === 'r' && relation.children.length === 0);
}

/** ORDER BY tells all rows of the answer apart. */
function isSorted(select: SelectStmt, names: Names): boolean {
  const sources = sourcesOf(select, names);
  // Two of one table would share their columns here.
  if (
    sources === null ||
    sources.length === 0 ||
    new Set(sources.map(({ relation }) => relation)).size < sources.length
  )
    return false;
  const sorted = new Set<Column>();
  for (const node of select.sortClause ?? []) {
    const expression = 'SortBy' in node ? node.SortBy.node : undefined;
    const found = columnOf(expression, sources);
    if (found !== null && !isOutputName(expression, found, select.targetList ?? [], sources)) sorted.add(found);
  }
  if (select.groupClause !== undefined) {
    const groups = select.groupClause.map((node) => columnOf(node, sources));
    return groups.every((column) => column !== null && isExact(column) && sorted.has(column));
  }
  for (const column of equated(select.whereClause, sources)) sorted.add(column);
  return sources.every(
    ({ relation }) =>
      relation.primaryKey.length > 0 &&
      relation.primaryKey.every((name) => sorted.has(relation.column.get(name) as Column)),
  );
}

/** A bare name in ORDER BY means the output of that name before it means a column. */
function isOutputName(
  node: Node | undefined,
  column: Column,
  targets: readonly Node[],
  sources: readonly Source[],
): boolean {
  const parts = node !== undefined && 'ColumnRef' in node ? nameParts(node.ColumnRef.fields) : [];
  if (parts.length !== 1) return false;
  return targets.some(
    (target) =>
      'ResTarget' in target && target.ResTarget.name === parts[0] && columnOf(target.ResTarget.val, sources) !== column,
  );
}

/** Columns that the condition as a whole sets equal to one value. */
function equated(where: Node | undefined, sources: readonly Source[]): Column[] {
  if (where === undefined) return [];
  if ('BoolExpr' in where && where.BoolExpr.boolop === 'AND_EXPR') {
    return (where.BoolExpr.args ?? []).flatMap((node) => equated(node, sources));
  }
  if (!('A_Expr' in where) || where.A_Expr.kind !== 'AEXPR_OP' || nameParts(where.A_Expr.name).at(-1) !== '=')
    return [];
  const { lexpr, rexpr } = where.A_Expr;
  const sides = [columnOf(lexpr, sources), columnOf(rexpr, sources)];
  const [found] = sides.filter((side) => side !== null);
  const value = sides[0] === null ? lexpr : rexpr;
  if (found === undefined || value === undefined || !('A_Const' in value || 'ParamRef' in value)) return [];
  return [found];
}

/** The tables of FROM; null when there is anything else in it. */
function sourcesOf({ fromClause }: SelectStmt, names: Names): readonly Source[] | null {
  const sources: Source[] = [];
  const open: (Node | undefined)[] = [...(fromClause ?? [])];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if ('JoinExpr' in node && node.JoinExpr.alias === undefined) open.push(node.JoinExpr.larg, node.JoinExpr.rarg);
    else if ('RangeVar' in node && node.RangeVar.alias?.colnames === undefined) {
      const relation = names.relation(node.RangeVar);
      if (relation === undefined) return null;
      sources.push({ alias: node.RangeVar.alias?.aliasname ?? relation.name, relation });
    } else return null;
  }
  return sources;
}

/** The one column that a name means, if it is one of these tables'. */
function columnOf(node: Node | undefined, sources: readonly Source[]): Column | null {
  const parts = node !== undefined && 'ColumnRef' in node ? nameParts(node.ColumnRef.fields) : [];
  const [qualifier, name] = parts.length === 2 ? parts : [null, parts[0]];
  if (name === undefined || parts.length > 2) return null;
  const found = sources
    .filter(({ alias }) => qualifier === null || alias === qualifier)
    .flatMap(({ relation }) => relation.column.get(name) ?? []);
  return found.length === 1 ? found[0]! : null;
}
