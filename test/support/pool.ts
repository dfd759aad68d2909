import pg from 'pg';

/**
 * A pool of node-postgres at `connectionString`. What a connection says after its last query (57P01, when its database is dropped while it closes) is
 * nobody's failure; without a listener node-postgres would throw it at the whole process. A query that meets it still rejects.
 */
export function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max });
  const ignore = () => {};
  pool.on('error', ignore);
  pool.on('connect', (client) => client.on('error', ignore));
  return pool;
}
