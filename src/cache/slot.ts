/**
 * The replication slot: made on the replication connection itself, temporary unless it has a configured name.
 *
 * Making one waits for every transaction that is writing, of every database, and nobody may wait for ever (C24): lock_timeout ends the wait on
 * the server's side, so that no half-made slot stays behind there. Manual: Streaming Replication Protocol, CREATE_REPLICATION_SLOT.
 */
import { toError } from '../shared/errors.ts';
import type { TextRow } from './control-connection.ts';
import { StreamError } from './stream-error.ts';

export interface SlotOptions {
  /** Lower-case letters, digits and underscores, at most 63. */
  readonly slotName: string;
  /** Gone with the connection; otherwise it stays, and holds back log while nobody reads it. */
  readonly temporary: boolean;
  /** How long making the slot may wait for transactions that are running. */
  readonly slotTimeoutMs: number;
  /** A named slot that holds back more log than this is made anew. */
  readonly lagBytesMax: number;
}

/** Runs one command of the walsender; `extraMs` on top of the usual deadline. */
export type WalsenderCommand = (command: string, extraMs?: number) => Promise<TextRow[]>;

/** @throws StreamError with a remedy. */
export async function prepareSlot(run: WalsenderCommand, options: SlotOptions): Promise<void> {
  const { slotName, temporary, slotTimeoutMs } = options;
  if (!temporary && (await namedSlotIsUsable(run, options))) return;
  await run(`SET lock_timeout = ${Math.max(1, Math.floor(slotTimeoutMs))}`);
  const kind = temporary ? 'TEMPORARY LOGICAL' : 'LOGICAL';
  try {
    await run(`CREATE_REPLICATION_SLOT ${slotName} ${kind} pgoutput (SNAPSHOT 'nothing')`, slotTimeoutMs);
  } catch (error) {
    throw explain(toError(error), slotTimeoutMs);
  }
  await run('SET lock_timeout = 0');
}

/** Drops a slot of our name that is lost or too far behind; keeps one that serves. */
async function namedSlotIsUsable(run: WalsenderCommand, { slotName, lagBytesMax }: SlotOptions): Promise<boolean> {
  const [slot] = await run(`SELECT plugin, active, wal_status,
      pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint, database = current_database()
    FROM pg_catalog.pg_replication_slots WHERE slot_name = '${slotName}'`);
  if (slot === undefined) return false;
  const [plugin, active, status, lagBytes, ours] = slot;
  if (plugin !== 'pgoutput' || ours !== 't') {
    throw new StreamError('SLOT_FOREIGN', `slot ${slotName} belongs to something else`, 'choose another cdc.slot');
  }
  if (active === 't') {
    throw new StreamError('SLOT_ACTIVE', `slot ${slotName} is in use`, 'one node per cdc.slot: choose another name');
  }
  if (status !== 'lost' && lagBytes !== null && BigInt(lagBytes!) <= BigInt(lagBytesMax)) return true;
  await run(`DROP_REPLICATION_SLOT ${slotName}`);
  return false;
}

const openWriters =
  'SELECT pid, xact_start, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start; ' +
  'SELECT * FROM pg_prepared_xacts';

/** lock_not_available, and our own deadline; configuration_limit_exceeded: no slot is free. */
function explain(error: Error, timeoutMs: number): Error {
  const code = (error as { code?: string }).code;
  if (code === '55P03' || code === 'STREAM_TIMEOUT') {
    const problem = `the origin could not make a replication slot within ${timeoutMs} ms, because transactions that write have been open for longer`;
    return new StreamError('SLOT_TIMEOUT', problem, `end them (${openWriters}), or raise cdc.slot_timeout`, error);
  }
  if (code === '53400') {
    return new StreamError(
      'SLOT_NONE_FREE',
      error.message,
      'raise max_replication_slots and restart the origin',
      error,
    );
  }
  return error;
}
