/** Shapes whose hits are no cheaper than the origin, with a real origin and a clock that says what things cost. */
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { monotonicClock } from '../../src/shared/clock.ts';
import { LATENCY_SAMPLE_EVERY } from '../../src/shared/memory/latency.ts';
import { BYPASS_SAMPLES_MIN, BYPASS_STATEMENTS } from '../../src/worker/bypass.ts';
import { attachFakeCache } from '../support/fake-cache.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { cachedConfig, startWorker, type TestWorker } from '../support/worker.ts';

const hitsToJudge = LATENCY_SAMPLE_EVERY * BYPASS_SAMPLES_MIN;

let database: Awaited<ReturnType<typeof createDatabase>>;
let worker: TestWorker;
let client: pg.Client;
/** Every look at the clock takes this long. */
let stepMs = 0;
let passedMs = 0;

beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 100) i',
  );
  const config = cachedConfig(inject('pg18'));
  const startMs = monotonicClock.nowMs();
  worker = await startWorker(config, 0, { nowMs: () => startMs + (passedMs += stepMs) });
  attachFakeCache(worker.runtime);
  client = new pg.Client({ connectionString: worker.url(database.url) });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await worker.stop();
  await database.drop();
});

const read = async (id: number): Promise<void> => {
  const { rows } = await client.query({ name: 'read', text: 'SELECT v FROM t WHERE id = $1', values: [id] });
  expect(rows).toEqual([{ v: id }]);
};

async function hitsAmong(statements: number): Promise<number> {
  const before = worker.count('hits');
  for (let i = 0; i < statements; i++) await read(1);
  return worker.count('hits') - before;
}

it('are passed through with their reason, and tried again later', async () => {
  for (let id = 1; id <= 2 * BYPASS_SAMPLES_MIN; id++) {
    await waitFor('a hit', async () => {
      const before = worker.count('hits');
      await read(id);
      return worker.count('hits') > before;
    });
  }
  stepMs = 10;
  await hitsAmong(hitsToJudge);
  stepMs = 0;
  expect(await hitsAmong(50)).toBe(0);
  expect(worker.reason('cache.bypass')).toBeGreaterThanOrEqual(50);
  expect(worker.count('hits') + worker.count('misses') + worker.count('passthrough')).toBe(worker.count('statements'));
  await hitsAmong(BYPASS_STATEMENTS - worker.reason('cache.bypass'));
  expect(await hitsAmong(50)).toBe(50);
});
