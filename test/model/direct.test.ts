import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createDatabase } from '../support/postgres.ts';
import { announceSeed } from './random.ts';
import { schemaSql } from './schema.ts';
import { startWorkload } from './workload.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  database = await createDatabase(inject('pg18'), schemaSql);
});
afterAll(() => database.drop());

it('finds nothing to object to in PostgreSQL itself', async () => {
  const workload = await startWorkload({
    ...{ pgfreshUrl: database.url, originUrl: database.url, seed: announceSeed('direct'), level: 'monotonic' },
    ...{ reads: 5_000, sessions: 6, pipelinedSessions: 2, directWriters: 1, writeShare: 0.05 },
    ...{ directWritePauseMs: 2, maxStalenessMs: 50 },
  });
  const { differences } = await workload.converge();
  expect({ errors: workload.errors, violations: workload.history.violations, differences }).toEqual({
    errors: [],
    violations: [],
    differences: [],
  });
  expect(workload.history.answersChecked).toBeGreaterThanOrEqual(5_000);
  expect(workload.writes).toBeGreaterThan(100);
  await workload.close();
});
