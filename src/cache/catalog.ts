/**
 * The catalog snapshot that statements are analysed against: immutable, one per catalog version. Oids are numbers (they
 * have 32 bits); names are exactly as in the catalog.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { type RawCatalog, type RawRelation, Routines, type SqlFunction, Types } from './catalog-objects.ts';
import { catalogQuery, probeQuery, USER_OID_MIN } from './catalog-query.ts';
import { settingsNamedIn } from './key-settings.ts';
import { type OriginSnapshot, parseSnapshot } from './settle.ts';

export interface Column {
  readonly name: string;
  readonly number: number;
  readonly type: number;
  readonly typeModifier: number;
  /** Oid; 0: none. */
  readonly collation: number;
  /** No collation, or one under which equal means byte for byte equal. */
  readonly deterministic: boolean;
  /** Texts are sorted by their bytes in the database's encoding. */
  readonly byteOrdered: boolean;
  readonly notNull: boolean;
  readonly generated: boolean;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r table, p partitioned table, v view, m materialized view, f foreign table, S sequence … */
  readonly kind: string;
  /** p permanent, u unlogged. */
  readonly persistence: string;
  /** d default, n nothing, f full, i index. */
  readonly replicaIdentity: string;
  readonly rowSecurity: boolean;
  /** Besides the one that a view is. */
  readonly hasRules: boolean;
  readonly hasTriggers: boolean;
  readonly owner: number;
  /** Of tables, views and composite types made by users; empty for everything else. */
  readonly columns: readonly Column[];
  readonly column: ReadonlyMap<string, Column>;
  /** Columns of the primary key that can identify rows (valid, not deferrable); empty without one. */
  readonly primaryKey: readonly string[];
  /** Columns that old rows of the change stream carry: the key's, all for FULL, none without a usable identity. */
  readonly identityColumns: readonly string[];
  readonly parents: readonly number[];
  readonly children: readonly number[];
  /** Tables that a foreign key's action may write when rows of this one change. */
  readonly cascadesTo: readonly number[];
  /** A default, constraint, index or policy of it calls something user-defined. */
  readonly writesCallUser: boolean;
  readonly policiesCallUser: boolean;
}

export interface Catalog {
  /** The value of the fingerprint in the snapshot that everything else is from. */
  readonly fingerprint: string;
  /** The snapshot itself. */
  readonly snapshot: OriginSnapshot;
  /** server_version_num. */
  readonly serverVersion: number;
  readonly database: string;
  readonly databaseOid: number;
  /** server_encoding. */
  readonly encoding: string;
  /** Start of the postmaster and system identifier, to be compared with sessions' (C9); the latter null if not public. */
  readonly postmasterStart: string;
  readonly systemIdentifier: string | null;
  readonly relations: ReadonlyMap<number, Relation>;
  /** By schema, then name. */
  readonly relationNames: ReadonlyMap<string, ReadonlyMap<string, Relation>>;
  readonly routines: Routines;
  readonly types: Types;
  /** `schema.name` of collations made by users. */
  readonly userCollations: ReadonlySet<string>;
  readonly roles: ReadonlyMap<number, string>;
  /** Definitions of users' views by oid, qualified when the loading connection's search_path is pg_catalog. */
  readonly views: ReadonlyMap<number, string>;
  /** Expressions of policies that filter reads, by table, as qualified as views. */
  readonly policies: ReadonlyMap<number, readonly string[]>;
  readonly sqlFunctions: ReadonlyMap<number, SqlFunction>;
  /** Settings of applications that policies, views and functions read: part of every key (context.ts). Lower case, sorted. */
  readonly keySettings: readonly string[];
}

/** `pg.Client`, or the cache thread's SqlPort, which gives rows as arrays of text. */
export interface CatalogClient {
  query(text: string): Promise<unknown>;
}

/**
 * Loads the snapshot, once nobody holds a lock that it would have to wait for. `fingerprintSql`: an SQL expression or one-column SELECT, cast to
 * text here. Two statements: one asks what may be asked, the other gets everything in one snapshot.
 * @throws what the client throws; TypeError when the answer is not the catalog query's.
 */
export async function loadCatalog(client: CatalogClient, fingerprintSql: string): Promise<Catalog> {
  const mayIdentify = firstValue(await client.query(probeQuery)) === 'true';
  const text = catalogQuery(fingerprintSql, mayIdentify);
  for (let attempt = 1; ; attempt++) {
    try {
      return buildCatalog(JSON.parse(firstValue(await client.query(text))) as RawCatalog);
    } catch (error) {
      const code = (error as { code?: unknown } | null)?.code;
      if (code === LOCK_NOT_AVAILABLE) await delay(catalogLockMs);
      else if (code !== INTERNAL_ERROR || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

/** In a storm of DDL; the storm is noticed by the next round, too. */
const ATTEMPTS_MAX = 5;

/**
 * pg_get_viewdef and its like look at the catalog of now, not of the statement's snapshot, and find no relation any more
 * ("could not open relation with OID …") where another session has dropped it meanwhile.
 */
const INTERNAL_ERROR = 'XX000';

/**
 * lock_timeout of the connection that loads. To describe a view is to lock what it reads until the statement ends: we wait for a lock much shorter
 * than deadlock_timeout (1 s), so that it is never the application's transaction that ends for a deadlock with us.
 */
export const catalogLockMs = 250;
const LOCK_NOT_AVAILABLE = '55P03';

function firstValue(result: unknown): string {
  const rows: unknown = Array.isArray(result) ? result : (result as { rows?: unknown }).rows;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  const value: unknown = Array.isArray(row) ? row[0] : Object.values((row ?? {}) as Record<string, unknown>)[0];
  if (typeof value !== 'string') throw new TypeError('the catalog query gave no text');
  return value;
}

/** A catalog from the rows of the catalog query. */
function buildCatalog(raw: RawCatalog): Catalog {
  const relations = new Map<number, Relation>();
  const relationNames = new Map<string, Map<string, Relation>>();
  const parts = relationParts(raw);
  for (const row of raw.relations ?? []) {
    const relation = buildRelation(row, parts, raw.serverVersion);
    relations.set(relation.oid, relation);
    let names = relationNames.get(relation.schema);
    if (names === undefined) relationNames.set(relation.schema, (names = new Map()));
    names.set(relation.name, relation);
  }
  const types = new Types(raw.types ?? [], raw.casts ?? []);
  const views = new Map((raw.views ?? []).map(([oid, sql]) => [oid, sql ?? '']));
  const policies = new Map<number, string[]>();
  for (const [relation, expression] of raw.policies ?? []) push(policies, relation, expression ?? '');
  const sqlFunctions = new Map((raw.sqlFunctions ?? []).map((routine) => [routine.oid, routine]));
  const sources = [
    ...views.values(),
    ...[...policies.values()].flat(),
    ...[...sqlFunctions.values()].map((f) => f.body),
  ];
  return {
    fingerprint: raw.fingerprint,
    snapshot: parseSnapshot(raw.snapshot),
    serverVersion: raw.serverVersion,
    database: raw.database,
    databaseOid: Number(raw.databaseOid),
    encoding: raw.encoding,
    postmasterStart: raw.postmasterStart,
    systemIdentifier: raw.systemIdentifier,
    relations,
    relationNames,
    routines: new Routines(raw.routines ?? [], raw.operators ?? [], types),
    types,
    userCollations: new Set((raw.collations ?? []).map(([schema, name]) => `${schema}.${name}`)),
    roles: new Map(raw.roles ?? []),
    views,
    policies,
    sqlFunctions,
    keySettings: settingsNamedIn(sources),
  };
}

interface RelationParts {
  readonly columns: ReadonlyMap<number, Column[]>;
  readonly primaryKeys: ReadonlyMap<number, readonly string[]>;
  readonly identityIndexes: ReadonlyMap<number, readonly string[]>;
  readonly children: ReadonlyMap<number, number[]>;
  readonly cascades: ReadonlyMap<number, number[]>;
  readonly writesCallUser: ReadonlySet<number>;
  readonly policiesCallUser: ReadonlySet<number>;
}

function relationParts(raw: RawCatalog): RelationParts {
  const columns = new Map<number, Column[]>();
  for (const row of raw.columns ?? []) {
    const [relation, number, name, type, deterministic, notNull, generated, typeModifier, collation, byteOrdered] = row;
    const column = { name, number, type, typeModifier, collation, deterministic, byteOrdered, notNull };
    push(columns, relation, { ...column, generated: generated !== '' });
  }
  const children = new Map<number, number[]>();
  for (const row of raw.relations ?? []) for (const parent of row[9] ?? []) push(children, parent, row[0]);
  const cascades = new Map<number, number[]>();
  for (const [referenced, referencing] of raw.cascades ?? []) push(cascades, referenced, referencing);
  const identities = raw.identities ?? [];
  const callers = raw.expressions ?? [];
  return {
    columns,
    primaryKeys: new Map(identities.filter((row) => row[1]).map((row) => [row[0], row[3] ?? []])),
    identityIndexes: new Map(identities.filter((row) => row[2]).map((row) => [row[0], row[3] ?? []])),
    children,
    cascades,
    writesCallUser: new Set(callers.map(([oid]) => oid)),
    policiesCallUser: new Set(callers.filter(([, kind]) => kind === 'p').map(([oid]) => oid)),
  };
}

function push<T>(map: Map<number, T[]>, key: number, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function buildRelation(row: RawRelation, parts: RelationParts, serverVersion: number): Relation {
  const [oid, schema, name, kind, persistence, replicaIdentity, rowSecurity, hasRules, owner, parents, hasTriggers] =
    row;
  const columns = parts.columns.get(oid) ?? [];
  const primaryKey = parts.primaryKeys.get(oid) ?? [];
  const byIdentity: Record<string, readonly string[] | undefined> = {
    d: primaryKey,
    i: parts.identityIndexes.get(oid),
    f: columns.map((column) => column.name),
  };
  return {
    oid,
    schema,
    name,
    kind,
    persistence,
    replicaIdentity,
    rowSecurity,
    hasRules,
    hasTriggers,
    owner,
    columns,
    column: new Map(columns.map((column) => [column.name, column])),
    primaryKey,
    identityColumns: publishable(byIdentity[replicaIdentity] ?? [], columns, serverVersion),
    parents: parents ?? [],
    children: parts.children.get(oid) ?? [],
    cascadesTo: parts.cascades.get(oid) ?? [],
    writesCallUser: parts.writesCallUser.has(oid),
    policiesCallUser: parts.policiesCallUser.has(oid),
  };
}

/**
 * From 18 on a publication that leaves generated columns out (the default) makes the origin refuse updates of a table
 * whose identity has one: such an identity is as good as none. Manual: CREATE PUBLICATION, publish_generated_columns.
 */
function publishable(
  identity: readonly string[],
  columns: readonly Column[],
  serverVersion: number,
): readonly string[] {
  if (serverVersion < 180000) return identity;
  return columns.some((column) => column.generated && identity.includes(column.name)) ? [] : identity;
}

/** Whether the origin accepts updates and deletes of the table once it is published (design §5). */
export function hasUsableIdentity(relation: Relation): boolean {
  return relation.identityColumns.length > 0;
}

export function isBuiltIn(oid: number): boolean {
  return oid < USER_OID_MIN;
}

/** The relation with its ancestors and descendants: a write to one may show in each of them. */
export function familyOf(catalog: Catalog, oid: number): ReadonlySet<number> {
  const family = new Set<number>([oid]);
  for (const member of family) {
    const relation = catalog.relations.get(member);
    for (const relative of relation?.parents ?? []) family.add(relative);
    for (const relative of relation?.children ?? []) family.add(relative);
  }
  return family;
}

/** What reads of the relation read: itself and, unless ONLY it is meant, its descendants. */
export function withDescendants(catalog: Catalog, oid: number): ReadonlySet<number> {
  const found = new Set<number>([oid]);
  for (const member of found) for (const child of catalog.relations.get(member)?.children ?? []) found.add(child);
  return found;
}

/** Whoever shows the rows of the table: its parents, theirs, and so on. */
export function ancestorsOf(catalog: Catalog, oid: number): ReadonlySet<number> {
  const found = new Set<number>(catalog.relations.get(oid)?.parents ?? []);
  for (const member of found) for (const parent of catalog.relations.get(member)?.parents ?? []) found.add(parent);
  return found;
}
