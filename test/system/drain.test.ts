import { existsSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh | undefined;
beforeEach(async () => {
  database = await createDatabase(inject('pg15'));
});
afterEach(async () => {
  await pgfresh?.kill('SIGKILL');
  pgfresh = undefined;
  await database.drop();
});

async function sleeping(seconds: number): Promise<{ client: pg.Client; done: Promise<unknown> }> {
  const client = new pg.Client({ connectionString: pgfresh!.url });
  client.on('error', () => undefined);
  await client.connect();
  const done = client.query(`SELECT pg_sleep(${seconds})`);
  done.catch(() => undefined);
  await waitFor('the statement to run', async () => {
    const running =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    return (await rowsOf(database.url, running)).length > 0;
  });
  return { client, done };
}

it('SIGTERM lets a statement finish, refuses new clients, tells idle ones why, and exits with 0', async () => {
  pgfresh = await startPgfresh({ upstream: database.url, unix: true });
  const file = path.join(pgfresh.unixDirectory, `.s.PGSQL.${pgfresh.port}`);
  expect(existsSync(file)).toBe(true);
  const idle = new pg.Client({ connectionString: pgfresh.url });
  const idleEnd = new Promise<Error & { code?: string }>((resolve) => idle.on('error', resolve));
  await idle.connect();
  const { done } = await sleeping(2);
  process.kill(pgfresh.pid, 'SIGTERM');
  expect((await idleEnd).code).toBe('57P01');
  await expect(rowsOf(pgfresh.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED|shutting down|terminat/);
  await done;
  expect(await pgfresh.exited).toEqual({ code: 0, signal: null });
  expect(existsSync(file)).toBe(false);
});

it('ends a statement that outlasts the grace', async () => {
  pgfresh = await startPgfresh({ upstream: database.url, args: ['--drain-grace', '500ms'] });
  const { done } = await sleeping(600);
  process.kill(pgfresh.pid, 'SIGTERM');
  await expect(done).rejects.toThrow();
  expect(await pgfresh.exited).toEqual({ code: 0, signal: null });
});

it('a second signal ends it at once, with code 1', async () => {
  pgfresh = await startPgfresh({ upstream: database.url, args: ['--drain-grace', '10min'] });
  await sleeping(600);
  process.kill(pgfresh.pid, 'SIGINT');
  await waitFor('the drain', () => pgfresh!.lines.some((line) => line.includes('draining')));
  process.kill(pgfresh.pid, 'SIGTERM');
  expect(await pgfresh.exited).toEqual({ code: 1, signal: null });
});
