/**
 * The walk over expressions: a whitelist of node types. What is not in it ends the analysis, so that a construct that a later
 * version of the grammar brings is passed through until somebody has thought about it.
 */
import type { A_Const, A_Expr, FuncCall, Node, SelectStmt, SortBy, SubLink, TypeCast, WindowDef } from 'libpg-query';
import { namesMovingMoment } from '../../shared/shape.ts';
import type { UserCallable } from '../catalog-objects.ts';
import { isResultSetting } from '../context.ts';
import type { Expansion } from './expansion.ts';
import { jsonVisitors } from './json.ts';
import { argumentsOf, type Names, nameParts } from './names.ts';
import type { Reads } from './reads.ts';
import {
  type FromItem,
  type OutputColumn,
  type Resolved,
  resolveColumn,
  resolveItem,
  type Scope,
  type SourceColumn,
} from './scope.ts';
import { inferType, isPlain } from './types.ts';
import { Uncacheable } from './verdict.ts';
import { momentCastFunctions } from './volatility.ts';

const comparisons: ReadonlySet<string> = new Set(['=', '<>', '<', '>', '<=', '>=', '~~', '!~~', '~~*', '!~~*']);

type Visitor<T> = (node: T, scope: Scope, walk: ExpressionWalk) => void;

export class ExpressionWalk {
  readonly names: Names;
  readonly reads: Reads;
  /** Walks a sub-select; set by whoever walks queries. */
  readonly subquery: (select: SelectStmt, outer: Scope) => readonly OutputColumn[];
  /** By sub-select, what it shows. */
  readonly #shown = new Map<SelectStmt, readonly OutputColumn[]>();
  /** A whole row is used as a value: its type is a user's, so any overload could fit it. */
  usesWholeRow = false;
  readonly expansion: Expansion;

  constructor(names: Names, reads: Reads, expansion: Expansion, subquery: ExpressionWalk['subquery']) {
    this.names = names;
    this.reads = reads;
    this.expansion = expansion;
    this.subquery = subquery;
  }

  visitSelect(select: SelectStmt, outer: Scope): void {
    this.#shown.set(select, this.subquery(select, outer));
  }

  /** The columns of a sub-select that was visited. */
  shownBy(select: SelectStmt): readonly OutputColumn[] {
    return this.#shown.get(select) ?? [];
  }

  visitAll(nodes: readonly Node[] | undefined, scope: Scope): void {
    for (const node of nodes ?? []) this.visit(node, scope);
  }

  /** @throws Uncacheable at the first thing that rules caching out. */
  visit(node: Node | undefined, scope: Scope): void {
    if (node === undefined) return;
    const [kind, value] = Object.entries(node)[0] ?? [];
    // RangeFunction and IN lists pad with empty nodes.
    if (kind === undefined) return;
    const visitor = visitors[kind] as Visitor<unknown> | undefined;
    if (visitor === undefined) throw new Uncacheable('uncacheable.construct', kind);
    this.expansion.enter();
    visitor(value, scope, this);
    this.expansion.leave();
  }

  /** Visits an operand whose sibling is of a known type: a string or parameter beside it takes that type. */
  visitBeside(node: Node | undefined, sibling: Node | undefined, scope: Scope): void {
    if (node === undefined) return;
    const plain = isPlain(this.names.catalog.types, inferType(this.names, scope, sibling));
    if (plain && 'A_Const' in node) return;
    if (plain && 'ParamRef' in node) this.parameter(node.ParamRef.number ?? 0, false);
    else if (plain && 'List' in node) {
      for (const item of node.List.items ?? []) this.visitBeside(item, sibling, scope);
    } else this.visit(node, scope);
  }

  parameter(number: number, readsMoment: boolean): void {
    const declared = this.reads.declaredType(number);
    const type = declared === 0 ? undefined : this.names.catalog.types.get(declared);
    if (declared !== 0 && type?.trusted !== true) {
      throw new Uncacheable('uncacheable.userType', `parameter $${number} has a user-defined type`);
    }
    // Where a declared type says what the text will be read as, that decides, unless a cast reads it once more.
    this.reads.useParameter(number, type?.input === 'plain' ? false : type?.input === 'moment' || readsMoment);
  }

  /** Whether the argument's type is still open: then any overload of a function or operator may be meant. */
  isOpen(node: Node | undefined, scope: Scope): boolean {
    if (node === undefined) return false;
    if ('A_Const' in node) return node.A_Const.sval !== undefined || node.A_Const.isnull === true;
    if ('ParamRef' in node) return this.reads.declaredType(node.ParamRef.number ?? 0) === 0;
    if ('NamedArgExpr' in node || 'RowExpr' in node) return true;
    if (!('ColumnRef' in node)) return false;
    const fields = nameParts(node.ColumnRef.fields);
    return fields.length === 0 || resolveColumn(scope, fields, this.names.catalog.database).type === 0;
  }

  /** Operands in order; undefined stands for a value of a known type that is not at hand. */
  operator(parts: readonly string[], operands: readonly (Node | undefined)[], scope: Scope): void {
    const open = operands.map((node) => node !== undefined && (this.usesWholeRow || this.isOpen(node, scope)));
    this.names.requireTrustedOperator(parts, open);
  }

  /** Reading a column runs its type's code. */
  touch(column: SourceColumn, item: FromItem): void {
    if (column.column === null) return;
    this.reads.restOnColumn(item.table?.relation.oid ?? item.filtered ?? 0, column.column);
    if (this.names.catalog.types.isTrusted(column.column.type)) return;
    throw new Uncacheable('uncacheable.userType', `column ${item.alias ?? ''}.${column.name} has a user-defined type`);
  }

  touchAll(item: FromItem): void {
    for (const column of item.columns) this.touch(column, item);
  }

  /** `*` or `alias.*`. */
  touchStar(qualifier: readonly string[], scope: Scope): void {
    const { database } = this.names.catalog;
    const items = qualifier.length === 0 ? scope.items : [resolveItem(scope, qualifier, database)];
    for (const item of items) this.touchAll(item);
  }

  /** `(value).name` is a field of a row, or a call of a function of that name. Rows of types that are not trusted end the walk. */
  field(name: string): void {
    const { routines } = this.names.catalog;
    if (routines.builtIn(name, 1).length === 0 && !routines.mayBeField(name)) return;
    throw new Uncacheable('uncacheable.construct', `(…).${name} may be a call of ${name}()`);
  }

  /** Functions of users that a call in this scope could select. */
  callable(call: FuncCall, scope: Scope): readonly UserCallable[] {
    const isOpen = (node: Node | undefined): boolean =>
      call.func_variadic === true || this.usesWholeRow || this.isOpen(node, scope);
    return this.names.callable(nameParts(call.funcname), argumentsOf(call).map(isOpen));
  }

  touchResolved(resolved: Resolved): void {
    for (const { item, column } of resolved.columns) this.touch(column, item);
    if (resolved.wholeRow === null) return;
    this.usesWholeRow = true;
    this.touchAll(resolved.wholeRow);
  }
}

function constant({ sval }: A_Const): void {
  const text = sval?.sval;
  if (text !== undefined && namesMovingMoment(text)) {
    throw new Uncacheable('uncacheable.volatileFunction', `'${text}' may be read as a date or time that moves`);
  }
}

function column({ fields }: { readonly fields?: Node[] }, scope: Scope, walk: ExpressionWalk): void {
  const { database } = walk.names.catalog;
  const last = fields?.[fields.length - 1];
  if (last !== undefined && 'A_Star' in last) {
    walk.usesWholeRow = true;
    walk.touchStar(nameParts(fields!.slice(0, -1)), scope);
    return;
  }
  const names = nameParts(fields);
  if (names.length === 0) throw new Uncacheable('uncacheable.construct', 'ColumnRef');
  walk.touchResolved(resolveColumn(scope, names, database));
}

/** @throws Uncacheable unless reading the value of the type gives the same each time under equal settings. */
function cast({ arg, typeName }: TypeCast, scope: Scope, walk: ExpressionWalk): void {
  const type = typeName === undefined ? undefined : walk.names.type(typeName);
  const text = nameParts(typeName?.names).join('.');
  if (type === undefined || !type.trusted || type.input === 'untrusted' || typeName?.setof === true) {
    throw new Uncacheable('uncacheable.userType', `cast to ${text}`);
  }
  if (type.input === 'catalog') {
    throw new Uncacheable('uncacheable.systemCatalog', `cast to ${text} looks names up in the system catalogs`);
  }
  if (type.input === 'moment' && walk.names.immutable)
    throw new Uncacheable('uncacheable.userFunction', `cast to ${text}`);
  walk.reads.restOnType(type.oid);
  walk.visitAll(typeName?.typmods, scope);
  if (type.input === 'moment') momentCast(arg, text, scope, walk);
  else if (arg !== undefined && 'A_Const' in arg) return;
  else if (arg !== undefined && 'ParamRef' in arg) walk.parameter(arg.ParamRef.number ?? 0, false);
  else walk.visit(arg, scope);
}

/** Text that is made while the statement runs may say 'now'; constants can be looked at, and dates are no text. */
function momentCast(arg: Node | undefined, text: string, scope: Scope, walk: ExpressionWalk): void {
  if (arg !== undefined && 'A_ArrayExpr' in arg) {
    for (const element of arg.A_ArrayExpr.elements ?? []) momentCast(element, text, scope, walk);
    return;
  }
  if (arg !== undefined && 'ParamRef' in arg) {
    const number = arg.ParamRef.number ?? 0;
    walk.parameter(number, true);
    walk.reads.momentParameters.add(number);
    return;
  }
  walk.visit(arg, scope);
  if (arg !== undefined && 'A_Const' in arg) return;
  const from = walk.names.catalog.types.get(inferType(walk.names, scope, arg));
  if (from?.input !== 'moment') {
    throw new Uncacheable('uncacheable.volatileFunction', `cast to ${text} of a text that may say 'now'`);
  }
}

const betweenOperators = ['<', '>', '<=', '>='] as const;

function operation(expression: A_Expr, scope: Scope, walk: ExpressionWalk): void {
  const { kind, name, lexpr, rexpr } = expression;
  const parts = nameParts(name);
  const operands = rexpr !== undefined && 'List' in rexpr ? (rexpr.List.items ?? []) : [rexpr];
  const between = kind?.includes('BETWEEN') === true;
  if (kind === 'AEXPR_OP_ANY' || kind === 'AEXPR_OP_ALL') {
    // The other side is an array: its elements take the type of this one.
    walk.visit(lexpr, scope);
    walk.visitBeside(rexpr, lexpr, scope);
  } else if (between || comparisons.has(parts.at(-1) ?? '')) {
    walk.visitBeside(lexpr, operands[0], scope);
    for (const operand of operands) walk.visitBeside(operand, lexpr, scope);
  } else {
    walk.visit(lexpr, scope);
    for (const operand of operands) walk.visit(operand, scope);
  }
  // After the visits, which find out whether whole rows are in use.
  for (const operator of between ? betweenOperators.map((op) => [op]) : [parts]) {
    for (const operand of operands) requireOperator(operator, lexpr, operand, scope, walk);
  }
}

/** Rows are compared element by element. */
function requireOperator(
  parts: readonly string[],
  left: Node | undefined,
  right: Node | undefined,
  scope: Scope,
  walk: ExpressionWalk,
): void {
  if (left !== undefined && right !== undefined && 'RowExpr' in left && 'RowExpr' in right) {
    const others = right.RowExpr.args ?? [];
    for (const [i, node] of (left.RowExpr.args ?? []).entries()) requireOperator(parts, node, others[i], scope, walk);
  } else walk.operator(parts, left === undefined ? [right] : [left, right], scope);
}

function call(expression: FuncCall, scope: Scope, walk: ExpressionWalk): void {
  const { args, agg_order, agg_filter, over } = expression;
  const parts = nameParts(expression.funcname);
  const name = parts.at(-1) ?? '';
  if (momentCastFunctions.has(name) && args?.length === 1) momentCast(args[0], name, scope, walk);
  else walk.visitAll(args, scope);
  if (!readsKeySetting(expression, walk.names)) {
    for (const { oid } of walk.callable(expression, scope)) {
      walk.expansion.routine(oid, args?.length ?? 0, walk.names.immutable);
    }
  }
  walk.visitAll(agg_order, scope);
  walk.visit(agg_filter, scope);
  if (over !== undefined) window(over, scope, walk);
}

/** `current_setting` of a setting that is in the key of every answer. */
function readsKeySetting({ funcname, args = [] }: FuncCall, { catalog, immutable, schemas }: Names): boolean {
  const parts = nameParts(funcname);
  // Definitions have the name as 'app.tenant'::text.
  const [name, missing] = args.map((arg) => ('TypeCast' in arg ? arg.TypeCast.arg : arg));
  if (parts.at(-1) !== 'current_setting' || immutable || name === undefined || !('A_Const' in name)) return false;
  if (missing !== undefined && !('A_Const' in missing)) return false;
  const searched = parts.length === 1 ? schemas : parts.slice(0, 1);
  const open = args.map(() => true);
  if (!searched.includes('pg_catalog') || catalog.routines.mayCallUser('current_setting', searched, open)) return false;
  const setting = name.A_Const.sval?.sval?.toLowerCase() ?? '';
  return catalog.keySettings.includes(setting) || isResultSetting(setting);
}

export function window(definition: WindowDef, scope: Scope, walk: ExpressionWalk): void {
  walk.visitAll(definition.partitionClause, scope);
  walk.visitAll(definition.orderClause, scope);
  walk.visit(definition.startOffset, scope);
  walk.visit(definition.endOffset, scope);
}

function sort({ node, useOp }: SortBy, scope: Scope, walk: ExpressionWalk): void {
  walk.visit(node, scope);
  if (useOp !== undefined) walk.operator(nameParts(useOp), [node, node], scope);
}

function sublink({ testexpr, operName, subselect }: SubLink, scope: Scope, walk: ExpressionWalk): void {
  if (subselect === undefined || !('SelectStmt' in subselect))
    throw new Uncacheable('uncacheable.construct', 'SubLink');
  if (testexpr !== undefined) {
    const operator = operName === undefined ? ['='] : nameParts(operName);
    const operands = 'RowExpr' in testexpr ? (testexpr.RowExpr.args ?? []) : [testexpr];
    walk.visit(testexpr, scope);
    for (const operand of operands) walk.operator(operator, [operand, undefined], scope);
  }
  walk.visitSelect(subselect.SelectStmt, scope);
}

const keyValues: ReadonlySet<string> = new Set([
  'SVFOP_CURRENT_ROLE',
  'SVFOP_CURRENT_USER',
  'SVFOP_USER',
  'SVFOP_SESSION_USER',
  'SVFOP_CURRENT_CATALOG',
  'SVFOP_CURRENT_SCHEMA',
]);

type NodeOf<K extends string> = Node extends infer N ? (N extends { [P in K]: infer V } ? V : never) : never;

/** Every node type an expression may hold. */
const visitors: Readonly<Record<string, unknown>> = {
  ...jsonVisitors,
  A_Const: constant satisfies Visitor<A_Const>,
  ColumnRef: column,
  TypeCast: cast,
  A_Expr: operation,
  FuncCall: call,
  WindowDef: window,
  SortBy: sort,
  SubLink: sublink,
  ParamRef: (({ number }, _scope, walk) => walk.parameter(number ?? 0, true)) satisfies Visitor<NodeOf<'ParamRef'>>,
  List: (({ items }, scope, walk) => walk.visitAll(items, scope)) satisfies Visitor<NodeOf<'List'>>,
  BoolExpr: (({ args }, scope, walk) => walk.visitAll(args, scope)) satisfies Visitor<NodeOf<'BoolExpr'>>,
  NullTest: (({ arg }, scope, walk) => walk.visit(arg, scope)) satisfies Visitor<NodeOf<'NullTest'>>,
  BooleanTest: (({ arg }, scope, walk) => walk.visit(arg, scope)) satisfies Visitor<NodeOf<'BooleanTest'>>,
  NamedArgExpr: (({ arg }, scope, walk) => walk.visit(arg, scope)) satisfies Visitor<NodeOf<'NamedArgExpr'>>,
  CoalesceExpr: (({ args }, scope, walk) => walk.visitAll(args, scope)) satisfies Visitor<NodeOf<'CoalesceExpr'>>,
  MinMaxExpr: (({ args }, scope, walk) => walk.visitAll(args, scope)) satisfies Visitor<NodeOf<'MinMaxExpr'>>,
  RowExpr: (({ args }, scope, walk) => walk.visitAll(args, scope)) satisfies Visitor<NodeOf<'RowExpr'>>,
  GroupingFunc: (({ args }, scope, walk) => walk.visitAll(args, scope)) satisfies Visitor<NodeOf<'GroupingFunc'>>,
  GroupingSet: (({ content }, scope, walk) => walk.visitAll(content, scope)) satisfies Visitor<NodeOf<'GroupingSet'>>,
  A_ArrayExpr: (({ elements }, scope, walk) => walk.visitAll(elements, scope)) satisfies Visitor<NodeOf<'A_ArrayExpr'>>,
  CollateClause: (({ arg, collname }, scope, walk) => {
    walk.names.requireTrustedCollation(nameParts(collname));
    walk.visit(arg, scope);
  }) satisfies Visitor<NodeOf<'CollateClause'>>,
  CaseExpr: (({ arg, args, defresult }, scope, walk) => {
    if (arg !== undefined) {
      for (const branch of args ?? []) {
        if ('CaseWhen' in branch) walk.operator(['='], [arg, branch.CaseWhen.expr], scope);
      }
    }
    walk.visit(arg, scope);
    walk.visitAll(args, scope);
    walk.visit(defresult, scope);
  }) satisfies Visitor<NodeOf<'CaseExpr'>>,
  CaseWhen: (({ expr, result }, scope, walk) => {
    walk.visit(expr, scope);
    walk.visit(result, scope);
  }) satisfies Visitor<NodeOf<'CaseWhen'>>,
  A_Indirection: (({ arg, indirection }, scope, walk) => {
    walk.visit(arg, scope);
    for (const step of indirection ?? []) {
      if ('A_Star' in step) continue;
      if ('String' in step) {
        walk.field(step.String.sval ?? '');
        continue;
      }
      if (!('A_Indices' in step)) throw new Uncacheable('uncacheable.construct', 'part of an expression');
      walk.visit(step.A_Indices.lidx, scope);
      walk.visit(step.A_Indices.uidx, scope);
    }
  }) satisfies Visitor<NodeOf<'A_Indirection'>>,
  SQLValueFunction: (({ op }, _scope, walk) => {
    // Who asks, and where, is in the key.
    if (keyValues.has(op ?? '') && !walk.names.immutable) return;
    throw new Uncacheable('uncacheable.volatileFunction', (op ?? '').replace('SVFOP_', '').toLowerCase());
  }) satisfies Visitor<NodeOf<'SQLValueFunction'>>,
};
