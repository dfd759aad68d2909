import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { accountsSql, pgbench } from '../support/pgbench.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';

const keys = 1000;
const lookup = 'SELECT abalance FROM pgbench_accounts WHERE aid = ';

/** Every key once, in the protocol form that pgbench used. */
async function readAll(url: string, mode: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const rows: unknown[] = [];
  for (let aid = 1; aid <= keys; aid++) {
    const named = mode === 'prepared' ? { name: 'P0_1' } : {};
    const query = mode === 'simple' ? { text: `${lookup}${aid};` } : { text: `${lookup}$1;`, values: [aid], ...named };
    rows.push((await client.query({ ...query, rowMode: 'array' })).rows);
  }
  await client.end();
  return rows;
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let pgfresh: Pgfresh;

  beforeAll(async () => {
    database = await createDatabase(inject(origin), accountsSql(keys));
    pgfresh = await startPgfresh({ upstream: database.url });
  });
  afterAll(async () => {
    await pgfresh.stop();
    await database.drop();
  });

  it.each(['simple', 'extended', 'prepared'])(
    'pgbench -S -M %s: no errors, and more than 95 of 100 reads hit',
    async (mode) => {
      // The scale bounds the keys that pgbench's own script draws: random(1, 100000 * :scale).
      const args = ['-S', '-n', '-M', mode, '-c', '8', '-j', '2', '-D', `scale=${keys / 100_000}`];
      const cold = await pgbench(pgfresh.url, [...args, '-t', '1000']);
      expect(cold.failed).toBe(0);
      const before = (await pgfresh.status()).cache;
      const warm = await pgbench(pgfresh.url, [...args, '-t', '2500']);
      const after = (await pgfresh.status()).cache;
      const hits = after.hits - before.hits;
      process.stdout.write(
        `pgbench -S -M ${mode} on ${origin}: ${((hits / warm.transactions) * 100).toFixed(1)} % hits\n`,
      );
      expect({ transactions: warm.transactions, failed: warm.failed }).toEqual({ transactions: 20_000, failed: 0 });
      expect(hits / warm.transactions).toBeGreaterThan(0.95);
      expect(await readAll(pgfresh.url, mode)).toEqual(await readAll(database.url, mode));
    },
  );

  it('pgbench with its own mix of reads and writes ends without an error and leaves the books balanced', async () => {
    const args = ['-n', '-c', '8', '-j', '2', '-t', '200', '-D', `scale=1`];
    const mixed = ['-f', 'test/support/pgbench-mix.sql', ...args, '-M', 'prepared'];
    const report = await pgbench(pgfresh.url, mixed);
    expect(report.failed).toBe(0);
    const sums = 'SELECT (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)';
    const client = new pg.Client({ connectionString: pgfresh.url });
    await client.connect();
    const [[branches, history]] = (await client.query({ text: sums, rowMode: 'array' })).rows as [[string, string]];
    await client.end();
    expect(branches).toBe(history);
  });
});
