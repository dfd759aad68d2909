// Lesson 13: the cache served after a reconnect and before catch-up. The change stream is cut again and again while rows change.
import { afterEach, expect, inject, it } from 'vitest';
import { announceSeed } from '../model/random.ts';
import { schemaSql } from '../model/schema.ts';
import { startWorkload, type Workload } from '../model/workload.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { walsenders } from '../support/schedule.ts';

let workload: Workload;
let pgfresh: Pgfresh;
let database: Awaited<ReturnType<typeof createDatabase>>;

afterEach(async () => {
  await workload?.close();
  await pgfresh?.stop();
  await database?.drop();
});

it('no session sees a stale row while the change stream is cut and comes back', async () => {
  database = await createDatabase(inject('pg15'), schemaSql);
  pgfresh = await startPgfresh({ upstream: database.url });
  workload = await startWorkload({
    ...{ pgfreshUrl: pgfresh.url, originUrl: database.url, seed: announceSeed('reconnect'), level: 'strong' },
    ...{
      reads: Number.POSITIVE_INFINITY,
      sessions: 8,
      pipelinedSessions: 2,
      directWriters: 2,
      writeShare: 0.01,
      directWritePauseMs: 10,
    },
    maxStalenessMs: 1000,
  });
  for (let cut = 1; cut <= 4; cut++) {
    await workload.reached(workload.history.answersChecked + 5_000);
    for (const pid of await walsenders(database.url)) await rowsOf(database.url, `SELECT pg_terminate_backend(${pid})`);
    const { hits } = (await pgfresh.status()).cache;
    await pgfresh.waitForStatus('hits to come back', ({ state, cache }) => state === 'live' && cache.hits > hits + 20);
  }
  workload.finish();
  const { differences } = await workload.converge();
  expect({ errors: workload.errors, violations: workload.history.violations, differences }).toEqual({
    errors: [],
    violations: [],
    differences: [],
  });
  expect((await pgfresh.status()).cacheThread.restarts).toBe(0);
}, 180_000);
