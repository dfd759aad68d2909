import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { announceSeed } from '../model/random.ts';
import { schemaSql } from '../model/schema.ts';
import { startWorkload, type Workload } from '../model/workload.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';

const maxStalenessMs = 1000;
/** Issue 2: caching is back within 5 s; the deadline leaves room for a machine that is busy with other tests. */
const backDeadlineMs = 15_000;
/** Checked after a thread has been replaced. */
const answersAfterwards = 2_500;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
let workload: Workload | undefined;

beforeEach(async () => {
  database = await createDatabase(inject('pg18'), schemaSql);
  pgfresh = await startPgfresh({ upstream: database.url, env: { PGFRESH_FAULTS: 'admin' } });
});

afterEach(async () => {
  await workload?.close();
  workload = undefined;
  await pgfresh.stop();
  await database.drop();
});

const begin = (test: string, reconnect: boolean) =>
  startWorkload({
    ...{
      pgfreshUrl: pgfresh.url,
      originUrl: database.url,
      seed: announceSeed(test),
      level: 'strong',
      reads: Number.POSITIVE_INFINITY,
    },
    ...{ sessions: 8, pipelinedSessions: 2, directWriters: 1, writeShare: 0.01, directWritePauseMs: 20 },
    ...{ maxStalenessMs, reconnect },
  });

it.each([
  ['dies of an uncaught error', 'cache-throw'],
  ['exits', 'cache-exit'],
  ['blocks its event loop', 'cache-block'],
])(
  'clients notice nothing when the cache thread %s',
  async (_how, fault) => {
    workload = await begin(fault, false);
    await workload.reached(2_500);
    const before = await pgfresh.status();
    const startMs = performance.now();
    await pgfresh.fault(fault);
    const live = await pgfresh.waitForStatus(
      'a new generation that is live',
      ({ state, cacheThread }) => state === 'live' && cacheThread.generation > before.cacheThread.generation,
      backDeadlineMs,
    );
    const liveMs = performance.now() - startMs;
    expect(live.cacheThread.restarts).toBe(before.cacheThread.restarts + 1);
    // Whatever is counted from here on is a hit of the new generation.
    await pgfresh.moreHits(1, backDeadlineMs);
    const hitMs = performance.now() - startMs;
    process.stdout.write(`${fault}: live after ${Math.round(liveMs)} ms, first hit after ${Math.round(hitMs)} ms\n`);
    await pgfresh.moreHits(100, backDeadlineMs);
    await workload.reached(workload.history.answersChecked + answersAfterwards);
    workload.finish();
    const { differences } = await workload.converge();
    expect({ errors: workload.errors, violations: workload.history.violations, differences }).toEqual({
      errors: [],
      violations: [],
      differences: [],
    });
  },
  120_000,
);

it('ends only the sessions of a worker that dies, and serves them again after they reconnect', async () => {
  workload = await begin('worker-exit', true);
  await workload.reached(2_500);
  const before = await pgfresh.status();
  await pgfresh.fault('worker-exit');
  await pgfresh.waitForStatus(
    'a worker to be replaced',
    ({ workers }) => workers.some(({ restarts }) => restarts > 0) && workers.length === before.workers.length,
    backDeadlineMs,
  );
  await workload.reached(workload.history.answersChecked + answersAfterwards);
  workload.finish();
  const { differences } = await workload.converge();
  expect({ violations: workload.history.violations, differences }).toEqual({ violations: [], differences: [] });
  const lost = before.workers.reduce((sum, { sessions }) => sum + sessions, 0) / before.workers.length;
  expect(workload.reconnects).toBeGreaterThan(0);
  // Round robin gave each worker the same share; only one share may have been lost.
  expect(workload.reconnects).toBeLessThanOrEqual(Math.ceil(lost) + 1);
}, 120_000);
