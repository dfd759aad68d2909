/**
 * Point writes (C16): statements whose text says, by the primary key, which rows they change.
 *
 *   UPDATE t SET … WHERE key = constant [AND …]      no key column is set        the rows are those of the key, before and after
 *   DELETE FROM t WHERE key = constant [AND …]                                   further conditions only take rows away
 *   INSERT INTO t … VALUES (constant, …), …          no ON CONFLICT DO UPDATE    a row in conflict is left alone
 *
 * A key of several columns needs each of them. Whatever is not certain is no point: then any row may have changed. What of this a table
 * decides (triggers, rules, relatives, cascades back into it) is found in writes.ts.
 */
import type { A_Expr, DeleteStmt, InsertStmt, Node, UpdateStmt } from 'libpg-query';
import { canonicalTypeOf } from '../../shared/canonical.ts';
import { Limits } from '../../shared/limits.ts';
import type { KeyConstant, RowKey } from '../../shared/messages.ts';
import type { Column, Relation } from '../catalog.ts';
import type { OpenArguments } from '../catalog-objects.ts';
import { constantOf, declaredType, fitsFamily, type LiftedAt } from './constant.ts';
import { type Names, nameParts } from './names.ts';
import { Uncacheable } from './verdict.ts';

export interface PointContext {
  /** Declared types of parameters, 0 or missing where the client left them open. */
  readonly parameterTypes: readonly number[];
  readonly liftedAt: LiftedAt;
}

/**
 * The keys of all rows of `target` that the statement may change; null: any row.
 * @param kind the node type of `statement`: InsertStmt …
 */
export function pointsOf(
  kind: string,
  statement: unknown,
  target: Relation,
  names: Names,
  context: PointContext,
): readonly RowKey[] | null {
  const key = keyOf(target);
  const uses = key === null ? null : parameterUses(statement);
  if (key === null || uses === null) return null;
  const finder = new PointFinder(target, key, names, context, uses);
  switch (kind) {
    case 'InsertStmt':
      return finder.insert(statement as InsertStmt);
    case 'UpdateStmt':
      return finder.update(statement as UpdateStmt);
    case 'DeleteStmt':
      return finder.delete(statement as DeleteStmt);
    default:
      return null;
  }
}

/** Columns of the primary key, where every one is of a type whose canonical text decides equality. */
function keyOf(relation: Relation): readonly Column[] | null {
  const columns = relation.primaryKey.map((name) => relation.column.get(name));
  const isUsable = columns.every((column) => column !== undefined && !column.generated && hasCanonicalText(column));
  return columns.length > 0 && isUsable ? (columns as Column[]) : null;
}

/** A modifier rounds a time as it is stored; that it cuts a text is seen to by the fences. */
function hasCanonicalText({ type, typeModifier, deterministic }: Column): boolean {
  const family = canonicalTypeOf(type)?.family;
  if (family === undefined || family === 'numeric') return false;
  return family === 'string' ? deterministic : typeModifier === -1;
}

/** How often each parameter occurs; null when there is a sub-query or a WITH anywhere in the statement. */
function parameterUses(statement: unknown): ReadonlyMap<number, number> | null {
  const uses = new Map<number, number>();
  const pending: unknown[] = [statement];
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value !== 'object' || value === null) continue;
    if ('SubLink' in value || 'withClause' in value) return null;
    if ('ParamRef' in value) {
      const { number = 0 } = value.ParamRef as { number?: number };
      uses.set(number, (uses.get(number) ?? 0) + 1);
    }
    pending.push(...Object.values(value));
  }
  return uses;
}

class PointFinder {
  readonly #target: Relation;
  readonly #key: readonly Column[];
  readonly #names: Names;
  readonly #context: PointContext;
  readonly #uses: ReadonlyMap<number, number>;

  constructor(
    target: Relation,
    key: readonly Column[],
    names: Names,
    context: PointContext,
    uses: ReadonlyMap<number, number>,
  ) {
    this.#target = target;
    this.#key = key;
    this.#names = names;
    this.#context = context;
    this.#uses = uses;
  }

  update({ relation, targetList, whereClause, fromClause }: UpdateStmt): readonly RowKey[] | null {
    if (fromClause !== undefined || targetList === undefined) return null;
    for (const target of targetList) {
      const name = 'ResTarget' in target ? target.ResTarget.name : undefined;
      if (name === undefined || this.#key.some((column) => column.name === name)) return null;
    }
    return this.#where(whereClause, relation?.alias?.aliasname ?? relation?.relname ?? '');
  }

  delete({ relation, usingClause, whereClause }: DeleteStmt): readonly RowKey[] | null {
    if (usingClause !== undefined) return null;
    return this.#where(whereClause, relation?.alias?.aliasname ?? relation?.relname ?? '');
  }

  insert({ cols, selectStmt, onConflictClause, override }: InsertStmt): readonly RowKey[] | null {
    if (onConflictClause !== undefined && onConflictClause.action !== 'ONCONFLICT_NOTHING') return null;
    // OVERRIDING USER VALUE puts the identity's number in the place of the one given.
    if (override !== undefined && override !== 'OVERRIDING_NOT_SET') return null;
    const rows = valuesOf(selectStmt);
    const positions = this.#positions(cols);
    if (rows === null || positions === null || rows.length > Limits.fencePointsPerTableMax) return null;
    const keys: RowKey[] = [];
    for (const row of rows) {
      const items = 'List' in row ? (row.List.items ?? []) : [];
      const constants = this.#key.map((column, i) => this.#constant(column, items[positions[i]!]));
      if (!constants.every((constant) => constant !== null)) return null;
      keys.push(constants);
    }
    return keys;
  }

  /** Where in a row of VALUES the key's columns are; null when one has its default. */
  #positions(cols: readonly Node[] | undefined): readonly number[] | null {
    const names = cols?.map((node) => ('ResTarget' in node ? node.ResTarget : {}));
    // `INSERT INTO t (pair.field)` sets a part of a column.
    if (names?.some(({ indirection }) => indirection !== undefined) === true) return null;
    const given = names?.map(({ name }) => name) ?? this.#target.columns.map(({ name }) => name);
    const positions = this.#key.map(({ name }) => given.indexOf(name));
    return positions.includes(-1) ? null : positions;
  }

  #where(condition: Node | undefined, alias: string): readonly RowKey[] | null {
    const found = new Map<string, KeyConstant>();
    const pending: (Node | undefined)[] = [condition];
    while (pending.length > 0) {
      const node = pending.pop();
      if (node === undefined) continue;
      if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') pending.push(...(node.BoolExpr.args ?? []));
      else if ('A_Expr' in node) this.#equality(node.A_Expr, alias, found);
    }
    const row = this.#key.map(({ name }) => found.get(name));
    return row.every((constant) => constant !== undefined) ? [row] : null;
  }

  #equality({ kind, name, lexpr, rexpr }: A_Expr, alias: string, found: Map<string, KeyConstant>): void {
    const operator = nameParts(name);
    if (kind !== 'AEXPR_OP' || operator.at(-1) !== '=') return;
    const left = this.#keyColumn(lexpr, alias);
    const column = left ?? this.#keyColumn(rexpr, alias);
    if (column === null || found.has(column.name)) return;
    const constant = this.#constant(column, left === null ? lexpr : rexpr);
    const open = left === null ? [true, false] : [false, true];
    if (constant !== null && this.#isOwnEquality(operator, open)) found.set(column.name, constant);
  }

  /** Not a user's operator of that name. */
  #isOwnEquality(operator: readonly string[], open: OpenArguments): boolean {
    try {
      this.#names.requireTrustedOperator(operator, open);
      return true;
    } catch (error) {
      if (error instanceof Uncacheable) return false;
      throw error;
    }
  }

  #keyColumn(node: Node | undefined, alias: string): Column | null {
    if (node === undefined || !('ColumnRef' in node)) return null;
    const fields = nameParts(node.ColumnRef.fields);
    if (fields.length > 2 || (fields.length === 2 && fields[0] !== alias)) return null;
    return this.#key.find((column) => column.name === fields.at(-1)) ?? null;
  }

  #constant(column: Column, node: Node | undefined): KeyConstant | null {
    const constant = constantOf(node, this.#names, this.#context.liftedAt);
    const type = canonicalTypeOf(column.type);
    if (constant === null || type === undefined) return null;
    const { parameter, source } = constant;
    const declared = declaredType(this.#context.parameterTypes, parameter);
    // The type of a parameter that is left open is that of its first use, which need not be this one.
    if (parameter > 0 && declared === 0 && this.#uses.get(parameter) !== 1) return null;
    return fitsFamily(type.family, constant, declared) ? { type: type.canonical, source } : null;
  }
}

/** The rows of a plain VALUES list: one that is sorted or cut resolves its types by itself. */
function valuesOf(node: Node | undefined): readonly Node[] | null {
  if (node === undefined || !('SelectStmt' in node)) return null;
  const { valuesLists, sortClause, limitCount, limitOffset, lockingClause } = node.SelectStmt;
  const isPlain = [sortClause, limitCount, limitOffset, lockingClause].every((clause) => clause === undefined);
  return isPlain && valuesLists !== undefined ? valuesLists : null;
}
