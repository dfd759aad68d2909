/** The one statement of a round, and the statement that makes the origin flush its log. */
import { type Lsn, parseLsn } from '../shared/lsn.ts';
import type { SqlPort } from './control-connection.ts';
import { builtinFingerprintSql, type Fingerprint, objectsFingerprintSql } from './fingerprint.ts';
import { type OriginSnapshot, parseSnapshot } from './settle.ts';

export interface RoundQuestion {
  /** The snapshot of an earlier answer with the accepted fingerprint: while it is still the current one, nothing has been
   * committed since and the fingerprint need not be computed again. */
  readonly knownSnapshot: string | null;
  /** Look at built-in objects and the slot as well. */
  readonly thorough: boolean;
}

export interface RoundAnswer {
  /** The *insert* position: beyond every commit so far, flushed or not (C13). */
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
  /** The origin's time for the statement, milliseconds. */
  readonly originMs: number;
}

/** A publication that somebody altered to publish less counts as empty. */
const publishedSql = `(SELECT pg_catalog.string_agg(r.prrelid::text, ',')
  FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
  WHERE p.pubname = $3 AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
    AND r.prqual IS NULL AND r.prattrs IS NULL)`;

const retainedSql = `(SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::bigint
  FROM pg_catalog.pg_replication_slots WHERE slot_name = $4)`;

/** Scalar subqueries inside CASE run only when their branch is taken. OFFSET 0 keeps the outer clock_timestamp() last. */
const roundSql = `SELECT f.*,
    extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.statement_timestamp()) * 1000
  FROM (SELECT pg_catalog.pg_current_wal_insert_lsn(), s.snapshot, pg_catalog.pg_conf_load_time()::text, s.snapshot = $1,
    CASE WHEN s.snapshot IS DISTINCT FROM $1 THEN ${objectsFingerprintSql} END,
    CASE WHEN s.snapshot IS DISTINCT FROM $1 AND $2::bool THEN ${builtinFingerprintSql} END,
    CASE WHEN s.snapshot IS DISTINCT FROM $1 THEN ${publishedSql} END,
    CASE WHEN $2::bool THEN ${retainedSql} END
    FROM (SELECT pg_catalog.pg_current_snapshot()::text AS snapshot OFFSET 0) s OFFSET 0) f`;

/** @throws what the connection throws; RangeError when the answer makes no sense. */
export async function askRound(
  sql: SqlPort,
  names: { readonly publication: string; readonly slot: string },
  question: RoundQuestion,
): Promise<RoundAnswer> {
  const values = [question.knownSnapshot, question.thorough ? 't' : 'f', names.publication, names.slot];
  const [row] = await sql.query(roundSql, values, 'pgfresh_round');
  const [lsn, snapshotText, configTime, same, objects, builtin, published, retained, originMs] = row!;
  const isKnown = same === 't';
  return {
    lsn: parseLsn(lsn!),
    snapshot: parseSnapshot(snapshotText!),
    snapshotText: snapshotText!,
    configTime: configTime!,
    fingerprint: isKnown ? null : { objects: objects!, builtin: builtin ?? null },
    published: isKnown ? null : new Set((published ?? '').split(',').filter(Boolean).map(Number)),
    retainedBytes: retained === null || retained === undefined ? null : Number(retained),
    originMs: Number(originMs),
  };
}

/** Flushes the log up to the present. From 17 on without using up a transaction id; before, by an asynchronous-proof commit
 * (the control connection has synchronous_commit = local). Manual: Replication Management Functions. */
export async function nudgeOrigin(sql: SqlPort, serverVersion: number): Promise<void> {
  const call = serverVersion >= 170_000 ? "(false, 'pgfresh', '', true)" : "(true, 'pgfresh', '')";
  await sql.query(`SELECT pg_catalog.pg_logical_emit_message${call}`);
}
