/** Looking at the origin from outside: what pgfresh left there, and what it would answer. */
import pg from 'pg';
import { waitFor } from './wait.ts';

export type Row = readonly unknown[];

/** One connection, one statement, its rows as arrays. */
export async function rowsOf(url: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  // A server that goes away after the answer is no failure of the question; one before it rejects the query.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text: sql, values: [...values], rowMode: 'array' })).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Replication slots of the database. */
export async function slotsOf(url: string): Promise<string[]> {
  const rows = await rowsOf(url, 'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()');
  return rows.map(([name]) => String(name));
}

export async function publicationsOf(url: string): Promise<string[]> {
  return (await rowsOf(url, 'SELECT pubname FROM pg_publication ORDER BY 1')).map(([name]) => String(name));
}

/** Tables in any publication of the database, `schema.table`. */
export async function publishedTablesOf(url: string): Promise<string[]> {
  const rows = await rowsOf(url, "SELECT schemaname || '.' || tablename FROM pg_publication_tables ORDER BY 1");
  return rows.map(([name]) => String(name));
}

/** Waits until the session with this backend runs a statement. */
export function waitForActive(url: string, processId: number): Promise<void> {
  const running = `SELECT 1 FROM pg_stat_activity WHERE pid = ${processId} AND state = 'active'`;
  return waitFor(`backend ${processId} to run a statement`, async () => (await rowsOf(url, running)).length === 1);
}
