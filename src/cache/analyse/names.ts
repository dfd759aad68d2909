/**
 * What the names of a statement mean to a session: relations, types, functions and operators found along its
 * effective search path. Manual: Schemas, "The Schema Search Path"; Type Conversion.
 */
import type { FuncCall, Node, RangeVar, TypeName } from 'libpg-query';
import type { Catalog, Relation } from '../catalog.ts';
import type { OpenArguments, Type, UserCallable } from '../catalog-objects.ts';
import type { TemporaryObjects } from '../context.ts';
import { Uncacheable } from './verdict.ts';
import { runsStatements, settingsFunctions } from './volatility.ts';

/** The texts of a list of String nodes; empty when there is anything else in it (A_Star). */
export function nameParts(nodes: readonly Node[] | undefined): string[] {
  const parts: string[] = [];
  for (const node of nodes ?? []) {
    if (!('String' in node)) return [];
    parts.push(node.String.sval ?? '');
  }
  return parts;
}

/** Of an ordered-set aggregate (`f(a) WITHIN GROUP (ORDER BY b)`) those that it aggregates count as well. */
export function argumentsOf({ args, agg_order, agg_within_group }: FuncCall): readonly (Node | undefined)[] {
  if (agg_within_group !== true) return args ?? [];
  return [...(args ?? []), ...(agg_order ?? []).map((order) => ('SortBy' in order ? order.SortBy.node : undefined))];
}

export class Names {
  readonly catalog: Catalog;
  /** In order of search; pg_catalog is among them. */
  readonly schemas: readonly string[];
  /** Nothing may be read or called but what is immutable. */
  readonly immutable: boolean;
  readonly #temporary: TemporaryObjects;

  constructor(
    catalog: Catalog,
    schemas: readonly string[],
    temporary: TemporaryObjects = 'none',
    immutable: boolean = false,
  ) {
    this.catalog = catalog;
    this.schemas = schemas;
    this.immutable = immutable;
    this.#temporary = temporary;
  }

  /**
   * What a name may mean besides what is found for it: 'plain' a temporary table whose use runs no code of a user, 'other' a temporary
   * object of any kind. Functions and operators are never looked for among them (Manual: search_path).
   */
  temporary(schema: string | undefined): TemporaryObjects {
    return schema === undefined || schema.startsWith('pg_temp') ? this.#temporary : 'none';
  }

  relation(range: RangeVar): Relation | undefined {
    const { catalogname, schemaname, relname } = range;
    if (catalogname !== undefined && catalogname !== this.catalog.database) return undefined;
    const schemas = schemaname === undefined ? this.schemas : [schemaname];
    for (const schema of schemas) {
      const relation = this.catalog.relationNames.get(schema)?.get(relname ?? '');
      if (relation !== undefined) return relation;
    }
    return undefined;
  }

  /** The type itself, of the elements when it has array bounds. */
  type(typeName: TypeName): Type | undefined {
    const parts = nameParts(typeName.names);
    const name = parts[parts.length - 1];
    if (name === undefined || parts.length > 2) return undefined;
    const schemas = parts.length === 2 ? [parts[0]!] : this.schemas;
    for (const schema of schemas) {
      // A table of that name earlier on the path would be found first: its row type.
      if (this.catalog.relationNames.get(schema)?.has(name) && schema !== 'pg_catalog') return undefined;
      const type = this.catalog.types.find(schema, name);
      if (type !== undefined) return type;
    }
    return undefined;
  }

  /**
   * Functions of users that a call could select, to be walked; it may be one of PostgreSQL's as well.
   * @throws Uncacheable unless the key determines what those of PostgreSQL give.
   */
  callable(parts: readonly string[], open: OpenArguments): readonly UserCallable[] {
    const name = parts[parts.length - 1] ?? '';
    const text = `${parts.join('.')}()`;
    const { routines } = this.catalog;
    const isOwn = parts.length === 1 || (parts.length === 2 && parts[0] === 'pg_catalog');
    const overloads = isOwn ? routines.builtIn(name, open.length) : [];
    const candidates = parts.length > 2 ? [] : routines.userFunctions(name, this.#callSchemas(parts), open);
    if (overloads.length === 0 && candidates.length === 0) throw new Uncacheable('uncacheable.userFunction', text);
    const immutable = overloads.every(({ volatility }) => volatility === 'i');
    const bySettings = settingsFunctions.has(name) && overloads.every(({ volatility }) => volatility !== 'v');
    if ((!immutable && (!bySettings || this.immutable)) || runsStatements.test(name)) {
      throw new Uncacheable('uncacheable.volatileFunction', text);
    }
    return candidates;
  }

  /** `json_object(…)` reaches us as pg_catalog's from the grammar of 16 and later, but older servers search the path. */
  #callSchemas(parts: readonly string[]): readonly string[] {
    const searched = parts.length === 1 || parts[1] === 'json_object';
    return searched ? this.schemas : [parts[0]!];
  }

  /** @throws Uncacheable unless the operator can only be one of PostgreSQL's. */
  requireTrustedOperator(parts: readonly string[], open: OpenArguments): void {
    const name = parts[parts.length - 1] ?? '';
    const { routines } = this.catalog;
    const qualified = parts.length > 1;
    const schemas = qualified ? ['pg_catalog'] : this.schemas;
    if (
      (qualified && (parts.length > 2 || parts[0] !== 'pg_catalog')) ||
      !routines.isBuiltInOperator(name) ||
      routines.mayUseUserOperator(name, schemas, open)
    ) {
      throw new Uncacheable('uncacheable.userType', `operator ${parts.join('.')} may be a user-defined one`);
    }
  }

  /** @throws Uncacheable for collations made by users. */
  requireTrustedCollation(parts: readonly string[]): void {
    const { userCollations } = this.catalog;
    const name = parts[parts.length - 1] ?? '';
    const schemas = parts.length > 1 ? [parts[0]!] : this.schemas;
    if (schemas.some((schema) => userCollations.has(`${schema}.${name}`))) {
      throw new Uncacheable('uncacheable.userType', `collation ${parts.join('.')}`);
    }
  }
}
