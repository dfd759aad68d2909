/** The one statement of a round, and the statement that makes the origin flush its log. */
import { formatLsn, type Lsn, parseLsn } from '../shared/lsn.ts';
import type { SqlPort, TextRow } from './control-connection.ts';
import {
  builtinFingerprintSql,
  digestOfObjects,
  type Fingerprint,
  materializedSql,
  objectsDigestSql,
  objectsFingerprintSql,
} from './fingerprint.ts';
import { type OriginSnapshot, parseSnapshot } from './settle.ts';
import type { ProbeAnswer } from './snapshot-probe.ts';

export interface RoundQuestion {
  /** The snapshot of an earlier answer with the accepted fingerprint: while it is still the current one, nothing has been
   * committed since and the fingerprint need not be computed again. */
  readonly knownSnapshot: string | null;
  /** The catalog that was loaded. */
  readonly accepted: Fingerprint;
  /** Look at built-in objects and the slot as well. */
  readonly thorough: boolean;
}

export interface RoundAnswer {
  /** The *insert* position, sampled after the snapshot was taken: beyond every commit that it shows, flushed or not (C13). */
  readonly lsn: Lsn;
  readonly snapshot: OriginSnapshot;
  readonly snapshotText: string;
  /** When this connection last read the server's configuration. */
  readonly configTime: string;
  /** Null when the snapshot was the known one; its `builtin` is null unless thorough. */
  readonly fingerprint: Fingerprint | null;
  /** Tables in the publication as we put them there, without row filters or column lists; null when the snapshot was the known one. */
  readonly published: ReadonlySet<number> | null;
  /** Log held back by the slot; null unless thorough. */
  readonly retainedBytes: number | null;
  /** The origin's time for the statement, milliseconds, from its Bind on: to make a plan ready takes as long as to run it. */
  readonly originMs: number;
}

/** What a round looks at by name. */
export interface RoundNames {
  readonly publication: string;
  readonly slot: string;
}

/** A publication that somebody altered to publish less counts as empty. */
const publishedSql = `(SELECT pg_catalog.string_agg(r.prrelid::text, ',')
  FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
  WHERE p.pubname = $2 AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
    AND r.prqual IS NULL AND r.prattrs IS NULL)`;

const retainedSql = `(SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::bigint
  FROM pg_catalog.pg_replication_slots WHERE slot_name = $3)`;

/**
 * Scalar subqueries inside CASE run only when their branch is taken, but each of them is made ready: so there are two statements, and the one that is
 * asked for mostly has only what it needs. OFFSET 0 keeps the outer clock_timestamp() last.
 */
const roundSql = (objects: string, thorough: string): string => `SELECT f.*,
    extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp()) * 1000
  FROM (SELECT pg_catalog.pg_current_wal_insert_lsn(), s.snapshot, pg_catalog.pg_conf_load_time()::text, s.snapshot = $1,
    CASE WHEN s.snapshot IS DISTINCT FROM $1 THEN ${objects} END,
    CASE WHEN s.snapshot IS DISTINCT FROM $1 THEN ${publishedSql} END${thorough}
    FROM (SELECT pg_catalog.pg_current_snapshot()::text AS snapshot OFFSET 0) s OFFSET 0) f`;

const quickSql = roundSql(objectsDigestSql, '');
const thoroughSql = roundSql(
  objectsFingerprintSql,
  `, CASE WHEN s.snapshot IS DISTINCT FROM $1 THEN ${builtinFingerprintSql} END,
    CASE WHEN s.snapshot IS DISTINCT FROM $1 THEN ${materializedSql} END, ${retainedSql}`,
);

/** @throws what the connection throws; RangeError when the answer makes no sense. */
export async function askRound(sql: SqlPort, names: RoundNames, question: RoundQuestion): Promise<RoundAnswer> {
  const { knownSnapshot, accepted, thorough } = question;
  if (thorough) return askThoroughly(sql, names, knownSnapshot);
  const [row] = await sql.query(quickSql, [knownSnapshot, names.publication], 'pgfresh_round');
  const [, , , same, digest, published, originMs] = row!;
  const fingerprint = { ...accepted, builtin: null };
  // What has changed, only the other statement says.
  if (same !== 't' && digest !== digestOfObjects(accepted)) return askThoroughly(sql, names, null);
  return roundAnswer(row!, fingerprint, published!, null, originMs!);
}

async function askThoroughly(sql: SqlPort, names: RoundNames, knownSnapshot: string | null): Promise<RoundAnswer> {
  const values = [knownSnapshot, names.publication, names.slot];
  const [row] = await sql.query(thoroughSql, values, 'pgfresh_thorough_round');
  const [, , , , objects, published, builtin, materialized, retained, originMs] = row!;
  const fingerprint = { objects: objects!, builtin: builtin ?? null, materialized: materialized! };
  return roundAnswer(row!, fingerprint, published!, retained!, originMs!);
}

/** @param row begins with position, snapshot, time of the configuration, and whether the snapshot is the known one */
function roundAnswer(
  row: TextRow,
  fingerprint: Fingerprint,
  published: string | null,
  retained: string | null,
  originMs: string,
): RoundAnswer {
  const [lsn, snapshotText, configTime, same] = row;
  const isKnown = same === 't';
  return {
    lsn: parseLsn(lsn!),
    snapshot: parseSnapshot(snapshotText!),
    snapshotText: snapshotText!,
    configTime: configTime!,
    fingerprint: isKnown ? null : fingerprint,
    published: isKnown ? null : new Set((published ?? '').split(',').filter(Boolean).map(Number)),
    retainedBytes: retained === null ? null : Number(retained),
    originMs: Number(originMs),
  };
}

const snapshotSql = `SELECT s.snapshot, pg_catalog.pg_current_wal_insert_lsn()
  FROM (SELECT pg_catalog.pg_current_snapshot()::text AS snapshot OFFSET 0) s`;

/** @throws as `askRound` */
export async function askSnapshot(sql: SqlPort): Promise<ProbeAnswer> {
  const [row] = await sql.query(snapshotSql, [], 'pgfresh_snapshot');
  return { snapshot: parseSnapshot(row![0]!), lsn: parseLsn(row![1]!) };
}

/** Flushes the log up to the present, unless it is flushed up to `target`: then the stream is on its way, and a commit would only make for another snapshot. From 17
 * on without using up a transaction id; before, by an asynchronous-proof commit (the control connection has synchronous_commit = local).
 * Manual: Replication Management Functions. */
export async function nudgeOrigin(sql: SqlPort, serverVersion: number, target: Lsn): Promise<void> {
  const call = serverVersion >= 170_000 ? "(false, 'pgfresh', '', true)" : "(true, 'pgfresh', '')";
  await sql.query(
    `SELECT pg_catalog.pg_logical_emit_message${call} WHERE pg_catalog.pg_current_wal_flush_lsn() < $1::pg_catalog.pg_lsn`,
    [formatLsn(target)],
  );
}
