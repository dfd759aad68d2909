/**
 * What stands behind the names of a statement: views, policies of tables with row level security, and SQL functions are walked as if
 * their definitions were written in their place.
 *
 * **Privileges.** The origin checks them with every fill, those of a view's owner included; the effective role is in the key, and whatever
 * changes a privilege changes the fingerprint of the catalog.
 *
 * **Row level security.** Which policies hold for a role is PostgreSQL's business: *all* that could filter a read are walked, so
 * that the answer depends on all they read, whoever asks, and each is made of nothing but rows and what the key has.
 *
 * **Functions.** A call is walked for each function of a user that it could select. Names in a body that is a text are looked up
 * when it runs, along the session's search_path.
 */
import type { Node, SelectStmt } from 'libpg-query';
import type { Relation } from '../catalog.ts';
import type { SqlFunction } from '../catalog-objects.ts';
import { ARGUMENTS, type Definitions } from './definitions.ts';
import { Names } from './names.ts';
import type { Reads } from './reads.ts';
import { type FromItem, type OutputColumn, type Scope, type SourceColumn, UNKNOWN_TYPE } from './scope.ts';
import { Uncacheable } from './verdict.ts';

/** Definitions walked for one statement: views of views can double with each step. */
const expansionsMax = 256;
/** Deepest nesting of expressions, sub-selects and definitions walked; the walk is recursive. */
const depthMax = 300;

/** What walks a definition (query.ts). */
export interface DefinitionWalk {
  run(select: SelectStmt, outer: Scope | null): readonly OutputColumn[];
  visitAll(nodes: readonly Node[], scope: Scope): void;
}

export interface ExpansionOptions {
  readonly definitions: Definitions;
  readonly reads: Reads;
  /** As the session's statements have it. */
  readonly names: Names;
  readonly walkOf: (names: Names, expansion: Expansion) => DefinitionWalk;
}

export class Expansion {
  readonly #options: ExpansionOptions;
  /** Everything that is not qualified is PostgreSQL's own. */
  readonly #qualified: Names;
  readonly #filtered = new Set<number>();
  #expansions = 0;
  #depth = 0;

  constructor(options: ExpansionOptions) {
    this.#options = options;
    this.#qualified = new Names(options.names.catalog, ['pg_catalog']);
  }

  /** @throws Uncacheable where the walk has become too deep; else to be followed by `leave`. */
  enter(): void {
    if (++this.#depth > depthMax) throw new Uncacheable('uncacheable.construct', `nested deeper than ${depthMax}`);
  }

  leave(): void {
    this.#depth--;
  }

  /** Walks the definition of a view. */
  view(view: Relation): readonly SourceColumn[] {
    const { definitions, reads, names, walkOf } = this.#options;
    const select = definitions.view(view.oid);
    if (select === null) throw new Uncacheable('uncacheable.view', `${view.schema}.${view.name}`);
    reads.restOnObject(view.oid);
    reads.restOn(names.catalog.views.get(view.oid)!);
    for (const column of view.columns) reads.restOnColumn(view.oid, column);
    this.#begin(`${view.schema}.${view.name}`);
    const outputs = walkOf(this.#qualified, this).run(select, null);
    this.leave();
    return view.columns.map(({ name, type }, i) => {
      const source = outputs.length === view.columns.length ? outputs[i]?.source : undefined;
      return { name, type, column: null, ...(source !== undefined && { source }) };
    });
  }

  /** Walks what filters the rows of a table that a statement reads; once for each statement, however often it is read. */
  policies(relation: Relation): void {
    if (!relation.rowSecurity || this.#filtered.has(relation.oid)) return;
    this.#filtered.add(relation.oid);
    const { definitions, reads, names, walkOf } = this.#options;
    const conditions = definitions.policies(relation.oid);
    const name = `${relation.schema}.${relation.name}`;
    if (conditions === null) throw new Uncacheable('uncacheable.rowSecurity', `the policies of ${name}`);
    for (const text of names.catalog.policies.get(relation.oid) ?? []) reads.restOn(text);
    const columns = relation.columns.map((column) => ({ name: column.name, type: column.type, column }));
    const item = { alias: relation.name, isTableName: true, open: false, table: null };
    const row: FromItem = { ...item, columns, filtered: relation.oid };
    this.#begin(name);
    try {
      walkOf(this.#qualified, this).visitAll(conditions, { items: [row], outputs: null, outer: null });
    } catch (error) {
      if (!(error instanceof Uncacheable)) throw error;
      throw new Uncacheable('uncacheable.rowSecurity', `a policy of ${name}: ${error.message}`, error.remedy);
    }
    this.leave();
  }

  /**
   * Walks the body of a function.
   * @param immutable it is called where nothing but constants may be computed
   * @throws Uncacheable unless everything that it does is known.
   */
  routine(oid: number, argumentCount: number, immutable: boolean): void {
    const { definitions, reads, names, walkOf } = this.#options;
    const routine = names.catalog.sqlFunctions.get(oid);
    if (routine === undefined) throw new Uncacheable('uncacheable.userFunction', 'a function that is not in SQL');
    const refuse = (why: string) => new Uncacheable('uncacheable.userFunction', `${routine.name}(): ${why}`);
    const problem = problemOf(routine, immutable) ?? this.#typeProblem(routine);
    if (problem !== null) throw refuse(problem);
    const body = definitions.body(routine);
    if (body === null) throw refuse('its body is not made of SELECT alone');
    reads.restOnObject(oid);
    reads.restOn(`${routine.body}\0${routine.defaults}\0${[routine.returns, ...(routine.types ?? [])].join(' ')}`);
    const scopeNames = routine.atomic ? this.#qualified : names;
    const own = new Names(scopeNames.catalog, scopeNames.schemas, 'none', routine.volatility === 'i');
    this.#begin(routine.name);
    const walk = walkOf(own, this);
    if (argumentCount < (routine.types?.length ?? 0)) {
      walkOf(this.#qualified, this).visitAll(body.defaults, { items: [], outputs: null, outer: null });
    }
    for (const select of body.statements) walk.run(select, argumentsOf(routine));
    this.leave();
  }

  /** Columns of the rows that the function returns in FROM; null where they are not known. */
  columnsOf(oid: number): readonly OutputColumn[] | null {
    const { catalog } = this.#options.names;
    const routine = catalog.sqlFunctions.get(oid);
    if (routine === undefined) return null;
    const row = catalog.relations.get(routine.returnsRelation);
    if (row !== undefined) return row.columns.map(({ name, type }) => ({ name, type }));
    const outputs = argumentsIn(routine, 'obt').map(({ name, type }) => ({ name, type: typeOfArgument(type) }));
    return outputs.length > 1 ? outputs : null;
  }

  #begin(name: string): void {
    this.enter();
    if (++this.#expansions <= expansionsMax) return;
    throw new Uncacheable('uncacheable.construct', `more than ${expansionsMax} definitions, ${name} among them`);
  }

  /** Values of types that are made of PostgreSQL's own go in and come out. */
  #typeProblem(routine: SqlFunction): string | null {
    const { catalog } = this.#options.names;
    const { types, relations } = catalog;
    const row = relations.get(routine.returnsRelation)?.columns.map(({ type }) => type);
    const all = [...(routine.types ?? []), ...(routine.allTypes ?? []), ...(row ?? [routine.returns])];
    return all.every((type) => types.isTrusted(type)) ? null : 'a user-defined type';
  }
}

/**
 * An immutable function may be computed while a statement is planned, and its value be kept with the plan: where it
 * says more than it should of itself, nobody knows what it was computed from.
 */
function problemOf(routine: SqlFunction, immutable: boolean): string | null {
  if (routine.volatility === 'v') return 'VOLATILE';
  if (immutable && routine.volatility !== 'i') return 'STABLE, called by one that is IMMUTABLE';
  if (routine.settings) return 'it has a SET clause';
  return routine.definer && !routine.atomic ? 'SECURITY DEFINER, with names looked up when it runs' : null;
}

/** Input arguments by number and, after the columns of the query, by name. */
function argumentsOf(routine: SqlFunction): Scope {
  const types = routine.types ?? [];
  const names = argumentsIn(routine, 'ibv');
  const numbered = types.map((type, i) => ({ name: `$${i + 1}`, type: typeOfArgument(type), column: null }));
  const named = names.map(({ name, type }) => ({ name, type: typeOfArgument(type), column: null }));
  const item = { isTableName: false, open: false, table: null };
  const items = [
    { ...item, alias: ARGUMENTS, columns: numbered },
    { ...item, alias: routine.name, columns: named },
  ];
  return { items, outputs: null, outer: null };
}

function argumentsIn({ allTypes, types, modes, names }: SqlFunction, letters: string): OutputColumn[] {
  const all = allTypes ?? types ?? [];
  return all
    .map((type, i) => ({ name: names?.[i] ?? '', type, mode: modes?.[i] ?? 'i' }))
    .filter(({ mode, name }) => letters.includes(mode) && name !== '')
    .map(({ name, type }) => ({ name, type }));
}

/** anyelement and the like (pg_type.typtype p, from 2276 on) may be of any type. */
function typeOfArgument(type: number): number {
  return pseudoTypes.has(type) ? UNKNOWN_TYPE : type;
}

/** any, anyarray, record, anyelement, anynonarray, anyenum, anyrange, anymultirange, anycompatible… */
const pseudoTypes: ReadonlySet<number> = new Set([
  2249, 2276, 2277, 2283, 2776, 3500, 3831, 4537, 4538, 5077, 5078, 5079, 5080,
]);
