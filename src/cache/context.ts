/**
 * What an answer depends on besides the data: who asks, in which database, with which names in sight and which settings.
 * The origin itself is asked, so role settings, startup options, SET in functions and all other ways are covered. The row
 * it answers is the context: two sessions share answers iff their rows are equal (C5, C25).
 */
import type { ContextAnswer, ContextRow } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import type { Catalog } from './catalog.ts';
import { originFacts, USER_OID_MIN } from './catalog-query.ts';

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

const resultSettingNames: ReadonlySet<string> = new Set(
  [...resultSettings, 'search_path'].map((name) => name.toLowerCase()),
);

/** Whether a setting (its name in lower case) is part of every key. */
export function isResultSetting(name: string): boolean {
  return resultSettingNames.has(name);
}

const text = '::pg_catalog.text';
const idleTimeout = `pg_catalog.current_setting('idle_session_timeout', true)`;
const eq = 'OPERATOR(pg_catalog.=)';

/** A look-up by name in a cache of the server; pg_roles is a view, which costs a new session most of a millisecond. */
function roleOid(role: 'current_user' | 'session_user'): string {
  return `pg_catalog.to_regrole(pg_catalog.quote_ident(${role}))::pg_catalog.oid${text}`;
}

const temporary = 'pg_catalog.pg_my_temp_schema()';
const inTemporarySchema = (catalog: string, column: string, where = 'true'): string =>
  `EXISTS (SELECT FROM pg_catalog.${catalog} x WHERE x.${column} ${eq} ${temporary} AND ${where})`;
/** `column` is none of the letters. */
const noneOf = (column: string, letters: string): string =>
  `${column} OPERATOR(pg_catalog.<>) ALL ('{${letters}}'::pg_catalog."char"[])`;

/** Tables in the temporary schema whose row `x` is one of a catalog that refers to them by `column`. */
const ofTemporaryTable = (column: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid ${eq} ${column} AND c.relnamespace ${eq} ${temporary})`;

/** Expressions of temporary tables that call a user's function or operator: by the numbers of pg_attrdef, pg_constraint, pg_class. */
const callsOfTemporaryTables = `EXISTS (SELECT FROM pg_catalog.pg_depend d
  WHERE d.refclassid ${eq} ANY ('{1255,2617}'::pg_catalog.oid[]) AND d.refobjid OPERATOR(pg_catalog.>=) '${USER_OID_MIN}'::pg_catalog.oid AND (
    d.classid ${eq} '2604'::pg_catalog.oid AND EXISTS (
      SELECT FROM pg_catalog.pg_attrdef a WHERE a.oid ${eq} d.objid AND ${ofTemporaryTable('a.adrelid')})
    OR d.classid ${eq} '2606'::pg_catalog.oid AND EXISTS (
      SELECT FROM pg_catalog.pg_constraint k WHERE k.oid ${eq} d.objid AND k.connamespace ${eq} ${temporary})
    OR d.classid ${eq} '1259'::pg_catalog.oid AND ${ofTemporaryTable('d.objid')}))`;

const columnsOfDomains = `EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid ${eq} a.atttypid
  WHERE t.typtype ${eq} 'd' AND ${ofTemporaryTable('a.attrelid')})`;

/**
 * '0': the temporary schema holds nothing that a name could mean. 'plain': tables, and nothing that makes reading or writing
 * them run a user's code (no views, triggers, rules, policies, domains, calls). 'other': anything.
 */
const kindOfTemporarySchema = `CASE
  WHEN NOT ${inTemporarySchema('pg_class', 'relnamespace')} AND NOT ${inTemporarySchema('pg_type', 'typnamespace')} THEN '0'
  WHEN ${inTemporarySchema('pg_class', 'relnamespace', `(${noneOf('x.relkind', 'r,p,i,I,S')} OR x.relhastriggers OR x.relhasrules OR x.relrowsecurity)`)}
    OR ${inTemporarySchema('pg_type', 'typnamespace', noneOf('x.typtype', 'c,b,e'))}
    OR ${columnsOfDomains} OR ${callsOfTemporaryTables} THEN 'other'
  ELSE 'plain' END`;

/**
 * Of sessions without a temporary schema, as most are, nothing more is asked; and as what is not run is not planned either if it is a statement of its
 * own, a new session has its context in half the time, and one that is asked again in a quarter (7.3 → 2.8 ms, 2.5 → 0.8 on a busy machine).
 */
const temporarySchema = `CASE WHEN ${temporary} ${eq} 0 THEN '0' ELSE pg_catalog.substring(
  pg_catalog.query_to_xml($query$SELECT ${kindOfTemporarySchema} AS kind$query$, false, true, '')${text}, '<kind>([0a-z]+)</kind>') END`;

/** Columns of a context row in order; settings follow, then those of applications and their names. */
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
 * The statement that a worker runs on a session's own origin connection. First columns `pg_backend_pid()` and
 * `idle_session_timeout`, which the worker takes off; then one text or NULL for each column of a `ContextRow`. Every function, operator, type and relation is
 * qualified: whatever the session's search_path holds, it asks PostgreSQL's own.
 */
export function contextQuery(catalog: Pick<Catalog, 'systemIdentifier' | 'keySettings'>): string {
  const columns = factNames.map((name) =>
    name === 'systemIdentifier' && catalog.systemIdentifier === null ? `NULL${text}` : facts[name],
  );
  const { keySettings } = catalog;
  const settings = [...resultSettings, ...keySettings].map((name) => `pg_catalog.current_setting('${name}', true)`);
  return `SELECT ${['pg_catalog.pg_backend_pid()', idleTimeout, ...columns, ...settings, `'${keySettings}'${text}`].join(', ')}`;
}

/** What names of temporary objects may stand in front of others: none, plain tables, or anything. */
export type TemporaryObjects = 'none' | 'plain' | 'other';

export interface SessionContext {
  readonly databaseOid: number;
  readonly currentRole: number;
  readonly sessionRole: number;
  /** Schemas that unqualified names are looked for in, in order; pg_catalog is in it, the temporary schema not. */
  readonly schemas: readonly string[];
  readonly temporary: TemporaryObjects;
  readonly isolation: string;
  readonly inRecovery: boolean;
  readonly postmasterStart: string;
  readonly systemIdentifier: string | null;
  readonly clientEncoding: string;
  readonly standardStrings: boolean;
  /** Dates are sent as ISO has them, whatever order they are read in; times with time zone in UTC. */
  readonly isoDates: boolean;
  readonly utc: boolean;
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

/**
 * @param keySettings names of the settings of applications that are in it
 * @throws TypeError when the row is not an answer to `contextQuery`, or to one of another catalog version that asked for other settings.
 */
export function parseContext(row: ContextRow, keySettings: readonly string[] = []): SessionContext {
  if (row.at(-1) !== String(keySettings)) throw new TypeError('a context row with other settings');
  if (row.length !== factNames.length + resultSettings.length + keySettings.length + 1)
    throw new TypeError(`a context row of ${row.length}`);
  const temporary = temporaryOf(row);
  const schemas = parseNameArray(row[at.schemas] ?? '{}').filter((name) => !name.startsWith('pg_temp_'));
  const clientEncoding = row[settingAt('client_encoding')] ?? '';
  const standardStrings = row[settingAt('standard_conforming_strings')] === 'on';
  return {
    databaseOid: Number(row[at.databaseOid]),
    currentRole: Number(row[at.currentRole]),
    sessionRole: Number(row[at.sessionRole]),
    schemas,
    temporary,
    isolation: row[at.isolation] ?? '',
    inRecovery: row[at.inRecovery] !== 'false',
    postmasterStart: row[at.postmasterStart] ?? '',
    systemIdentifier: row[at.systemIdentifier] ?? null,
    clientEncoding,
    standardStrings,
    isoDates: row[settingAt('DateStyle')]?.startsWith('ISO') === true,
    utc: row[settingAt('TimeZone')] === 'UTC',
    resolutionClass: JSON.stringify([
      ...[schemas, clientEncoding, row[settingAt('transform_null_equals')], temporary, standardStrings],
    ]),
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
    temporary: 'none',
    isolation: 'read committed',
    inRecovery: false,
    postmasterStart: catalog.postmasterStart,
    systemIdentifier: catalog.systemIdentifier,
    clientEncoding: 'UTF8',
    standardStrings: true,
    isoDates: true,
    utc: false,
    resolutionClass: JSON.stringify([schemas, 'UTF8', 'off', 'none', true]),
  };
}

/** Facts that people know by another name; the others decide whether a session is served at all. */
const shownFacts: readonly (readonly [Fact, string])[] = [
  ['currentRole', 'role'],
  ['sessionRole', 'session_authorization'],
  ['searchPath', 'search_path'],
  ['isolation', 'default_transaction_isolation'],
];

/** What of a session is part of the key, for people. Without a row the names alone. */
export function describeContext(
  row: ContextRow | null,
  { roles, keySettings }: Pick<Catalog, 'roles' | 'keySettings'>,
): { readonly name: string; readonly value: string | null }[] {
  const facts = shownFacts.map(([fact, name]) => {
    const value = row?.[at[fact]] ?? null;
    return { name, value: value !== null && fact.endsWith('Role') ? (roles.get(Number(value)) ?? value) : value };
  });
  const first = factNames.length;
  const settings = [...resultSettings, ...keySettings].map((name, i) => ({ name, value: row?.[first + i] ?? null }));
  return [...facts, ...settings];
}

type OriginFacts = Pick<Catalog, 'databaseOid' | 'postmasterStart' | 'systemIdentifier' | 'keySettings'>;

/** Why no answer may be given to or taken from sessions with this context; null if they may be. */
function contextProblem(context: SessionContext, origin: OriginFacts): Reason | null {
  // C9: what the change stream comes from is what the session must be talking to.
  if (context.inRecovery || context.postmasterStart !== origin.postmasterStart) return 'session.standby';
  if (context.systemIdentifier !== origin.systemIdentifier) return 'session.standby';
  if (context.databaseOid !== origin.databaseOid) return 'session.database';
  if (!context.standardStrings) return 'session.settings';
  if (context.temporary !== 'none') return 'session.temporarySchema';
  // C25. READ UNCOMMITTED is READ COMMITTED in PostgreSQL.
  if (context.isolation !== 'read committed' && context.isolation !== 'read uncommitted') return 'session.isolation';
  return Number.isInteger(context.currentRole) && context.currentRole > 0 ? null : 'session.contextUnknown';
}

/**
 * Problems in spite of which statements can be analysed, so that what such a session writes is known and what it reads
 * fences nothing. A standby or another server: what the session writes there is in nobody's cache; a server that is only another start
 * of the stream's has its catalog. `session.database` has another catalog, and of an unknown role nothing is known.
 */
const analysable: ReadonlySet<Reason> = new Set([
  'session.standby',
  'session.settings',
  'session.temporarySchema',
  'session.isolation',
]);

/** The row as a key. An empty temporary schema, whose name differs from session to session, is no difference. */
function identityOf(row: ContextRow): string {
  const all = parseNameArray(row[at.schemas] ?? '{}');
  const schemas = temporaryOf(row) === 'none' ? all.filter((name) => !name.startsWith('pg_temp_')) : all;
  return JSON.stringify([...row.slice(0, at.schemas), schemas, ...row.slice(at.schemas + 1)]);
}

function temporaryOf(row: ContextRow): TemporaryObjects {
  const value = row[at.temporarySchema];
  if (value === '0') return 'none';
  return value === 'plain' ? 'plain' : 'other';
}

const contextsMax = 10_000;

/**
 * Numbers contexts: equal rows get equal numbers. Those that are good for analysis only share a number with all that have
 * the same verdicts. Bounded: beyond `contextsMax` different rows, newcomers pass through.
 * One registry per catalog version, since what a row means depends on the catalog; ids are not used twice (C6).
 */
export class ContextRegistry {
  readonly #answers = new Map<string, ContextAnswer>();
  readonly #contexts = new Map<number, SessionContext>();
  /** Contexts for analysis only, by reason and resolution class. */
  readonly #classes = new Map<string, ContextAnswer>();
  readonly #origin: OriginFacts;
  readonly #catalogVersion: number;
  readonly #contextsMax: number;
  readonly #keyable = new Set<number>();
  readonly #identities = new Map<number, string>();
  readonly #nextId: () => number;

  /** @param nextId gives a number that no context of this generation has had. */
  constructor(origin: OriginFacts, catalogVersion: number, nextId: () => number, max = contextsMax) {
    this.#origin = origin;
    this.#catalogVersion = catalogVersion;
    this.#nextId = nextId;
    this.#contextsMax = max;
  }

  intern(row: ContextRow): ContextAnswer {
    const key = identityOf(row);
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#answer(parseContext(row, this.#origin.keySettings));
    if (this.#answers.size < this.#contextsMax) this.#answers.set(key, answer);
    if (this.#keyable.has(answer.contextId)) this.#identities.set(answer.contextId, key);
    return answer;
  }

  get(contextId: number): SessionContext | undefined {
    return this.#contexts.get(contextId);
  }

  /** Contexts that answers may be stored under. */
  get keyable(): Iterable<number> {
    return this.#keyable;
  }

  /** Whether answers may be stored under the context. */
  isKeyable(contextId: number): boolean {
    return this.#keyable.has(contextId);
  }

  /** What the origin says of all sessions in the context, on every node the same; undefined where no answers may be stored under it. */
  identityOf(contextId: number): string | undefined {
    return this.#identities.get(contextId);
  }

  get size(): number {
    return this.#contexts.size;
  }

  #answer(context: SessionContext): ContextAnswer {
    const reason = contextProblem(context, this.#origin);
    if (reason === null) {
      const answer = this.#add(context, null);
      this.#keyable.add(answer.contextId);
      return answer;
    }
    if (!analysable.has(reason)) return this.#none(reason);
    const classKey = `${reason} ${context.resolutionClass}`;
    const known = this.#classes.get(classKey);
    if (known !== undefined) return known;
    const answer = this.#add(context, reason);
    this.#classes.set(classKey, answer);
    return answer;
  }

  #add(context: SessionContext, reason: Reason | null): ContextAnswer {
    if (this.#contexts.size >= this.#contextsMax) return this.#none(reason ?? 'session.contextUnknown');
    const contextId = this.#nextId();
    this.#contexts.set(contextId, context);
    return { contextId, reason, catalogVersion: this.#catalogVersion };
  }

  #none(reason: Reason): ContextAnswer {
    return { contextId: 0, reason, catalogVersion: this.#catalogVersion };
  }
}
