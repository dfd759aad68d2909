/** The types of expressions, as far as the analysis needs them: known for columns and casts, unknown where in doubt. */
import type { A_Expr, FuncCall, Node } from 'libpg-query';
import type { Types } from '../catalog-objects.ts';
import { type Names, nameParts } from './names.ts';
import { resolveColumn, type Scope, UNKNOWN_TYPE } from './scope.ts';
import { momentResults, sameTypeResults } from './volatility.ts';

/** Stands for "some date or time type". */
const TIMESTAMP = 1114;

/** Type oid of the expression, or UNKNOWN_TYPE. */
export function inferType(names: Names, scope: Scope, node: Node | undefined): number {
  if (node === undefined) return UNKNOWN_TYPE;
  if ('ColumnRef' in node) {
    const fields = nameParts(node.ColumnRef.fields);
    return fields.length === 0 ? UNKNOWN_TYPE : resolveColumn(scope, fields, names.catalog.database).type;
  }
  if ('TypeCast' in node) {
    const { typeName } = node.TypeCast;
    if (typeName === undefined) return UNKNOWN_TYPE;
    const type = names.type(typeName);
    if (type === undefined || typeName.arrayBounds === undefined) return type?.oid ?? UNKNOWN_TYPE;
    return names.catalog.types.find(type.schema, `_${type.name}`)?.oid ?? UNKNOWN_TYPE;
  }
  if ('CoalesceExpr' in node) return firstKnown(names, scope, node.CoalesceExpr.args ?? []);
  if ('FuncCall' in node) return callType(names, scope, node.FuncCall);
  if ('A_Expr' in node) return operatorType(names, scope, node.A_Expr);
  if ('CollateClause' in node) return inferType(names, scope, node.CollateClause.arg);
  return UNKNOWN_TYPE;
}

function firstKnown(names: Names, scope: Scope, nodes: readonly Node[]): number {
  for (const node of nodes) {
    const type = inferType(names, scope, node);
    if (type !== UNKNOWN_TYPE) return type;
  }
  return UNKNOWN_TYPE;
}

function callType(names: Names, scope: Scope, call: FuncCall): number {
  const name = nameParts(call.funcname).at(-1) ?? '';
  if (momentResults.has(name)) return TIMESTAMP;
  return sameTypeResults.has(name) ? inferType(names, scope, call.args?.[0]) : UNKNOWN_TYPE;
}

/** moment ± something: a moment (or a difference of two, which no cast turns into a moment but a stable one). */
function operatorType(names: Names, scope: Scope, { kind, name, lexpr }: A_Expr): number {
  const operator = nameParts(name).at(-1);
  if (kind !== 'AEXPR_OP' || (operator !== '+' && operator !== '-')) return UNKNOWN_TYPE;
  const left = inferType(names, scope, lexpr);
  return names.catalog.types.get(left)?.input === 'moment' ? TIMESTAMP : UNKNOWN_TYPE;
}

/** An expression that is known to be of a type whose input has nothing to do with the clock. */
export function isPlain(types: Types, type: number): boolean {
  return type !== UNKNOWN_TYPE && types.get(type)?.input === 'plain';
}
