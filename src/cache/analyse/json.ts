/** The SQL/JSON constructors and query functions. Manual: JSON Functions and Operators; Expressions of jsonpath look at no clock. */
import type { Node, TypeName } from 'libpg-query';
import type { ExpressionWalk } from './expressions.ts';
import { nameParts } from './names.ts';
import type { Scope } from './scope.ts';
import { Uncacheable } from './verdict.ts';

/** The type of values that are read from text, which must mean the same each time. */
export function plainType(typeName: TypeName | undefined, { names, reads }: ExpressionWalk): number {
  const type = typeName === undefined ? undefined : names.type(typeName);
  const text = nameParts(typeName?.names).join('.');
  if (type === undefined || !type.trusted) throw new Uncacheable('uncacheable.userType', `values of type ${text}`);
  if (type.input !== 'plain') throw new Uncacheable('uncacheable.volatileFunction', `a text that is read as ${text}`);
  reads.restOnType(type.oid);
  if (typeName?.arrayBounds === undefined) return type.oid;
  return names.catalog.types.find(type.schema, `_${type.name}`)?.oid ?? 0;
}

interface Output {
  readonly typeName?: TypeName;
}

/** Fields of the nodes below that hold expressions. */
const parts = ['raw_expr', 'key', 'value', 'context_item', 'pathspec', 'expr', 'val', 'arg'] as const;
const lists = ['exprs', 'passing', 'agg_order'] as const;
/** Fields that hold none. A field that is in neither list ends the analysis, as a node type does that is not known. */
const others: ReadonlySet<string> = new Set(
  ['location', 'format', 'op', 'unique', 'absent_on_null', 'item_type', 'unique_keys', 'wrapper', 'quotes'].concat([
    'name',
    'btype',
    'column_name',
    'output',
    'constructor',
    'agg_filter',
    'over',
    'on_empty',
    'on_error',
    'query',
  ]),
);
const fields: ReadonlySet<string> = new Set([...parts, ...lists, ...others]);

type JsonNode = Readonly<
  Partial<Record<(typeof parts)[number], unknown>> &
    Partial<Record<(typeof lists)[number], readonly Node[]>> & {
      readonly output?: Output;
      readonly constructor?: unknown;
      readonly agg_filter?: Node;
      readonly over?: object;
      readonly on_empty?: object;
      readonly on_error?: object;
      readonly query?: Node;
    }
>;

/** Fields hold a node, or what a node of the field's own kind would. */
function visitPart(value: unknown, scope: Scope, walk: ExpressionWalk): void {
  if (typeof value !== 'object' || value === null) return;
  const [kind] = Object.keys(value);
  if (kind !== undefined && /^[A-Z]/.test(kind)) walk.visit(value as Node, scope);
  else json(value as JsonNode, scope, walk);
}

function json(node: JsonNode, scope: Scope, walk: ExpressionWalk): void {
  const unknown = Object.keys(node).find((field) => !fields.has(field));
  if (unknown !== undefined) throw new Uncacheable('uncacheable.construct', `${unknown} of a JSON expression`);
  if (node.query !== undefined) {
    if (!('SelectStmt' in node.query)) throw new Uncacheable('uncacheable.construct', 'JSON_ARRAY');
    walk.subquery(node.query.SelectStmt, scope);
  }
  if (node.output !== undefined) plainType(node.output.typeName, walk);
  for (const part of parts) visitPart(node[part], scope, walk);
  for (const list of lists) walk.visitAll(node[list], scope);
  // Every object has a member of that name.
  if (Object.hasOwn(node, 'constructor')) visitPart(node.constructor, scope, walk);
  walk.visit(node.agg_filter, scope);
  if (node.over !== undefined) walk.visit({ WindowDef: node.over }, scope);
  visitPart(node.on_empty, scope, walk);
  visitPart(node.on_error, scope, walk);
}

/** Visitors by node type (expressions.ts). */
export const jsonVisitors: Readonly<Record<string, typeof json>> = Object.fromEntries(
  [
    'JsonObjectConstructor',
    'JsonArrayConstructor',
    'JsonArrayQueryConstructor',
    'JsonObjectAgg',
    'JsonArrayAgg',
    'JsonFuncExpr',
    'JsonIsPredicate',
    'JsonScalarExpr',
    'JsonSerializeExpr',
    'JsonParseExpr',
    'JsonKeyValue',
    'JsonValueExpr',
    'JsonArgument',
    'JsonBehavior',
  ].map((kind) => [kind, json]),
);
