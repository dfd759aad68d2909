/**
 * Sub-selects and views that let conditions through: a condition on a column that shows a table's column as it is says of the table's rows what it
 * would say if the sub-select were written out in the query around it.
 *
 * Sound because each row that such a query gives has the value of one row of the table, and rows of the table with other values only make
 * rows with these values: there is no grouping, no window, no DISTINCT and no LIMIT in which a row counts for another. A table that a join inside puts
 * NULLs in the place of is left out: its rows decide which rows have NULL.
 */
import type { Node, SelectStmt } from 'libpg-query';
import { type Names, nameParts } from './names.ts';
import { starQualifier } from './outputs.ts';
import { isRowByRow } from './row-by-row.ts';
import {
  type OutputColumn,
  resolveColumn,
  resolveItem,
  type Scope,
  type TableReference,
  tableColumnOf,
} from './scope.ts';

/**
 * The outputs with what they show.
 * @param nullable tables in whose place the joins of this level may have put NULLs
 */
export function withSources(
  outputs: readonly OutputColumn[],
  select: SelectStmt,
  scope: Scope,
  names: Names,
  nullable: ReadonlySet<TableReference>,
): readonly OutputColumn[] {
  if (!isRowByRow(select) || hasWindow(select.targetList)) return outputs;
  const sources = (select.targetList ?? []).flatMap((target) =>
    'ResTarget' in target ? sourcesOf(target.ResTarget.val, scope, names.catalog.database) : [null],
  );
  // Where a star is more than the columns one by one (names merged by USING), nothing is said.
  if (sources.length !== outputs.length) return outputs;
  return outputs.map((output, i) => {
    const source = sources[i] ?? null;
    return source === null || nullable.has(source.table) ? output : { ...output, source };
  });
}

function hasWindow(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return 'over' in value || Object.values(value).some(hasWindow);
}

/** What each column of a target shows. */
function sourcesOf(node: Node | undefined, scope: Scope, database: string): (OutputColumn['source'] | null)[] {
  const star = starQualifier(node);
  if (star !== null) {
    if (star.length === 0 && (scope.merged?.size ?? 0) > 0) return [];
    const items = star.length === 0 ? scope.items : [resolveItem(scope, star, database)];
    const own = items.filter((item) => item.isHidden !== true);
    return own.flatMap((item) =>
      item.columns.map((column) => (isOf(scope, item) ? tableColumnOf(column, item) : null)),
    );
  }
  if (node === undefined || !('ColumnRef' in node)) return [null];
  const fields = nameParts(node.ColumnRef.fields);
  const [found, other] = fields.length === 0 ? [] : resolveColumn(scope, fields, database).columns;
  if (found === undefined || other !== undefined || !isOf(scope, found.item)) return [null];
  return [tableColumnOf(found.column, found.item)];
}

/** Columns of outer queries are the same for all rows. */
function isOf({ items }: Scope, item: Scope['items'][number]): boolean {
  return items.includes(item);
}
