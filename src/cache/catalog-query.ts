/**
 * The catalog snapshot as one statement: one statement is one snapshot, so the facts and the fingerprint belong
 * together (C6, C11), no transaction has to be held open, and other statements on the connection cannot come between.
 * Every name is qualified: the search_path of the connection does not matter. Manual: System Catalogs.
 */

/** Objects made by users begin here (FirstNormalObjectId); initdb makes the ones below. */
export const USER_OID_MIN = 16384;

const relations = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    c.oid::int8, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity,
    c.relhasrules AND (c.relkind <> 'v'
      OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type <> '1')), c.relowner::int8,
    (SELECT pg_catalog.json_agg(i.inhparent::int8) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
    EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c') AND c.relpersistence <> 't'
    AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'`;

/**
 * The collation sorts by bytes: C, POSIX, or one of PostgreSQL's own (provider b, from 17 on); the database's decides for the default one.
 */
const byteOrdered = `COALESCE((SELECT CASE WHEN l.collprovider = 'd'
      THEN (SELECT d.datlocprovider = 'b' OR (d.datlocprovider = 'c' AND d.datcollate IN ('C', 'POSIX'))
        FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
      ELSE l.collprovider = 'b' OR (l.collprovider = 'c' AND l.collcollate IN ('C', 'POSIX')) END
    FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation), false)`;

const columns = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    a.attrelid::int8, a.attnum, a.attname, a.atttypid::int8,
    a.attcollation = 0 OR COALESCE((SELECT l.collisdeterministic FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation), false),
    a.attnotnull, a.attgenerated, a.atttypmod, a.attcollation::int8, ${byteOrdered}) ORDER BY a.attrelid, a.attnum)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND c.oid >= ${USER_OID_MIN}`;

/** Indexes that can name a row in the change stream: RelationGetIndexList in src/backend/utils/cache/relcache.c. */
const identities = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    i.indrelid::int8, i.indisprimary, i.indisreplident,
    (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]))))
  FROM pg_catalog.pg_index i
  WHERE i.indrelid >= ${USER_OID_MIN} AND i.indisvalid AND i.indisunique AND i.indimmediate
    AND (i.indisprimary OR i.indisreplident)`;

/** Foreign keys whose action writes the referencing table. */
const cascades = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(f.confrelid::int8, f.conrelid::int8))
  FROM pg_catalog.pg_constraint f
  WHERE f.contype = 'f' AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))`;

/**
 * Tables with an expression (default, generated column, constraint, index, policy) that calls something user-defined,
 * directly or through a domain of one of their columns; 'p' marks policies, which run in reads as well.
 */
const expressions = `
  WITH calls AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
    WHERE d.refobjid >= ${USER_OID_MIN}
      AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(u.relation::int8, u.kind)) FROM (
    SELECT x.adrelid AS relation, 'w' AS kind FROM pg_catalog.pg_attrdef x JOIN calls ON calls.objid = x.oid
      WHERE calls.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    UNION SELECT x.conrelid, 'w' FROM pg_catalog.pg_constraint x JOIN calls ON calls.objid = x.oid
      WHERE calls.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND x.conrelid <> 0
    UNION SELECT a.attrelid, 'w' FROM pg_catalog.pg_constraint x JOIN calls ON calls.objid = x.oid
      JOIN pg_catalog.pg_attribute a ON a.atttypid = x.contypid
      WHERE calls.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND x.contypid <> 0
    UNION SELECT x.indrelid, 'w' FROM pg_catalog.pg_index x JOIN calls ON calls.objid = x.indexrelid
      WHERE calls.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION SELECT x.polrelid, 'p' FROM pg_catalog.pg_policy x JOIN calls ON calls.objid = x.oid
      WHERE calls.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
    UNION SELECT x.polrelid, 'p' FROM pg_catalog.pg_policy x
      WHERE pg_catalog.concat(pg_catalog.pg_get_expr(x.polqual, x.polrelid), pg_catalog.pg_get_expr(x.polwithcheck, x.polrelid))
        ~ '(set_config|nextval|setval|pg_notify|lo_|_to_xml)') u`;

const routines = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    CASE WHEN p.oid < ${USER_OID_MIN} THEN NULL ELSE n.nspname END, p.proname, p.provolatile, p.pronargs, p.pronargdefaults,
    p.provariadic <> 0,
    CASE WHEN p.oid < ${USER_OID_MIN} THEN NULL ELSE pg_catalog.string_to_array(p.proargtypes::pg_catalog.text, ' ')::pg_catalog.int8[] END,
    l.lanname IN ('c', 'internal'), CASE WHEN p.oid < ${USER_OID_MIN} THEN 0 ELSE p.oid::int8 END))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE p.oid >= ${USER_OID_MIN} OR n.nspname = 'pg_catalog'`;

const operators = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    CASE WHEN o.oid < ${USER_OID_MIN} THEN NULL ELSE n.nspname END, o.oprname, o.oprleft::int8, o.oprright::int8,
    COALESCE(p.provolatile, 'v'), COALESCE(l.lanname IN ('c', 'internal'), false)))
  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
  LEFT JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE o.oid >= ${USER_OID_MIN} OR n.nspname = 'pg_catalog'`;

/** Types of tables (composite types with a relation of kind r, v …) are left out: nothing trusts them. */
const types = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    t.oid::int8, n.nspname, t.typname, t.typtype, t.typbasetype::int8,
    CASE WHEN t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc THEN t.typelem::int8 ELSE 0 END,
    COALESCE(r.rngsubtype, m.rngsubtype, 0)::int8))
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_catalog.pg_range m ON m.rngmultitypid = t.oid
  WHERE t.oid < ${USER_OID_MIN} OR t.typtype <> 'c'`;

const casts = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
    k.castsource::int8, k.casttarget::int8, k.castcontext, k.castmethod, COALESCE(l.lanname IN ('c', 'internal'), true)))
  FROM pg_catalog.pg_cast k LEFT JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc
  LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE k.oid >= ${USER_OID_MIN}`;

const collations = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.nspname, l.collname))
  FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
  WHERE l.oid >= ${USER_OID_MIN}`;

const roles = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(r.oid::int8, r.rolname)) FROM pg_catalog.pg_roles r`;

const views = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(c.oid::int8, pg_catalog.pg_get_viewdef(c.oid)))
  FROM pg_catalog.pg_class c WHERE c.relkind = 'v' AND c.oid >= ${USER_OID_MIN} AND c.relpersistence <> 't'`;

/** Expressions that reads of a table with row level security are filtered by: policies for SELECT and for all commands. */
const policies = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_array(x.polrelid::int8, pg_catalog.pg_get_expr(x.polqual, x.polrelid))
    ORDER BY x.polrelid, x.oid)
  FROM pg_catalog.pg_policy x WHERE x.polcmd IN ('*', 'r') AND x.polqual IS NOT NULL`;

/** Functions of users in language SQL; no aggregates, window functions or procedures. */
const sqlFunctions = `
  SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', p.oid::int8, 'name', p.proname, 'volatility', p.provolatile,
    'definer', p.prosecdef, 'settings', p.proconfig IS NOT NULL, 'returns', p.prorettype::int8,
    'returnsRelation', (SELECT t.typrelid::int8 FROM pg_catalog.pg_type t WHERE t.oid = p.prorettype),
    'types', pg_catalog.string_to_array(p.proargtypes::pg_catalog.text, ' ')::pg_catalog.int8[],
    'allTypes', p.proallargtypes::pg_catalog.int8[], 'modes', p.proargmodes::pg_catalog.text[], 'names', p.proargnames,
    'variadic', p.provariadic <> 0, 'defaults', pg_catalog.pg_get_expr(p.proargdefaults, 0),
    'atomic', p.prosqlbody IS NOT NULL, 'body', COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)))
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE p.oid >= ${USER_OID_MIN} AND l.lanname = 'sql' AND p.prokind = 'f'`;

/** What a session must have in common with this connection (C9), in forms that no setting changes. */
export const originFacts = {
  postmasterStart: `pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.pg_postmaster_start_time()), 'hex')`,
  systemIdentifier: `(SELECT s.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() s)`,
  /** A crash begins the statistics anew, also where the postmaster survives it. */
  statisticsReset: `(SELECT pg_catalog.encode(pg_catalog.timestamptz_send(b.stats_reset), 'hex') FROM pg_catalog.pg_stat_bgwriter b)`,
  databaseOid: `(SELECT d.oid::pg_catalog.text FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())`,
} as const;

const controlSystemIsPublic = `pg_catalog.has_function_privilege('public', 'pg_catalog.pg_control_system()', 'EXECUTE')`;

/** Whether every role of the origin may read the system identifier. */
export const probeQuery = `SELECT ${controlSystemIsPublic}::pg_catalog.text`;

/** One row, one text column of JSON. `fingerprintSql` is an expression (or a one-column SELECT) for one row's value. */
export function catalogQuery(fingerprintSql: string, systemIdentifier: boolean): string {
  const facts: readonly (readonly [string, string])[] = [
    ['fingerprint', `(${fingerprintSql})::pg_catalog.text`],
    ['snapshot', `pg_catalog.pg_current_snapshot()::pg_catalog.text`],
    ['serverVersion', `pg_catalog.current_setting('server_version_num')::int4`],
    ['database', `pg_catalog.current_database()`],
    ['databaseOid', originFacts.databaseOid],
    ['encoding', `pg_catalog.current_setting('server_encoding')`],
    ['postmasterStart', originFacts.postmasterStart],
    ['systemIdentifier', systemIdentifier ? originFacts.systemIdentifier : 'NULL'],
    ['relations', `(${relations})`],
    ['columns', `(${columns})`],
    ['identities', `(${identities})`],
    ['cascades', `(${cascades})`],
    ['expressions', `(${expressions})`],
    ['routines', `(${routines})`],
    ['operators', `(${operators})`],
    ['types', `(${types})`],
    ['casts', `(${casts})`],
    ['collations', `(${collations})`],
    ['roles', `(${roles})`],
    ['views', `(${views})`],
    ['policies', `(${policies})`],
    ['sqlFunctions', `(${sqlFunctions})`],
  ];
  return `SELECT pg_catalog.json_build_object(${facts.map(([name, sql]) => `'${name}', ${sql}`).join(',\n')})::pg_catalog.text`;
}
