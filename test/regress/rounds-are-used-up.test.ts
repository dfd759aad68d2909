// Rounds are 32-bit numbers. A process that has run for months numbers them anew, and nothing that was fenced before is served stale after.
import { afterEach, expect, inject, it } from 'vitest';
import { lowerRounds } from '../../src/cache/renumber.ts';
import { createControl, openControl, raise, startedRound } from '../../src/shared/memory/control.ts';
import { databaseHash, raiseDatabaseFence, raiseFences } from '../../src/shared/memory/fences.ts';
import { Control, databaseFenceWord, RENUMBER_ROUND, Store } from '../../src/shared/memory/layout.ts';
import { SessionConsistency } from '../../src/worker/consistency.ts';
import { announceSeed } from '../model/random.ts';
import { schemaSql } from '../model/schema.ts';
import { startWorkload, type Workload } from '../model/workload.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { createStore } from '../support/store.ts';

let database: Awaited<ReturnType<typeof createDatabase>> | undefined;
let pgfresh: Pgfresh | undefined;
let workload: Workload | undefined;

afterEach(async () => {
  await workload?.close();
  await pgfresh?.stop();
  await database?.drop();
  [workload, pgfresh, database] = [undefined, undefined, undefined];
});

it('no session sees a stale row while rounds are numbered anew, and hits go on afterwards', async () => {
  database = await createDatabase(inject('pg18'), schemaSql);
  pgfresh = await startPgfresh({ upstream: database.url, env: { PGFRESH_FAULTS: 'rounds' } });
  workload = await startWorkload({
    ...{ pgfreshUrl: pgfresh.url, originUrl: database.url, seed: announceSeed('rounds'), level: 'strong' },
    ...{ reads: Number.POSITIVE_INFINITY, sessions: 8, pipelinedSessions: 2, directWriters: 1 },
    ...{ writeShare: 0.01, directWritePauseMs: 20, maxStalenessMs: 1000 },
  });
  const { lines } = pgfresh;
  await pgfresh.waitForStatus('rounds to be numbered anew', () => lines.some((line) => /numbered anew/.test(line)));
  await pgfresh.waitForStatus('the cache to be live', ({ state }) => state === 'live');
  await pgfresh.moreHits(500);
  await workload.reached(workload.history.answersChecked + 3_000);
  workload.finish();
  const { differences } = await workload.converge();
  expect({ errors: workload.errors, violations: workload.history.violations, differences }).toEqual({
    errors: [],
    violations: [],
    differences: [],
  });
  expect(lines.filter((line) => /stream ended.*numbered anew|numbered anew.*stream ended/.test(line))).toHaveLength(1);
  expect((await pgfresh.status()).cacheThread.restarts).toBe(0);
}, 120_000);

it('words that a late worker raised by the old numbers are lowered to the next round', () => {
  const control = openControl(createControl());
  const { store } = createStore({ memoryBytes: 64 * 1024, control });
  const shop = databaseHash('shop');
  raiseDatabaseFence(control, shop, RENUMBER_ROUND);
  raiseFences(control, [1, 2], RENUMBER_ROUND);
  raiseFences(control, [3], 4);
  const wanted = [Store.ROUND_WANTED, Store.ROUND_WISHED, Store.ROUND_AWAITED, Store.ROUND_CONFIRMING];
  for (const word of wanted) raise(store.words, word, RENUMBER_ROUND);
  Atomics.store(control, Control.STARTED_ROUND, 9);
  lowerRounds(control, store.words, startedRound(control) + 1);
  expect(control[databaseFenceWord(shop)]).toBe(10);
  expect(wanted.map((word) => store.words[word])).toEqual([10, 10, 10, 10]);
  expect(control.filter((word) => word > 10)).toHaveLength(0);
  expect(control.filter((word) => word === 4)).toHaveLength(1);
});

it('the floor of a session that was raised by the old numbers is lowered to the next round', () => {
  const consistency = new SessionConsistency('session');
  consistency.raiseFloor(RENUMBER_ROUND);
  consistency.lowerFloor(10);
  expect(consistency.floorRound).toBe(10);
  consistency.lowerFloor(12);
  expect(consistency.floorRound).toBe(10);
});
