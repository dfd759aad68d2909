/** Selects that make each row of their answer from one row of what they read: what counts for the answer counts for the rows. */
import type { SelectStmt } from 'libpg-query';

/** All that may be there: any other clause groups rows, counts them, takes some of them, or has rows of its own. */
const clauses: ReadonlySet<string> = new Set([
  'targetList',
  'fromClause',
  'whereClause',
  'sortClause',
  'limitOption',
  'op',
]);

/** Whether no clause does more. Calls in the outputs (aggregates, windows, sets) are not looked at. */
export function isRowByRow(select: SelectStmt): boolean {
  const { op = 'SETOP_NONE', limitOption = 'LIMIT_OPTION_DEFAULT' } = select;
  if (op !== 'SETOP_NONE' || limitOption !== 'LIMIT_OPTION_DEFAULT') return false;
  return Object.keys(select).every((clause) => clauses.has(clause));
}
