/**
 * Which columns a name can mean: the tables, sub-selects and functions of a FROM clause, level within level. Follows
 * parse_relation.c of PostgreSQL as far as a statement that runs without error can tell the difference.
 */

import type { Column, Relation } from '../catalog.ts';
import type { Alternatives } from './alternatives.ts';
import { Uncacheable } from './verdict.ts';

/** Type oid 0: not known to the analysis. */
export const UNKNOWN_TYPE = 0;

export interface OutputColumn {
  readonly name: string;
  readonly type: number;
  /** What it shows as it is, where whatever is said of it outside holds for the table's row inside (transparent.ts). */
  readonly source?: TableColumn;
}

export interface TableColumn {
  readonly table: TableReference;
  readonly column: Column;
}

/** One mention of a table in a FROM clause, with what is known so far of its rows that may be seen. */
export interface TableReference {
  readonly relation: Relation;
  /** Of the statement's references, from 0. */
  readonly number: number;
  alternatives: Alternatives;
}

export interface SourceColumn extends OutputColumn {
  /** Of the table, where the column is one's. */
  readonly column: Column | null;
}

export interface FromItem {
  readonly alias: string | null;
  /** The name is the table's own, so that `schema.table.column` is possible. */
  readonly isTableName: boolean;
  readonly columns: readonly SourceColumn[];
  /** There may be columns that the analysis does not know of (functions in FROM). */
  readonly open: boolean;
  readonly table: TableReference | null;
  /** Tables inside that columns show. */
  readonly inside?: readonly TableReference[];
  /** The relation whose rows are filtered: read, though it is no mention of it (policies). */
  readonly filtered?: number;
  /** Where the relation is that it is one mention of. */
  readonly schema?: string;
  /** Its columns are those of others, found under its alias only (`JOIN … USING (…) AS alias`). */
  readonly isHidden?: boolean;
}

export interface Scope {
  readonly items: readonly FromItem[];
  /** Names merged by USING or NATURAL, where there are any. */
  readonly merged?: ReadonlySet<string>;
  /** Names of the select list, for ORDER BY, GROUP BY and DISTINCT ON; null elsewhere. */
  readonly outputs: readonly OutputColumn[] | null;
  readonly outer: Scope | null;
}

export interface Resolved {
  /** Columns that the name may mean; several only when they are merged by USING. */
  readonly columns: readonly { readonly item: FromItem; readonly column: SourceColumn }[];
  readonly type: number;
  /** The name means a whole row of this item. */
  readonly wholeRow: FromItem | null;
}

const systemColumns: ReadonlySet<string> = new Set(['ctid', 'tableoid', 'xmin', 'xmax', 'cmin', 'cmax']);

/**
 * What a column reference means.
 * @throws Uncacheable for system columns, and for names that are not certain to be columns (`t.f` may call a function f).
 */
export function resolveColumn(scope: Scope, fields: readonly string[], database: string): Resolved {
  const name = fields[fields.length - 1]!;
  if (systemColumns.has(name)) throw new Uncacheable('uncacheable.systemColumn', name);
  return fields.length === 1 ? resolveBare(scope, name) : resolveQualified(scope, fields, database);
}

function resolveBare(scope: Scope, name: string): Resolved {
  for (let level: Scope | null = scope; level !== null; level = level.outer) {
    const columns = level.items.flatMap((item) => (item.isHidden ? [] : columnsNamed(item, name)));
    if (columns.length > 0) return { columns, type: columns[0]!.column.type, wholeRow: null };
    const output = level.outputs?.find((candidate) => candidate.name === name);
    if (output !== undefined) return { columns: [], type: output.type, wholeRow: null };
    if (level.items.some((item) => item.open)) return resolveBesideOpen(level.outer, name);
  }
  const row = findItem(scope, (item) => item.alias === name);
  if (row === null) throw new Uncacheable('uncacheable.unknownColumn', name);
  return { columns: [], type: UNKNOWN_TYPE, wholeRow: row };
}

/** A function in FROM may have a column of that name; if it has not, an outer query's column is meant. */
function resolveBesideOpen(outer: Scope | null, name: string): Resolved {
  for (let level = outer; level !== null; level = level.outer) {
    const columns = level.items.flatMap((item) => columnsNamed(item, name));
    if (columns.length > 0) return { columns, type: UNKNOWN_TYPE, wholeRow: null };
  }
  return { columns: [], type: UNKNOWN_TYPE, wholeRow: null };
}

/** An item that is made of others; the columns are no table's any more. */
export function derived(
  alias: string | null,
  outputs: readonly OutputColumn[],
  colnames: readonly string[],
  open: boolean,
): FromItem {
  const columns = outputs.map((output, i) => ({ ...output, name: colnames[i] ?? output.name, column: null }));
  return { alias, isTableName: false, columns, open, table: null, inside: insideOf(outputs) };
}

export function insideOf(outputs: readonly OutputColumn[]): readonly TableReference[] {
  return [...new Set(outputs.flatMap(({ source }) => (source === undefined ? [] : [source.table])))];
}

/** The column of a table that a column of an item is, or shows. */
export function tableColumnOf({ column, source }: SourceColumn, { table }: FromItem): TableColumn | null {
  return column !== null && table !== null ? { column, table } : (source ?? null);
}

function columnsNamed(item: FromItem, name: string): { item: FromItem; column: SourceColumn }[] {
  const column = item.columns.find((candidate) => candidate.name === name);
  return column === undefined ? [] : [{ item, column }];
}

function resolveQualified(scope: Scope, fields: readonly string[], database: string): Resolved {
  const name = fields[fields.length - 1]!;
  const item = resolveItem(scope, fields.slice(0, -1), database);
  const columns = columnsNamed(item, name);
  if (columns.length > 0) return { columns, type: columns[0]!.column.type, wholeRow: null };
  // PostgreSQL would try a function of that name with the row as its argument.
  if (!item.open) throw new Uncacheable('uncacheable.unknownColumn', fields.join('.'));
  return { columns: [], type: UNKNOWN_TYPE, wholeRow: null };
}

/** The item that `alias`, `schema.table` or `database.schema.table` names. */
export function resolveItem(scope: Scope, fields: readonly string[], database: string): FromItem {
  const alias = fields[fields.length - 1]!;
  const schema = fields.length > 1 ? fields[fields.length - 2]! : null;
  const found = findItem(scope, (item) => {
    if (item.alias !== alias) return false;
    return schema === null || (item.isTableName && item.schema === schema);
  });
  if (found === null || fields.length > 3 || (fields.length === 3 && fields[0] !== database)) {
    throw new Uncacheable('uncacheable.unknownColumn', fields.join('.'));
  }
  return found;
}

function findItem(scope: Scope, matches: (item: FromItem) => boolean): FromItem | null {
  for (let level: Scope | null = scope; level !== null; level = level.outer) {
    const item = level.items.find(matches);
    if (item !== undefined) return item;
  }
  return null;
}
