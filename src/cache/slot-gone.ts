/**
 * Waiting until the origin has let go of a slot of ours whose connection was closed. The walsender may be in the midst of making the slot, waiting
 * for writers of any database, and does not notice that nobody is there; then it is ended.
 */
import type { Config } from '../shared/config.ts';
import { ControlConnection } from './control-connection.ts';

const ROUNDS_MAX = 60;
const PAUSE_MS = 50;
const TIMEOUT_MS = 3_000;
/** Where to look from when the database of `--upstream` is itself the one to be left. */
const MAINTENANCE_DATABASE = 'postgres';

/** @param config of the stream that used the slot. @throws the origin's error, or that of connecting. */
export async function slotGone({ upstream, cdcUpstream, limits }: Config, slotName: string): Promise<void> {
  const isFirst = cdcUpstream.database === upstream.database;
  const connection = await ControlConnection.open({
    upstream: { ...cdcUpstream, database: isFirst ? MAINTENANCE_DATABASE : upstream.database },
    applicationName: 'pgfresh work',
    connectTimeoutMs: Math.min(TIMEOUT_MS, limits.originConnectTimeoutMs),
    timeoutMs: TIMEOUT_MS,
  });
  connection.on('lost', () => undefined);
  try {
    const ended = 'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active';
    for (let i = 0; i < ROUNDS_MAX && (await connection.query(ended, [slotName])).length > 0; i++) {
      await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS));
    }
  } finally {
    await connection.end();
  }
}
