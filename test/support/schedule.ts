/** Pieces of schedules that are otherwise left to chance: a stopped change stream, a commit that is durable but not visible. */
import pg from 'pg';
import { rowsOf } from './origin-state.ts';
import { waitFor } from './wait.ts';

/** Process ids of the WAL senders that stream this database. */
export async function walsenders(url: string): Promise<number[]> {
  const rows = await rowsOf(
    url,
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()",
  );
  return rows.map(([pid]) => Number(pid));
}

/** Stops the change stream as a hung machine would: connected, silent. Returns what lets it go on. */
export async function hangStream(url: string): Promise<() => void> {
  const pids = await walsenders(url);
  if (pids.length === 0) throw new Error('no WAL sender to stop');
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  };
}

export interface HangingCommit {
  /** Lets the commit finish and waits for its acknowledgement. */
  release(): Promise<void>;
}

/**
 * Commits `sql` so that it is in the WAL, and so on the change stream, while no snapshot sees it yet: it waits for a
 * synchronous standby that does not exist. The cluster needs `synchronous_standby_names` set and `synchronous_commit=local`.
 */
export async function hangCommit(url: string, sql: string): Promise<HangingCommit> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const [{ pid }] = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }];
  await client.query('SET synchronous_commit = on');
  const done = client.query(sql);
  await waitFor('the commit to wait for a standby', async () => {
    const rows = await rowsOf(url, `SELECT 1 FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'SyncRep'`);
    return rows.length > 0;
  });
  return {
    async release() {
      // The server answers a cancelled wait with a warning and finishes the commit.
      await rowsOf(url, `SELECT pg_cancel_backend(${pid})`);
      await done;
      await client.end();
    },
  };
}
