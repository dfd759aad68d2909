/** The walk over a SELECT: WITH, FROM, set operations, and the clauses in their scopes. */
import type { CommonTableExpr, JoinExpr, Node, RangeVar, SelectStmt, WithClause } from 'libpg-query';
import { isBuiltIn } from '../catalog.ts';
import type { LiftedAt } from './constant.ts';
import { type ColumnEquality, comparable, findConstraints } from './constraints.ts';
import type { Expansion } from './expansion.ts';
import { ExpressionWalk, window } from './expressions.ts';
import { type JoinSides, LevelConstraints } from './level.ts';
import { type Names, nameParts } from './names.ts';
import { everyColumn, outputsOf, starQualifier } from './outputs.ts';
import { jsonTable, rangeFunction } from './range-function.ts';
import type { Reads } from './reads.ts';
import {
  derived,
  type FromItem,
  insideOf,
  type OutputColumn,
  type Scope,
  type SourceColumn,
  type TableReference,
  UNKNOWN_TYPE,
} from './scope.ts';
import { tablesBehind } from './tables.ts';
import { withSources } from './transparent.ts';
import { Uncacheable } from './verdict.ts';

/** Names given by WITH, innermost first. Null: named, but not analysed yet (a forward reference). */
interface CteScope {
  readonly names: Map<string, readonly OutputColumn[] | null>;
  readonly outer: CteScope | null;
}

interface Level {
  readonly scope: Scope | null;
  readonly ctes: CteScope | null;
}

/** An ON condition, to be visited when its sides are known, or what USING compares. */
interface JoinCondition extends JoinSides {
  readonly condition: Node | undefined;
  readonly equalities: readonly ColumnEquality[];
}

/** The joins of a FROM clause, innermost first, and where the walk is among them. */
interface Joins {
  readonly conditions: JoinCondition[];
  /** Names that a join of this level merges. */
  readonly merged: Set<string>;
  /** Only inner joins are above. */
  readonly isAlways: boolean;
}

export class QueryWalk {
  readonly #names: Names;
  readonly #reads: Reads;
  readonly #liftedAt: LiftedAt;
  readonly #expressions: ExpressionWalk;
  #ctes: CteScope | null = null;
  /** Levels that were walked, those inside another before it. */
  #levels: LevelConstraints[] = [];
  readonly #levelOf = new Map<FromItem, LevelConstraints>();

  constructor(names: Names, reads: Reads, liftedAt: LiftedAt, expansion: Expansion) {
    this.#names = names;
    this.#reads = reads;
    this.#liftedAt = liftedAt;
    this.#expressions = new ExpressionWalk(names, reads, expansion, (select, outer) =>
      this.#query(select, { scope: outer, ctes: this.#ctes }),
    );
  }

  /** @throws Uncacheable. */
  run(select: SelectStmt, outer: Scope | null = null): readonly OutputColumn[] {
    const outputs = this.#query(select, { scope: outer, ctes: null });
    this.#settle();
    return outputs;
  }

  /** @throws Uncacheable. */
  visitAll(nodes: readonly Node[], scope: Scope): void {
    this.#expressions.visitAll(nodes, scope);
    this.#settle();
  }

  /** What is known of a query is said of those inside. */
  #settle(): void {
    for (const level of this.#levels.toReversed()) level.settle((item) => this.#levelOf.get(item));
    this.#levels = [];
  }

  /** Walks one query level; names of WITH are in `level.ctes` and, for sub-selects in expressions, in `#ctes`. */
  #query(
    select: SelectStmt,
    level: Level,
    onLeft?: (outputs: readonly OutputColumn[]) => void,
  ): readonly OutputColumn[] {
    if (select.intoClause !== undefined) throw new Uncacheable('statement.write', 'SELECT INTO');
    if (select.lockingClause !== undefined) throw new Uncacheable('uncacheable.lockingClause', 'row locks');
    const before = this.#ctes;
    const ctes = select.withClause === undefined ? level.ctes : this.#with(select.withClause, level);
    this.#ctes = ctes;
    const outputs = this.#body(select, { scope: level.scope, ctes }, onLeft);
    this.#ctes = before;
    return outputs;
  }

  #body(
    select: SelectStmt,
    level: Level,
    onLeft?: (outputs: readonly OutputColumn[]) => void,
  ): readonly OutputColumn[] {
    if (select.op !== undefined && select.op !== 'SETOP_NONE') return this.#setOperation(select, level, onLeft);
    if (select.valuesLists !== undefined) return this.#values(select, level);
    const joins: Joins = { conditions: [], merged: new Set(), isAlways: true };
    const items: FromItem[] = [];
    for (const node of select.fromClause ?? []) items.push(...this.#from(node, level, items, joins));
    const scope: Scope = { items, merged: joins.merged, outputs: null, outer: level.scope };
    const walk = this.#expressions;
    const nullable = this.#constrain(select.whereClause, scope, joins.conditions);
    for (const target of select.targetList ?? []) if ('ResTarget' in target) this.#target(target.ResTarget.val, scope);
    const shown = outputsOf(select.targetList ?? [], scope, this.#names);
    const outputs = withSources(shown, select, scope, this.#names, nullable);
    const named: Scope = { ...scope, outputs };
    walk.visitAll(select.groupClause, named);
    walk.visit(select.havingClause, scope);
    for (const node of select.windowClause ?? []) if ('WindowDef' in node) window(node.WindowDef, named, walk);
    walk.visitAll(select.distinctClause, named);
    this.#tail(select, named);
    return outputs;
  }

  /** Visits the conditions of a level and gathers what they say about its tables; gives those that a join may put NULLs in the place of. */
  #constrain(where: Node | undefined, scope: Scope, joins: readonly JoinCondition[]): ReadonlySet<TableReference> {
    const constraints = new LevelConstraints();
    const walk = this.#expressions;
    for (const join of joins) {
      const sides: Scope = { items: [...join.left, ...join.right], outputs: null, outer: scope.outer };
      walk.visit(join.condition, sides);
      const { finding, equalities } = findConstraints(
        join.condition,
        sides,
        walk,
        this.#liftedAt,
        constraints.nullable,
      );
      constraints.on(join, finding, { ...equalities, columns: [...equalities.columns, ...join.equalities] });
    }
    walk.visit(where, scope);
    const { finding, equalities } = findConstraints(where, scope, walk, this.#liftedAt, constraints.nullable);
    constraints.where(finding, equalities);
    this.#levels.push(constraints);
    for (const item of scope.items) this.#levelOf.set(item, constraints);
    return constraints.nullable;
  }

  #target(node: Node | undefined, scope: Scope): void {
    const star = starQualifier(node);
    if (star === null) this.#expressions.visit(node, scope);
    else this.#expressions.touchStar(star, scope);
  }

  #tail(select: SelectStmt, scope: Scope): void {
    this.#expressions.visitAll(select.sortClause, scope);
    this.#expressions.visit(select.limitOffset, scope);
    this.#expressions.visit(select.limitCount, scope);
  }

  #setOperation(
    select: SelectStmt,
    level: Level,
    onLeft?: (outputs: readonly OutputColumn[]) => void,
  ): readonly OutputColumn[] {
    if (select.larg === undefined || select.rarg === undefined) throw new Uncacheable('uncacheable.construct', 'UNION');
    const left = this.#query(select.larg, level);
    onLeft?.(left);
    const right = this.#query(select.rarg, level);
    const outputs = left.map(({ name, type }, i) => ({ name, type: right[i]?.type === type ? type : UNKNOWN_TYPE }));
    this.#tail(select, { items: [], outputs, outer: level.scope });
    return outputs;
  }

  #values(select: SelectStmt, level: Level): readonly OutputColumn[] {
    const scope: Scope = { items: [], outputs: null, outer: level.scope };
    this.#expressions.visitAll(select.valuesLists, scope);
    const first = select.valuesLists?.[0];
    const width = first !== undefined && 'List' in first ? (first.List.items?.length ?? 0) : 0;
    const outputs = Array.from({ length: width }, (_, i) => ({ name: `column${i + 1}`, type: UNKNOWN_TYPE }));
    this.#tail(select, { ...scope, outputs });
    return outputs;
  }

  #with({ ctes, recursive }: WithClause, level: Level): CteScope {
    const scope: CteScope = { names: new Map(), outer: level.ctes };
    const list = (ctes ?? []).map((node) => ('CommonTableExpr' in node ? node.CommonTableExpr : {}));
    // With RECURSIVE every name of the list is visible in all of it.
    if (recursive === true) for (const { ctename } of list) scope.names.set(ctename ?? '', null);
    for (const cte of list) this.#cte(cte, { scope: level.scope, ctes: scope });
    return scope;
  }

  #cte(cte: CommonTableExpr, level: { readonly scope: Scope | null; readonly ctes: CteScope }): void {
    const { ctename, ctequery, aliascolnames, search_clause, cycle_clause } = cte;
    if (ctequery === undefined || !('SelectStmt' in ctequery)) {
      throw new Uncacheable('statement.write', `WITH ${ctename ?? ''} writes`);
    }
    const added = [
      search_clause?.search_seq_column,
      cycle_clause?.cycle_mark_column,
      cycle_clause?.cycle_path_column,
    ].flatMap((name) => (name === undefined ? [] : [{ name, type: UNKNOWN_TYPE }]));
    const aliases = nameParts(aliascolnames);
    const define = (outputs: readonly OutputColumn[]): void => {
      // It may be read more than once: what is said of one reading is not said of the others.
      const columns = outputs.map(({ name, type }, i) => ({ name: aliases[i] ?? name, type }));
      level.ctes.names.set(ctename ?? '', [...columns, ...added]);
    };
    // The recursive term of a query that refers to itself knows the columns of the first term.
    const recursive = level.ctes.names.has(ctename ?? '');
    // Rows are ordered and compared by PostgreSQL's own operators on columns that were looked at; the marks are constants.
    if (added.length > 0) this.#names.requireTrustedOperator(['='], [true, true]);
    for (const mark of [cycle_clause?.cycle_mark_value, cycle_clause?.cycle_mark_default]) {
      this.#expressions.visit(mark, { items: [], outputs: null, outer: null });
    }
    define(this.#query(ctequery.SelectStmt, level, recursive ? define : undefined));
  }

  #from(node: Node, level: Level, before: readonly FromItem[], joins: Joins): FromItem[] {
    if ('RangeVar' in node) return [this.#rangeVar(node.RangeVar, level)];
    if ('JoinExpr' in node) return this.#join(node.JoinExpr, level, before, joins);
    const lateral: Scope = { items: before, outputs: null, outer: level.scope };
    if ('RangeSubselect' in node) {
      const { subquery, alias, lateral: isLateral } = node.RangeSubselect;
      if (subquery === undefined || !('SelectStmt' in subquery)) throw new Uncacheable('uncacheable.construct', 'FROM');
      const scope = isLateral === true ? lateral : level.scope;
      const outputs = this.#query(subquery.SelectStmt, { scope, ctes: level.ctes });
      return [derived(alias?.aliasname ?? null, outputs, nameParts(alias?.colnames), false)];
    }
    if ('RangeFunction' in node) return [rangeFunction(node.RangeFunction, lateral, this.#expressions)];
    if ('JsonTable' in node) return [jsonTable(node.JsonTable, lateral, this.#expressions)];
    if ('RangeTableSample' in node) throw new Uncacheable('uncacheable.tableSample', 'TABLESAMPLE');
    throw new Uncacheable('uncacheable.construct', Object.keys(node)[0] ?? 'FROM');
  }

  #rangeVar(range: RangeVar, { ctes }: Level): FromItem {
    const { relname, schemaname, alias, inh } = range;
    const colnames = nameParts(alias?.colnames);
    const name = alias?.aliasname ?? relname ?? '';
    for (let scope = schemaname === undefined ? ctes : null; scope !== null; scope = scope.outer) {
      const outputs = scope.names.get(relname ?? '');
      if (outputs === null)
        throw new Uncacheable('uncacheable.construct', `forward reference to WITH ${relname ?? ''}`);
      if (outputs !== undefined) return derived(name, outputs, colnames, false);
    }
    const relation = this.#names.relation(range);
    if (relation === undefined) {
      throw new Uncacheable('uncacheable.unknownRelation', [schemaname, relname].filter(Boolean).join('.'));
    }
    const { expansion } = this.#expressions;
    if (this.#names.immutable) throw new Uncacheable('uncacheable.userFunction', `IMMUTABLE, yet it reads ${relname}`);
    const item = { alias: name, isTableName: alias === undefined, schema: relation.schema, open: false };
    if (relation.kind === 'v' && !isBuiltIn(relation.oid)) {
      const columns = expansion.view(relation);
      return { ...item, columns: renamed(columns, colnames), table: null, inside: insideOf(columns) };
    }
    const { catalog } = this.#names;
    const streamed = tablesBehind(catalog, relation, inh !== true, (problem) => this.#reads.postpone(problem));
    const table = this.#reads.addTable(relation, streamed);
    expansion.policies(relation);
    const columns = relation.columns.map((column): SourceColumn => ({ name: column.name, type: column.type, column }));
    return { ...item, columns: renamed(columns, colnames), table };
  }

  #join(join: JoinExpr, level: Level, before: readonly FromItem[], joins: Joins): FromItem[] {
    const { jointype, larg, rarg, quals, usingClause, isNatural, alias, join_using_alias } = join;
    if (larg === undefined || rarg === undefined) throw new Uncacheable('uncacheable.construct', 'JOIN');
    // Behind an alias the names that are merged are this join's alone.
    const merged = alias === undefined ? joins.merged : new Set<string>();
    const inside: Joins = { ...joins, merged, isAlways: joins.isAlways && jointype === 'JOIN_INNER' };
    const left = this.#from(larg, level, before, inside);
    const right = this.#from(rarg, level, [...before, ...left], inside);
    const items = [...left, ...right];
    const sides = { JOIN_INNER: items, JOIN_LEFT: right, JOIN_RIGHT: left, JOIN_FULL: [] };
    const constrained = (sides as Readonly<Record<string, readonly FromItem[]>>)[jointype ?? ''];
    const nullable = jointype === 'JOIN_INNER' ? [] : jointype === 'JOIN_FULL' ? items : (constrained ?? []);
    if (constrained === undefined) throw new Uncacheable('uncacheable.construct', jointype ?? 'JOIN');
    const merges = usingClause !== undefined || isNatural === true;
    const equalities = merges ? this.#merge(left, right, isNatural === true ? null : nameParts(usingClause)) : [];
    joins.conditions.push({ ...inside, condition: quals, equalities, left, right, constrained, nullable });
    if (merges) for (const name of mergedNames(left, right, usingClause)) merged.add(name);
    if (join_using_alias !== undefined) {
      const columns = nameParts(usingClause).map((name) => ({ name, type: UNKNOWN_TYPE }));
      items.push({ ...derived(join_using_alias.aliasname ?? '', columns, [], false), isHidden: true });
    }
    if (alias === undefined) return items;
    for (const item of items) this.#expressions.touchAll(item);
    return [derived(alias.aliasname ?? null, everyColumn({ items, merged }), nameParts(alias.colnames), false)];
  }

  /** USING and NATURAL compare columns with the operator `=`. */
  #merge(left: readonly FromItem[], right: readonly FromItem[], names: readonly string[] | null): ColumnEquality[] {
    this.#names.requireTrustedOperator(['='], [false, false]);
    for (const item of [...left, ...right]) {
      for (const column of item.isHidden ? [] : item.columns) {
        if (names === null || names.includes(column.name)) this.#expressions.touch(column, item);
      }
    }
    const merged = names ?? left.flatMap(({ columns }) => columns.map(({ name }) => name));
    const { encoding } = this.#names.catalog;
    return [...new Set(merged)].flatMap((name) =>
      equalityOf(columnsOf(left, name, encoding), columnsOf(right, name, encoding)),
    );
  }
}

function mergedNames(left: readonly FromItem[], right: readonly FromItem[], using: Node[] | undefined): string[] {
  if (using !== undefined) return nameParts(using);
  const namesOf = (items: readonly FromItem[]) => items.flatMap(({ columns }) => columns.map(({ name }) => name));
  const others = new Set(namesOf(right));
  return namesOf(left).filter((name) => others.has(name));
}

function columnsOf(items: readonly FromItem[], name: string, encoding: string): ReturnType<typeof comparable>[] {
  return items.flatMap((item) =>
    (item.isHidden ? [] : item.columns)
      .filter((column) => column.name === name)
      .map((column) => comparable(column, item, encoding)),
  );
}

/** Where a side has the name more than once it is merged already, and which column it then is depends on the joins. */
function equalityOf(left: ReturnType<typeof columnsOf>, right: ReturnType<typeof columnsOf>): ColumnEquality[] {
  const [a, b] = [left[0], right[0]];
  if (left.length !== 1 || right.length !== 1 || !a || !b || a.type.family !== b.type.family) return [];
  return [[a, b]];
}

function renamed(columns: readonly SourceColumn[], names: readonly string[]): readonly SourceColumn[] {
  return columns.map((column, i) => ({ ...column, name: names[i] ?? column.name }));
}
