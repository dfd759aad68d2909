import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

it('a whole session works where main has to relay the bytes: hits, large results, large parameters, errors, the end', async () => {
  const database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$one$$)',
  );
  const pgfresh = await startPgfresh({ upstream: database.url, env: { PGFRESH_FAULTS: 'relay' } });
  expect(pgfresh.lines.some((line) => line.includes('relays the bytes'))).toBe(true);
  const client = new pg.Client({ connectionString: pgfresh.url });
  await client.connect();
  await waitFor('a hit', async () => {
    const { rows } = await client.query('SELECT v FROM t WHERE id = $1', [1]);
    expect(rows).toEqual([{ v: 'one' }]);
    return (await pgfresh.status()).cache.hits > 0;
  });
  const large = await client.query("SELECT i, repeat('x', 1000) AS x FROM generate_series(1, 20000) i");
  expect(large.rows).toHaveLength(20_000);
  expect(large.rows.at(-1)).toEqual({ i: 20_000, x: 'x'.repeat(1000) });
  const parameter = 'y'.repeat(5_000_000);
  expect((await client.query('SELECT length($1::text) AS n', [parameter])).rows).toEqual([{ n: 5_000_000 }]);
  await client.query('UPDATE t SET v = $1 WHERE id = 1', ['two']);
  expect((await client.query('SELECT v FROM t WHERE id = $1', [1])).rows).toEqual([{ v: 'two' }]);
  await expect(client.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
  await client.end();
  await pgfresh.waitForStatus('no session', ({ workers }) => workers.every(({ sessions }) => sessions === 0));
  await pgfresh.stop();
  await database.drop();
});
