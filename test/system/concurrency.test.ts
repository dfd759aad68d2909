// Every model of concurrency serves real drivers as the origin does, over TCP and the Unix socket, hits included.
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { FixedModels } from '../../src/shared/config.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { pgScript, postgresJsScript, shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;

beforeAll(async () => {
  database = await createDatabase(inject('pg18'), shopSql);
});
afterEach(() => pgfresh.stop());
afterAll(() => database.drop());

it.each(FixedModels)('%s', async (model) => {
  const direct = [await pgScript(database.url), await postgresJsScript(database.url)];
  const args = ['--concurrency-model', model, '--concurrency-max-threads', '4'];
  pgfresh = await startPgfresh({ upstream: database.url, unix: true, args });
  for (let pass = 0; pass < 2; pass++) {
    expect([await pgScript(pgfresh.url), await postgresJsScript(pgfresh.url)]).toEqual(direct);
  }
  const { username, password } = new URL(database.url);
  const unixUrl = `postgres://${username}:${password}@/${database.name}?host=${pgfresh.unixDirectory}&port=${pgfresh.port}`;
  await waitFor('a hit over each transport', async () => {
    const hits: number[] = [];
    for (const url of [pgfresh.url, unixUrl]) {
      const before = (await pgfresh.status()).cache.hits;
      await rowsOf(url, 'SELECT * FROM shop WHERE id = 3');
      await rowsOf(url, 'SELECT * FROM shop WHERE id = 3');
      hits.push((await pgfresh.status()).cache.hits - before);
    }
    return hits.every((count) => count > 0);
  });
  // As a readiness probe, in a thread of its own where each connection has one.
  expect((await fetch(`${pgfresh.adminUrl}/readyz`)).status).toBe(200);
  const metrics = await pgfresh.metrics();
  expect(metrics).toMatch(new RegExp(`^pgfresh_active_threads\\{tcp="${model}",unix="${model}"\\} [1-4]$`, 'm'));
  expect(metrics).toMatch(/^pgfresh_queue_wait_seconds\{quantile="0.99"\} [\d.e-]+$/m);
});
