/**
 * What an origin must have for its changes to be followed, checked one by one, each with the exact remedy. `doctor` prints the list, the
 * feed reports the first failure. Manual: Logical Replication, Configuration Settings and Security.
 */

/** Runs one statement without parameters and gives its rows as texts. */
export type TextQuery = (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

export interface Check {
  /** Stable: `wal_level`, `version` … */
  readonly name: string;
  readonly ok: boolean;
  /** What was found. */
  readonly found: string;
  /** What to do; empty when ok. */
  readonly remedy: string;
}

const VERSION_MIN = 150_000;
const VERSION_MAX = 189_999;

const factsSql = `SELECT
  current_setting('server_version_num'), current_setting('server_version'), current_setting('wal_level'),
  pg_catalog.pg_is_in_recovery()::int, current_user, current_database(),
  (SELECT (rolreplication OR rolsuper)::int FROM pg_catalog.pg_roles WHERE rolname = current_user),
  pg_catalog.has_database_privilege(current_database(), 'CREATE')::int,
  current_setting('max_replication_slots'), (SELECT count(*) FROM pg_catalog.pg_replication_slots),
  current_setting('max_wal_senders'), (SELECT count(*) FROM pg_catalog.pg_stat_replication),
  current_setting('server_encoding'), (pg_catalog.has_function_privilege('pg_catalog.pg_current_wal_insert_lsn()', 'EXECUTE')
    AND pg_catalog.has_function_privilege('pg_catalog.pg_current_wal_flush_lsn()', 'EXECUTE'))::int,
  EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = '%PUBLICATION%'
    AND NOT pg_catalog.pg_has_role(pubowner, 'USAGE'))::int, current_setting('synchronous_standby_names')`;

/** @param publication of this node, so that one of another owner is noticed.
 * @throws when the query fails. */
export async function diagnose(query: TextQuery, publication: string): Promise<Check[]> {
  const [row] = await query(factsSql.replace('%PUBLICATION%', publication.replaceAll("'", "''")));
  const [versionNumber, version, walLevel, recovery, user, database, replication, create] = row as string[];
  const [slotsMax, slots, sendersMax, senders, encoding, walFunctions, foreign, standbys] = row!.slice(8) as string[];
  const checks: Check[] = [];
  const check = (name: string, ok: boolean, found: string, remedy: string): void => {
    checks.push({ name, ok, found, remedy: ok ? '' : remedy });
  };
  const supported = Number(versionNumber) >= VERSION_MIN && Number(versionNumber) <= VERSION_MAX;
  check('version', supported, `PostgreSQL ${version}`, 'pgfresh supports PostgreSQL 15 to 18');
  check(
    'primary',
    recovery === '0',
    recovery === '0' ? 'primary' : 'standby',
    'point upstream (or cdc.upstream) at the primary',
  );
  check(
    'wal_level',
    walLevel === 'logical',
    walLevel!,
    "ALTER SYSTEM SET wal_level = 'logical'; then restart PostgreSQL",
  );
  const role = quote(user!);
  check('replication', replication === '1', `role ${user}`, `ALTER ROLE ${role} REPLICATION`);
  check('create', create === '1', `database ${database}`, `GRANT CREATE ON DATABASE ${quote(database!)} TO ${role}`);
  check(
    'publication',
    foreign === '0',
    publication,
    `DROP PUBLICATION ${quote(publication)} (it belongs to another role)`,
  );
  const more = (setting: string, used: string): string =>
    `ALTER SYSTEM SET ${setting} = ${Number(used) + 5}; then restart PostgreSQL (or free one: pgfresh cleanup)`;
  check(
    'slots',
    Number(slots) < Number(slotsMax),
    `${slots} of ${slotsMax} used`,
    more('max_replication_slots', slots!),
  );
  check(
    'senders',
    Number(senders) < Number(sendersMax),
    `${senders} of ${sendersMax} used`,
    more('max_wal_senders', senders!),
  );
  const functions = ['pg_current_wal_insert_lsn', 'pg_current_wal_flush_lsn'];
  const grant = `GRANT EXECUTE ON FUNCTION ${functions.map((name) => `pg_catalog.${name}()`).join(', ')} TO ${role}`;
  check('functions', walFunctions === '1', functions.join(', '), grant);
  // A subscriber confirms what it has received, and a commit that waits for any standby would be content with that (seen: released by our stream).
  check(
    'standbys',
    !/\*|pgfresh stream/i.test(standbys!),
    `synchronous_standby_names = '${standbys}'`,
    "ALTER SYSTEM SET synchronous_standby_names to the names of the standbys: under * pgfresh's change stream would count as one",
  );
  // Values on the stream come in the client's encoding; only UTF8 databases compare byte for byte with what clients send.
  check('encoding', encoding === 'UTF8', encoding!, 'pgfresh caches databases with encoding UTF8');
  return checks;
}

/** The first thing that is wrong as one line with its remedy, or null. */
export function firstProblem(checks: readonly Check[]): { problem: string; remedy: string } | null {
  const failed = checks.find((check) => !check.ok);
  return failed === undefined ? null : { problem: `${failed.name}: ${failed.found}`, remedy: failed.remedy };
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
