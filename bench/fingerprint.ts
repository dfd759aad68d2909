/** What the catalog fingerprint costs the origin, by the number of tables: `node bench/fingerprint.ts`. */
import pg from 'pg';
import { builtinFingerprintSql, objectsFingerprintSql } from '../src/cache/fingerprint.ts';
import { startCluster, type Version } from '../test/support/postgres.ts';

const SAMPLES = 60;

async function medianMs(client: pg.Client, name: string, text: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const startMs = performance.now();
    await client.query({ name, text });
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b)[SAMPLES >> 1]!;
}

async function addTables(client: pg.Client, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await client.query(
      `CREATE TABLE t${i} (id int PRIMARY KEY, a text NOT NULL, b text, c int, d int REFERENCES t${Math.max(0, i - 1)})`,
    );
  }
  await client.query('VACUUM ANALYZE');
}

async function measure(version: Version): Promise<void> {
  const cluster = await startCluster({ version, settings: ['max_locks_per_transaction=256'] });
  const client = new pg.Client({ connectionString: cluster.url });
  try {
    await client.connect();
    await client.query(
      'SET jit = off; SET plan_cache_mode = force_generic_plan; SET max_parallel_workers_per_gather = 0',
    );
    const shortcut = `SELECT CASE WHEN pg_current_snapshot() IS NULL THEN ${objectsFingerprintSql} END`;
    let made = 0;
    for (const tables of [20, 200, 2_000]) {
      await addTables(client, made, tables);
      made = tables;
      const { rows } = await client.query(
        'SELECT (SELECT count(*) FROM pg_class) c, (SELECT count(*) FROM pg_attribute) a',
      );
      const idle = await medianMs(client, 'idle', shortcut);
      const objects = await medianMs(client, 'objects', `SELECT ${objectsFingerprintSql}`);
      const builtin = await medianMs(client, 'builtin', `SELECT ${builtinFingerprintSql}`);
      process.stdout.write(
        `PostgreSQL ${version}, ${tables} tables (pg_class ${rows[0].c}, pg_attribute ${rows[0].a}): ` +
          `unchanged snapshot ${idle.toFixed(2)} ms, objects ${objects.toFixed(2)} ms, built-in ${builtin.toFixed(2)} ms\n`,
      );
    }
  } finally {
    await client.end();
    await cluster.stop();
  }
}

await measure(15);
await measure(18);
