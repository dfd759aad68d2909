/**
 * The catalog fingerprint (C11): one text that differs whenever something was changed that decides what a statement means, what
 * it may see or whether the stream tells about it. Every round of the freshness clock reads it, so it must be cheap.
 *
 * A row of a catalog is told from its later versions by `xmin` (VACUUM and ANALYZE update in place and keep it), hashed together
 * with the row's key by hash_record_extended, which needs no conversion to text: half the cost of `xmin::text`. The hashes of a
 * catalog are joined with bit_xor, and so are the catalogs for a round, which asks for each only where the whole differs; rows are unique by key, so none cancels another. pg_class is hashed by what matters in it,
 * since TRUNCATE, REINDEX and VACUUM FULL give its rows new versions without changing their meaning.
 *
 * Temporary tables come and go all day in some applications and are left out: a session that has any is not served.
 *
 * Measured: bench/fingerprint.ts (0.6 ms with 20 tables, 1.9 ms with 200, 15 ms with 2,000; nothing committed since: 0.2 ms).
 */

/** Objects made after initdb have oids from here on (FirstNormalObjectId). */
const FIRST_USER_OID = 16384;

interface Part {
  /** As it is shown when it changed. */
  readonly name: string;
  /** FROM clause with its alias. */
  readonly from: string;
  /** What tells one version of a row from another. */
  readonly row: string;
  readonly where: string;
}

const relationRow =
  'c.oid, c.relname, c.relnamespace, c.reltype, c.relowner, c.relpersistence, c.relkind, c.relnatts, c.relhasrules, ' +
  'c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispartition, c.relacl, c.relispopulated, ' +
  // security_barrier, security_invoker; those of tables are about storage and VACUUM.
  `CASE WHEN c.relkind = 'v' THEN c.reloptions END`;

/**
 * REFRESH MATERIALIZED VIEW shows in the new file or, when CONCURRENTLY, in nothing but a new version of this row. A part of its own, since nothing
 * else changes with it: only answers that read the view are another's then.
 */
const materializedViews: Part = {
  name: 'materialized views',
  from: 'pg_class c',
  row: 'c.oid, c.xmin',
  where: `c.relkind = 'm'`,
};

const relations = (range: string): Part => ({
  name: 'pg_class',
  from: 'pg_class c',
  row: relationRow,
  where: `c.oid ${range} AND c.relpersistence <> 't' AND c.relkind NOT IN ('i', 'I', 't')`,
});

const isNamed = (column: string): string => `${column} NOT IN (SELECT oid FROM nameless_relation)`;
const notTemporarySchema = (column: string): string => `${column} NOT IN (SELECT oid FROM temporary_schema)`;

const versioned = (name: string, where: string, key = 'x.oid'): Part => ({
  name,
  from: `${name} x`,
  row: `x.xmin, ${key}`,
  where,
});

const user = `>= ${FIRST_USER_OID}`;
const builtin = `< ${FIRST_USER_OID}`;

const ownDatabase = '(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())';

/** What users make and change. */
const objectParts: readonly Part[] = [
  relations(user),
  versioned('pg_attribute', `x.attrelid ${user} AND x.attnum > 0 AND ${isNamed('x.attrelid')}`, 'x.attrelid, x.attnum'),
  versioned('pg_attrdef', `x.oid ${user} AND ${isNamed('x.adrelid')}`),
  versioned(
    'pg_index',
    // What others are there decides how fast an answer is; their expressions are code that writes run.
    `x.indexrelid ${user} AND (x.indisprimary OR x.indisreplident OR x.indexprs IS NOT NULL OR x.indpred IS NOT NULL) AND ${isNamed('x.indrelid')}`,
    'x.indexrelid',
  ),
  versioned('pg_constraint', `x.oid ${user} AND ${notTemporarySchema('x.connamespace')}`),
  versioned('pg_inherits', isNamed('x.inhrelid'), 'x.inhrelid, x.inhparent'),
  versioned('pg_rewrite', `x.oid ${user} AND ${isNamed('x.ev_class')}`),
  // Triggers of foreign keys come with their pg_constraint row, four to each.
  versioned('pg_trigger', `NOT x.tgisinternal AND ${isNamed('x.tgrelid')}`),
  versioned('pg_policy', 'true'),
  versioned('pg_proc', `x.oid ${user} AND ${notTemporarySchema('x.pronamespace')}`),
  versioned('pg_operator', `x.oid ${user}`),
  versioned('pg_opclass', `x.oid ${user}`),
  versioned('pg_cast', `x.oid ${user}`),
  versioned('pg_collation', `x.oid ${user}`),
  versioned('pg_type', `x.oid ${user} AND ${notTemporarySchema('x.typnamespace')}`),
  versioned('pg_enum', 'true'),
  versioned('pg_ts_config', `x.oid ${user}`),
  versioned('pg_ts_dict', `x.oid ${user}`),
  versioned('pg_ts_config_map', `x.mapcfg ${user}`, 'x.mapcfg, x.maptokentype, x.mapseqno'),
  versioned('pg_namespace', notTemporarySchema('x.oid')),
  // pg_authid is closed to ordinary roles and has no business here: a new password changes nothing.
  { name: 'pg_roles', from: 'pg_roles x', row: 'x.*', where: 'true' },
  versioned('pg_auth_members', 'true', 'x.roleid, x.member, x.grantor'),
  versioned('pg_db_role_setting', `x.setdatabase IN (0, ${ownDatabase})`, 'x.setdatabase, x.setrole'),
  versioned('pg_database', 'x.datname = current_database()'),
  materializedViews,
];

/** What initdb made: changed by superusers who know no fear, so heartbeats are often enough. */
const builtinParts: readonly Part[] = [
  relations(builtin),
  versioned('pg_attribute', `x.attrelid ${builtin} AND x.attnum > 0`, 'x.attrelid, x.attnum'),
  versioned('pg_rewrite', `x.oid ${builtin}`),
  versioned('pg_proc', `x.oid ${builtin}`),
  versioned('pg_operator', `x.oid ${builtin}`),
  versioned('pg_opclass', `x.oid ${builtin}`),
  versioned('pg_cast', `x.oid ${builtin}`),
  versioned('pg_collation', `x.oid ${builtin}`),
  versioned('pg_type', `x.oid ${builtin}`),
  versioned('pg_ts_config', `x.oid ${builtin}`),
  versioned('pg_ts_dict', `x.oid ${builtin}`),
  versioned('pg_ts_config_map', `x.mapcfg ${builtin}`, 'x.mapcfg, x.maptokentype, x.mapseqno'),
];

/** Indexes and what belongs to TOAST have columns and heirs of their own, which no statement can name. */
const temporaries = `WITH nameless_relation AS MATERIALIZED
    (SELECT oid FROM pg_class WHERE oid ${user} AND (relpersistence = 't' OR relkind IN ('i', 'I', 't'))),
  temporary_schema AS MATERIALIZED (SELECT oid FROM pg_namespace WHERE oid ${user} AND nspname ~ '^pg_(toast_)?temp_')`;

/** The hash of a row. Its catalog's number is the seed, so that rows of two catalogs cannot cancel each other in the digest. */
const hashOfRow = ({ row }: Part, i: number): string =>
  `hash_record_extended(${row === 'x.*' ? 'x' : `ROW(${row})`}, ${i + 1})`;

/** One text: a hash per catalog, in the order of the parts, with colons between. */
function hashOf(parts: readonly Part[]): string {
  const hashes = parts.map(
    (part, i) => `(SELECT coalesce(bit_xor(${hashOfRow(part, i)}), 0) FROM ${part.from} WHERE ${part.where})::text`,
  );
  return `concat_ws(':',\n    ${hashes.join(',\n    ')})`;
}

/** The same rows in one hash: all that must be told as long as nothing has changed, and a good deal cheaper than one for each catalog. */
function digestOf(parts: readonly Part[]): string {
  const rows = parts.map((part, i) => `SELECT ${hashOfRow(part, i)} AS h FROM ${part.from} WHERE ${part.where}`);
  return `SELECT coalesce(bit_xor(u.h), 0) FROM (\n    ${rows.join('\n    UNION ALL ')}) u`;
}

/** A scalar subquery each; names resolve in pg_catalog, whatever the search_path. */
export const objectsFingerprintSql = qualify(`(${temporaries}\n  SELECT ${hashOf(objectParts)})`);
export const builtinFingerprintSql = qualify(`(SELECT ${hashOf(builtinParts)})`);
/** Version by oid of each materialized view: which of them were refreshed. */
export const materializedSql = `(SELECT coalesce(pg_catalog.string_agg(c.oid || ':' || c.xmin, ',' ORDER BY c.oid), '')
  FROM pg_catalog.pg_class c WHERE c.relkind = 'm')`;
/** `digestOfObjects` of what `objectsFingerprintSql` would say. */
export const objectsDigestSql = qualify(`(${temporaries}\n  ${digestOf(objectParts)})`);

/** One row of one text: the fingerprint of the catalog as the statement's snapshot shows it, built-in objects included. For
 * the transaction that loads the catalog. */
export const fingerprintSql = `SELECT ${objectsFingerprintSql} || '/' || ${builtinFingerprintSql} || '/' || ${materializedSql}`;

export interface Fingerprint {
  readonly objects: string;
  /** Null where it was not looked at. */
  readonly builtin: string | null;
  /** What `materializedSql` gives. */
  readonly materialized: string;
}

/** @throws RangeError when the text did not come from `fingerprintSql`. */
export function parseFingerprint(text: string): Fingerprint {
  const [objects, builtinText, materialized, ...rest] = text.split('/');
  const complete =
    objects?.split(':').length === objectParts.length && builtinText?.split(':').length === builtinParts.length;
  if (!complete || materialized === undefined || rest.length > 0) throw new RangeError('not a catalog fingerprint');
  return { objects: objects!, builtin: builtinText!, materialized };
}

/** The fingerprint without what REFRESH MATERIALIZED VIEW changes: two nodes that have it in common understand a statement alike. */
export function definitionsOf(text: string): string {
  const { objects, builtin } = parseFingerprint(text);
  const views = objectParts.indexOf(materializedViews);
  return `${objects
    .split(':')
    .filter((_, i) => i !== views)
    .join(':')}/${builtin}`;
}

/** What `objectsDigestSql` says of these objects, as text. */
export function digestOfObjects({ objects }: Fingerprint): string {
  return String(objects.split(':').reduce((digest, hash) => digest ^ BigInt(hash), 0n));
}

/** Names of the catalogs that differ; empty when nothing does. A built-in part that was not looked at equals everything. */
export function changedCatalogs(before: Fingerprint, after: Fingerprint): string[] {
  const changed = differing(objectParts, before.objects, after.objects);
  if (before.builtin !== null && after.builtin !== null) {
    changed.push(...differing(builtinParts, before.builtin, after.builtin).map((name) => `${name} (built in)`));
  }
  return changed;
}

/** Oids of the materialized views that were refreshed, when nothing else has changed; null: something else has. */
export function refreshedViews(before: Fingerprint, after: Fingerprint): number[] | null {
  const changed = changedCatalogs(before, after);
  if (changed.length !== 1 || changed[0] !== materializedViews.name) return null;
  const known = new Set(before.materialized.split(','));
  const refreshed = after.materialized.split(',').filter((version) => !known.has(version));
  return refreshed.map((version) => Number(version.split(':')[0]));
}

function differing(parts: readonly Part[], before: string, after: string): string[] {
  if (before === after) return [];
  const [a, b] = [before.split(':'), after.split(':')];
  return parts.filter((_, i) => a[i] !== b[i]).map((part) => part.name);
}

/** Puts pg_catalog before the names of catalogs, so that no table of a user stands in for one. */
function qualify(sql: string): string {
  return sql
    .replace(/\bFROM (pg_\w+)/g, 'FROM pg_catalog.$1')
    .replace(/\b(bit_xor|hash_record_extended|concat_ws)\(/g, 'pg_catalog.$1(');
}
