/** What gives rows in FROM and is no relation: functions, with or without a list of columns, and JSON_TABLE. */
import type { FuncCall, JsonTable, Node, RangeFunction } from 'libpg-query';
import type { ExpressionWalk } from './expressions.ts';
import { plainType } from './json.ts';
import { nameParts } from './names.ts';
import { derived, type FromItem, type OutputColumn, type Scope, UNKNOWN_TYPE } from './scope.ts';
import { Uncacheable } from './verdict.ts';

export function rangeFunction(
  { functions, alias, coldeflist, ordinality }: RangeFunction,
  scope: Scope,
  walk: ExpressionWalk,
): FromItem {
  const known: (readonly OutputColumn[] | null)[] = [];
  const names: string[] = [];
  for (const entry of functions ?? []) {
    const [call, definitions] = 'List' in entry ? (entry.List.items ?? []) : [];
    if (call === undefined || !('FuncCall' in call)) throw new Uncacheable('uncacheable.construct', 'FROM');
    walk.visit(call, scope);
    const list = definitions !== undefined && 'List' in definitions ? definitions.List.items : coldeflist;
    known.push(list === undefined ? rowOf(call.FuncCall, scope, walk) : definedColumns(list, walk));
    names.push(nameParts(call.FuncCall.funcname).at(-1) ?? '');
  }
  const name = alias?.aliasname ?? names[0] ?? null;
  const colnames = nameParts(alias?.colnames);
  const columns = known.flat();
  if (ordinality === true) columns.push({ name: 'ordinality', type: INT8 });
  if (columns.every((column) => column !== null)) return derived(name, columns, colnames, false);
  // A function that returns one value gives its column the name of the alias.
  const given = colnames.length > 0 ? colnames : names.length === 1 && name !== null ? [name] : [];
  const guessed = given.map((column) => ({ name: column, type: UNKNOWN_TYPE }));
  return derived(name, guessed, [], true);
}

const INT8 = 20;

/** Columns of a function of users that returns rows; null: not known. */
function rowOf(call: FuncCall, scope: Scope, walk: ExpressionWalk): readonly OutputColumn[] | null {
  const candidates = walk.callable(call, scope);
  return candidates.length === 1 ? walk.expansion.columnsOf(candidates[0]!.oid) : null;
}

/** `AS t(a int, b text)`: fields are read from text as values of their types. */
function definedColumns(list: readonly Node[], walk: ExpressionWalk): OutputColumn[] {
  return list.map((node) => {
    const { colname, typeName } = 'ColumnDef' in node ? node.ColumnDef : {};
    return { name: colname ?? '', type: plainType(typeName, walk) };
  });
}

export function jsonTable(table: JsonTable, scope: Scope, walk: ExpressionWalk): FromItem {
  const { context_item, pathspec, passing, columns, on_error, alias } = table;
  if (context_item !== undefined) walk.visit({ JsonValueExpr: context_item }, scope);
  walk.visit(pathspec?.string, scope);
  walk.visitAll(passing, scope);
  if (on_error !== undefined) walk.visit({ JsonBehavior: on_error }, scope);
  return derived(alias?.aliasname ?? null, jsonColumns(columns ?? [], scope, walk), nameParts(alias?.colnames), false);
}

function jsonColumns(nodes: readonly Node[], scope: Scope, walk: ExpressionWalk): OutputColumn[] {
  return nodes.flatMap((node) => {
    if (!('JsonTableColumn' in node)) throw new Uncacheable('uncacheable.construct', 'JSON_TABLE');
    const { coltype, name, typeName, columns, on_empty, on_error, pathspec } = node.JsonTableColumn;
    for (const behavior of [on_empty, on_error]) {
      if (behavior !== undefined) walk.visit({ JsonBehavior: behavior }, scope);
    }
    walk.visit(pathspec?.string, scope);
    if (coltype === 'JTC_NESTED') return jsonColumns(columns ?? [], scope, walk);
    return [{ name: name ?? '', type: typeName === undefined ? UNKNOWN_TYPE : plainType(typeName, walk) }];
  });
}
