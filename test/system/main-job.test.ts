import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import type { Level } from '../model/history.ts';
import { lateness } from '../model/lateness.ts';
import { announceSeed, seededRandom } from '../model/random.ts';
import { schemaSql } from '../model/schema.ts';
import { startWorkload, type Workload, type WorkloadOptions } from '../model/workload.ts';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';

/** Default of cache.max_staleness. */
const maxStalenessMs = 1000;
/** Answers that the checker has judged, by run. */
const judged = new Map<string, number>();
const judgedMin = 100_000;
/** Three on each server, and one for each other level. */
const runs = 9;
const levels: readonly Level[] = ['strong', 'monotonic', 'session', 'bounded'];

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
let workload: Workload | undefined;
let stream: DelayedStream | undefined;

afterEach(async () => {
  await workload?.close();
  workload = undefined;
  await pgfresh?.stop();
  await stream?.close();
  stream = undefined;
  await database?.drop();
});

afterAll(() => {
  // What is run alone does not count.
  const total = [...judged.values()].reduce((sum, answers) => sum + answers, 0);
  process.stdout.write(`main job: ${total} answers judged in ${judged.size} runs\n`);
  if (judged.size === runs) expect(total).toBeGreaterThanOrEqual(judgedMin);
});

interface Proof {
  readonly origin: 'pg15' | 'pg18';
  readonly reads: number;
  /** One for all, as the server's default; or all of them, each session its own. */
  readonly level: Level | 'all';
  /** The change stream is up to this late. */
  readonly delayMsMax?: number;
  /** But by little only for this long after pgfresh has started. */
  readonly calmMs?: number;
  readonly faults?: string;
  /** Flags of pgfresh beside. */
  readonly args?: readonly string[];
}

async function begin(proof: Proof, seed: number): Promise<void> {
  const { origin, level, delayMsMax, calmMs = 0, faults, args = [] } = proof;
  database = await createDatabase(inject(origin), schemaSql);
  const cdc: string[] = [];
  if (delayMsMax !== undefined) {
    stream = await startDelayedStream(database.url, {
      delayMs: lateness(seededRandom(seed).fork(999), delayMsMax, calmMs),
    });
    cdc.push('--cdc-url', stream.url);
  }
  pgfresh = await startPgfresh({
    upstream: database.url,
    args: [...cdc, ...args, '--consistency', level === 'all' ? 'strong' : level],
    env: faults === undefined ? {} : { PGFRESH_FAULTS: faults },
  });
}

async function run(proof: Proof, seed: number): Promise<{ hits: number; invalidated: number; compared: number }> {
  await begin(proof, seed);
  const { reads, level } = proof;
  const options: WorkloadOptions = {
    ...{ pgfreshUrl: pgfresh.url, originUrl: database.url, seed, reads, maxStalenessMs },
    ...{ sessions: 12, pipelinedSessions: 4, directWriters: 2, writeShare: 0.01, directWritePauseMs: 20 },
    ...(level === 'all' ? { level: 'strong', levels } : { level }),
  };
  workload = await startWorkload(options);
  const before = (await pgfresh.status()).cache;
  await workload.done;
  const { differences, compared } = await workload.converge();
  const after = (await pgfresh.status()).cache;
  expect({ errors: workload.errors, differences }).toEqual({ errors: [], differences: [] });
  return { hits: after.hits - before.hits, invalidated: after.invalidated - before.invalidated, compared };
}

async function prove(proof: Proof): Promise<void> {
  const { origin, level, reads, delayMsMax } = proof;
  const name = `main job, ${origin}, ${level}${delayMsMax === undefined ? '' : ', late stream'}`;
  const { hits, invalidated, compared } = await run(proof, announceSeed(name));
  const { violations, answersChecked, sightingsChecked } = workload!.history;
  judged.set(name, answersChecked);
  expect(violations).toEqual([]);
  expect(answersChecked).toBeGreaterThanOrEqual(reads);
  process.stdout.write(
    `${name}: ${answersChecked} answers judged, ${sightingsChecked} key states, ` +
      `${workload!.writes} writes, ${hits} hits, ${invalidated} invalidated, ${compared} compared\n`,
  );
  // A run that never hit would prove nothing. At `monotonic` each answer of the origin asks for a round of its own.
  expect(hits).toBeGreaterThan(reads / (level === 'strong' || level === 'bounded' ? 10 : 50));
  expect(invalidated).toBeGreaterThan(20);
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  it('never shows a stale row to any of many sessions, at the default level', async () => {
    await prove({ origin, level: 'strong', reads: 18_000 });
  }, 240_000);

  it('keeps each session to its own level', async () => {
    // Answers come back by refresh ahead, too; and once none is corrected in place.
    const args = ['--cache-refresh-ahead', 'on', '--cache-in-place', origin === 'pg15' ? 'on' : 'off'];
    await prove({ origin, level: 'all', reads: 12_500, args });
  }, 240_000);

  it('keeps every level while the change stream is up to five seconds late', async () => {
    await prove({ origin, level: 'all', reads: 6_000, delayMsMax: 5_000, calmMs: 5_000 });
  }, 240_000);
});

it.each(['session', 'bounded', 'monotonic'] as const)(
  'keeps the promise of level %s as the default of the server',
  (level) => prove({ origin: 'pg18', level, reads: 5_000 }),
  120_000,
);

it('finds stale rows when fences are switched off and the change stream is late', async () => {
  await run(
    { origin: 'pg18', level: 'strong', reads: 6_000, delayMsMax: 5_000, calmMs: 5_000, faults: 'fence' },
    announceSeed('no fences'),
  );
  const rules = workload!.history.violations.map(({ rule }) => rule);
  expect(rules).toContain('acknowledged write');
}, 120_000);
