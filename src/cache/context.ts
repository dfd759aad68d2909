/**
 * What an answer depends on besides the data: who asks, in which database, with which names in sight and which settings.
 * The origin itself is asked, so role settings, startup options, SET in functions and all other ways are covered. The row
 * it answers is the context: two sessions share answers iff their rows are equal (C5, C25).
 */
import type { ContextAnswer, ContextRow } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import type { Catalog } from './catalog.ts';
import { originFacts } from './catalog-query.ts';

/**
 * Settings that change what a statement means or how its result looks. Settings that only change the plan are left out: each
 * plan gives an answer that the origin could have given (exception: gin_fuzzy_search_limit leaves rows out at random).
 * Manual: Server Configuration, Client Connection Defaults; Version and Platform Compatibility.
 */
const resultSettings = [
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'bytea_output',
  'extra_float_digits',
  'client_encoding',
  'lc_messages',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'default_text_search_config',
  'xmlbinary',
  'xmloption',
  'array_nulls',
  'backslash_quote',
  'standard_conforming_strings',
  'transform_null_equals',
  'quote_all_identifiers',
  'row_security',
  'timezone_abbreviations',
  'gin_fuzzy_search_limit',
  'restrict_nonsystem_relation_kind',
  'session_replication_role',
  'lo_compat_privileges',
  'client_min_messages',
  'synchronous_commit',
] as const;

const text = '::pg_catalog.text';
const eq = 'OPERATOR(pg_catalog.=)';

function roleOid(role: 'current_user' | 'session_user'): string {
  return `(SELECT r.oid${text} FROM pg_catalog.pg_roles r WHERE r.rolname ${eq} ${role})`;
}

/** The temporary schema if there is anything in it that a name could mean, else 0. */
const temporarySchema = `CASE WHEN pg_catalog.pg_my_temp_schema() ${eq} 0 THEN '0' WHEN
  EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace ${eq} pg_catalog.pg_my_temp_schema()) OR
  EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace ${eq} pg_catalog.pg_my_temp_schema())
  THEN pg_catalog.pg_my_temp_schema()${text} ELSE '0' END`;

/** Columns of a context row in order; settings follow. */
const facts = {
  databaseOid: originFacts.databaseOid,
  currentRole: roleOid('current_user'),
  sessionRole: roleOid('session_user'),
  searchPath: `pg_catalog.current_setting('search_path', true)`,
  schemas: `pg_catalog.current_schemas(true)${text}`,
  temporarySchema,
  isolation: `pg_catalog.current_setting('default_transaction_isolation', true)`,
  inRecovery: `pg_catalog.pg_is_in_recovery()${text}`,
  postmasterStart: originFacts.postmasterStart,
  systemIdentifier: originFacts.systemIdentifier,
} as const;

type Fact = keyof typeof facts;
const factNames = Object.keys(facts) as readonly Fact[];
const at = Object.fromEntries(factNames.map((name, i) => [name, i])) as Readonly<Record<Fact, number>>;
const settingAt = (name: (typeof resultSettings)[number]): number => factNames.length + resultSettings.indexOf(name);

/**
 * The statement that a worker runs on a session's own origin connection. First column `pg_backend_pid()`, which the worker
 * takes off; then one text or NULL for each column of a `ContextRow`. Every function, operator, type and relation is
 * qualified: whatever the session's search_path holds, it asks PostgreSQL's own.
 */
export function contextQuery(catalog: Pick<Catalog, 'systemIdentifier'>): string {
  const columns = factNames.map((name) =>
    name === 'systemIdentifier' && catalog.systemIdentifier === null ? `NULL${text}` : facts[name],
  );
  const settings = resultSettings.map((name) => `pg_catalog.current_setting('${name}', true)`);
  return `SELECT ${['pg_catalog.pg_backend_pid()', ...columns, ...settings].join(', ')}`;
}

export interface SessionContext {
  readonly databaseOid: number;
  readonly currentRole: number;
  readonly sessionRole: number;
  /** Schemas that unqualified names are looked for in, in order; pg_catalog is in it, an empty temporary schema not. */
  readonly schemas: readonly string[];
  readonly hasTemporaryObjects: boolean;
  readonly isolation: string;
  readonly inRecovery: boolean;
  readonly postmasterStart: string;
  readonly systemIdentifier: string | null;
  readonly clientEncoding: string;
  readonly standardStrings: boolean;
  /** Equal for contexts in which every statement has the same verdict: what analyses may be shared by. */
  readonly resolutionClass: string;
}

/** Takes a text array apart. Manual: Arrays, Array Input and Output Syntax. */
export function parseNameArray(value: string): string[] {
  const names: string[] = [];
  for (const match of value.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs)) {
    names.push(match[1] === undefined ? match[2]! : match[1].replace(/\\(.)/gs, '$1'));
  }
  return names;
}

/** @throws TypeError when the row is not an answer to `contextQuery`. */
export function parseContext(row: ContextRow): SessionContext {
  if (row.length !== factNames.length + resultSettings.length) throw new TypeError(`a context row of ${row.length}`);
  const hasTemporaryObjects = row[at.temporarySchema] !== '0';
  const schemas = schemasOf(row);
  const clientEncoding = row[settingAt('client_encoding')] ?? '';
  return {
    databaseOid: Number(row[at.databaseOid]),
    currentRole: Number(row[at.currentRole]),
    sessionRole: Number(row[at.sessionRole]),
    schemas,
    hasTemporaryObjects,
    isolation: row[at.isolation] ?? '',
    inRecovery: row[at.inRecovery] !== 'false',
    postmasterStart: row[at.postmasterStart] ?? '',
    systemIdentifier: row[at.systemIdentifier] ?? null,
    clientEncoding,
    standardStrings: row[settingAt('standard_conforming_strings')] === 'on',
    resolutionClass: JSON.stringify([schemas, clientEncoding, row[settingAt('transform_null_equals')]]),
  };
}

/** A context for statements that no session sent (`explain`): the connection's own role with the default search path. */
export function defaultContext(
  catalog: Catalog,
  schemas: readonly string[] = ['pg_catalog', 'public'],
): SessionContext {
  return {
    databaseOid: catalog.databaseOid,
    currentRole: 0,
    sessionRole: 0,
    schemas,
    hasTemporaryObjects: false,
    isolation: 'read committed',
    inRecovery: false,
    postmasterStart: catalog.postmasterStart,
    systemIdentifier: catalog.systemIdentifier,
    clientEncoding: 'UTF8',
    standardStrings: true,
    resolutionClass: JSON.stringify([schemas, 'UTF8', 'off']),
  };
}

type OriginFacts = Pick<Catalog, 'databaseOid' | 'postmasterStart' | 'systemIdentifier'>;

/** Why no answer may be given to or taken from sessions with this context; null if they may be. */
function contextProblem(context: SessionContext, origin: OriginFacts): Reason | null {
  // C9: what the change stream comes from is what the session must be talking to.
  if (context.inRecovery || context.postmasterStart !== origin.postmasterStart) return 'session.standby';
  if (context.systemIdentifier !== origin.systemIdentifier) return 'session.standby';
  if (context.databaseOid !== origin.databaseOid) return 'session.database';
  if (!context.standardStrings) return 'session.settings';
  if (context.hasTemporaryObjects) return 'session.temporarySchema';
  // C25. READ UNCOMMITTED is READ COMMITTED in PostgreSQL.
  if (context.isolation !== 'read committed' && context.isolation !== 'read uncommitted') return 'session.isolation';
  return Number.isInteger(context.currentRole) && context.currentRole > 0 ? null : 'session.contextUnknown';
}

/** The row as a key. An empty temporary schema, whose name differs from session to session, is no difference. */
function identityOf(row: ContextRow): string {
  return JSON.stringify([...row.slice(0, at.schemas), schemasOf(row), ...row.slice(at.schemas + 1)]);
}

function schemasOf(row: ContextRow): string[] {
  const all = parseNameArray(row[at.schemas] ?? '{}');
  return row[at.temporarySchema] === '0' ? all.filter((name) => !name.startsWith('pg_temp_')) : all;
}

const contextsMax = 10_000;

/**
 * Numbers contexts: equal rows get equal numbers. Bounded: beyond `contextsMax` different rows, newcomers pass through.
 * One registry per catalog version, since what a row means depends on the catalog; ids are not used twice (C6).
 */
export class ContextRegistry {
  readonly #ids = new Map<string, number>();
  readonly #contexts = new Map<number, SessionContext>();
  readonly #problems = new Map<string, Reason>();
  readonly #origin: OriginFacts;
  readonly #catalogVersion: number;
  readonly #contextsMax: number;
  #nextId: number;

  constructor(origin: OriginFacts, catalogVersion: number, firstId = 1, max = contextsMax) {
    this.#origin = origin;
    this.#catalogVersion = catalogVersion;
    this.#nextId = firstId;
    this.#contextsMax = max;
  }

  intern(row: ContextRow): ContextAnswer {
    const key = identityOf(row);
    const known = this.#ids.get(key);
    if (known !== undefined) return this.#answer(known, null);
    const problem = this.#problems.get(key) ?? this.#add(key, row);
    return problem === null ? this.#answer(this.#ids.get(key)!, null) : this.#answer(0, problem);
  }

  get(contextId: number): SessionContext | undefined {
    return this.#contexts.get(contextId);
  }

  get size(): number {
    return this.#contexts.size;
  }

  /** The first id that has not been given away: where the next registry goes on. */
  get nextId(): number {
    return this.#nextId;
  }

  #add(key: string, row: ContextRow): Reason | null {
    if (this.#contexts.size >= this.#contextsMax) return 'session.contextUnknown';
    const context = parseContext(row);
    const problem = contextProblem(context, this.#origin);
    if (problem !== null) {
      if (this.#problems.size < this.#contextsMax) this.#problems.set(key, problem);
      return problem;
    }
    this.#ids.set(key, this.#nextId);
    this.#contexts.set(this.#nextId++, context);
    return null;
  }

  #answer(contextId: number, reason: Reason | null): ContextAnswer {
    return { contextId, reason, catalogVersion: this.#catalogVersion };
  }
}
