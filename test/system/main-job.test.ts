import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { announceSeed } from '../model/random.ts';
import { schemaSql } from '../model/schema.ts';
import { startWorkload, type Workload } from '../model/workload.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';

/** Default of cache.max_staleness. */
const maxStalenessMs = 1000;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
let workload: Workload | undefined;

afterEach(async () => {
  await workload?.close();
  workload = undefined;
  await pgfresh?.stop();
  await database?.drop();
});

async function prove(reads: number, level: 'strong' | 'session' | 'bounded' | 'monotonic'): Promise<void> {
  const seed = announceSeed(`main job, ${level}`);
  workload = await startWorkload({
    ...{ pgfreshUrl: pgfresh.url, originUrl: database.url, seed, level, reads, maxStalenessMs },
    ...{ sessions: 12, pipelinedSessions: 4, directWriters: 2, writeShare: 0.01, directWritePauseMs: 20 },
  });
  const before = (await pgfresh.status()).cache;
  await workload.done;
  const { differences, compared } = await workload.converge();
  const after = (await pgfresh.status()).cache;
  expect({ errors: workload.errors, violations: workload.history.violations, differences }).toEqual({
    errors: [],
    violations: [],
    differences: [],
  });
  expect(workload.history.answersChecked).toBeGreaterThanOrEqual(reads);
  // A run that never hit would prove nothing. At `monotonic` each answer of the origin asks for a round of its own.
  const hits = after.hits - before.hits;
  process.stdout.write(
    `main job, ${level}: ${workload.history.answersChecked} answers judged, ${workload.history.sightingsChecked} key states, ` +
      `${workload.writes} writes, ${hits} hits, ${after.invalidated - before.invalidated} invalidated, ${compared} compared\n`,
  );
  expect(hits).toBeGreaterThan(reads / (level === 'monotonic' ? 50 : 10));
  expect(after.invalidated - before.invalidated).toBeGreaterThan(50);
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  beforeEach(async () => {
    database = await createDatabase(inject(origin), schemaSql);
  });

  it('never shows a stale row to any of many sessions, at the default level', async () => {
    pgfresh = await startPgfresh({ upstream: database.url });
    await prove(origin === 'pg18' ? 100_000 : 30_000, 'strong');
  }, 240_000);
});

it.each(['session', 'bounded', 'monotonic'] as const)(
  'keeps the promise of level %s',
  async (level) => {
    database = await createDatabase(inject('pg18'), schemaSql);
    pgfresh = await startPgfresh({ upstream: database.url, args: ['--consistency', level] });
    await prove(15_000, level);
  },
  120_000,
);
