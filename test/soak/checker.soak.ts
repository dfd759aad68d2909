/**
 * A million answers judged, in parts: each version of PostgreSQL, on time and with a late change stream, every level, while threads die, streams are cut and
 * tables change. `PGFRESH_SOAK_ANSWERS` for all parts together (1,000,000), `PGFRESH_SOAK_MINUTES` at most (60).
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { authorSchemaSql } from '../model/author.ts';
import type { Level } from '../model/history.ts';
import { lateness } from '../model/lateness.ts';
import { runLockstep } from '../model/lockstep.ts';
import { announceSeed, seededRandom } from '../model/random.ts';
import { schemaSql } from '../model/schema.ts';
import { startWorkload, type Workload } from '../model/workload.ts';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, startCluster, type Version } from '../support/postgres.ts';
import { inWords, startChaos } from './chaos.ts';
import { SoakReport } from './report.ts';

const answersWanted = Number(process.env['PGFRESH_SOAK_ANSWERS'] ?? 1_000_000);
const endMs = performance.now() + Number(process.env['PGFRESH_SOAK_MINUTES'] ?? 60) * 60_000;
const isOver = (): boolean => performance.now() > endMs;
const levels: readonly Level[] = ['strong', 'monotonic', 'session', 'bounded'];
const maxStalenessMs = 1000;
const report = new SoakReport('soak.md');

let stream: DelayedStream | undefined;
let pgfresh: Pgfresh | undefined;
let workload: Workload | undefined;
let database: Awaited<ReturnType<typeof createDatabase>> | undefined;
const clusters = new Map<Version, Cluster>();

beforeAll(async () => {
  for (const version of [15, 18] as const) clusters.set(version, await startCluster({ version }));
});
afterEach(async () => {
  await workload?.close();
  await pgfresh?.stop().catch(() => pgfresh?.kill('SIGKILL'));
  await stream?.close();
  await database?.drop();
  [workload, pgfresh, stream, database] = [undefined, undefined, undefined, undefined];
});
afterAll(async () => {
  for (const cluster of clusters.values()) await cluster.stop();
});

async function begin(
  version: Version,
  setup: string,
  delayMsMax: number | null,
  seed: number,
  faults: string,
): Promise<void> {
  database = await createDatabase(clusters.get(version)!.url, setup);
  const cdc: string[] = [];
  if (delayMsMax !== null) {
    stream = await startDelayedStream(database.url, { delayMs: lateness(seededRandom(seed).fork(999), delayMsMax) });
    cdc.push('--cdc-url', stream.url);
  }
  // On one of the servers with everything that brings answers back.
  const args = [...cdc, '--cache-refresh-ahead', version === 18 ? 'on' : 'off'];
  pgfresh = await startPgfresh({ upstream: database.url, args, env: { PGFRESH_FAULTS: faults } });
}

interface Part {
  readonly version: Version;
  readonly delayMsMax: number | null;
  /** Of all answers. */
  readonly share: number;
  readonly chaosPauseMs: number | null;
}

const parts: readonly Part[] = [
  { version: 18, delayMsMax: 5_000, share: 0.1, chaosPauseMs: 3_000 },
  { version: 15, delayMsMax: 5_000, share: 0.05, chaosPauseMs: 3_000 },
  { version: 18, delayMsMax: null, share: 0.15, chaosPauseMs: 2_500 },
  { version: 15, delayMsMax: null, share: 0.1, chaosPauseMs: 2_500 },
  { version: 15, delayMsMax: null, share: 0.2, chaosPauseMs: null },
  { version: 18, delayMsMax: null, share: 0.35, chaosPauseMs: null },
];

describe('the checker finds', () => {
  it.each(['fence', 'point'])('stale answers without the rule "%s"', async (fault) => {
    const seed = announceSeed(`without ${fault}`);
    let found: string[] = [];
    for (let run = 0; run < 5 && found.length === 0; run++) {
      await begin(18, schemaSql, 2_000, seed + run, fault);
      workload = await startWorkload({
        ...{ pgfreshUrl: pgfresh!.url, originUrl: database!.url, seed: seed + run, level: 'strong', maxStalenessMs },
        ...{
          reads: 8_000,
          sessions: 8,
          pipelinedSessions: 2,
          directWriters: 1,
          writeShare: 0.05,
          directWritePauseMs: 50,
        },
      });
      await workload.done;
      found = workload.history.violations.map(({ rule }) => rule);
      await workload.close();
      await pgfresh!.stop();
      await stream!.close();
      await database!.drop();
      [workload, pgfresh, stream, database] = [undefined, undefined, undefined, undefined];
    }
    report.note(
      `With the rule "${fault}" switched off: ${found.length} violations (${[...new Set(found)].join(', ')}), seed ${seed}.`,
    );
    expect(found.length).toBeGreaterThan(0);
  });
});

describe('random statements', () => {
  it.each([18, 15] as const)('PostgreSQL %i, with DDL and TRUNCATE, stream up to one second late', async (version) => {
    const name = `random statements in lockstep, PostgreSQL ${version}`;
    const base = announceSeed(name);
    let [compared, changes, ddl, hits] = [0, 0, 0, 0];
    const startMs = performance.now();
    const differences: string[] = [];
    for (let round = 0; compared < answersWanted * 0.025 && differences.length === 0 && !isOver(); round++) {
      await begin(version, authorSchemaSql, 1_000, base + round, 'admin');
      const result = await runLockstep({
        ...{ pgfreshUrl: pgfresh!.url, originUrl: database!.url, seed: base + round, answers: 5_000, sessions: 4 },
        ...{ statements: 60, ddlShare: 0.04, isOver },
      });
      [compared, changes, ddl] = [compared + result.compared, changes + result.changes, ddl + result.ddl];
      differences.push(...result.differences);
      hits += (await pgfresh!.status()).cache.hits;
      await pgfresh!.stop();
      await stream!.close();
      await database!.drop();
      [pgfresh, stream, database] = [undefined, undefined, undefined];
    }
    const seconds = (performance.now() - startMs) / 1000;
    const trouble = `DDL or TRUNCATE ×${ddl}`;
    report.add({
      part: name,
      answers: compared,
      hits,
      writes: changes,
      trouble,
      violations: differences.length,
      seconds,
      seed: base,
    });
    expect(differences).toEqual([]);
  });
});

describe('contended keys', () => {
  it.each(parts)('PostgreSQL $version, delay $delayMsMax, trouble every $chaosPauseMs ms', async (part) => {
    const { version, delayMsMax, share, chaosPauseMs } = part;
    const name = `contended keys, PostgreSQL ${version}${delayMsMax === null ? '' : ', stream up to 5 s late'}`;
    const seed = announceSeed(name);
    await begin(version, schemaSql, delayMsMax, seed, 'admin');
    const startMs = performance.now();
    workload = await startWorkload({
      ...{ pgfreshUrl: pgfresh!.url, originUrl: database!.url, seed, level: 'strong', levels, maxStalenessMs },
      ...{ reads: answersWanted * share, sessions: 12, pipelinedSessions: 4, directWriters: 2 },
      ...{ writeShare: 0.01, directWritePauseMs: 20, reconnect: chaosPauseMs !== null },
    });
    const chaos =
      chaosPauseMs === null ? null : startChaos(pgfresh!, database!.url, seededRandom(seed).fork(7), chaosPauseMs);
    const watch = setInterval(() => isOver() && workload?.finish(), 1_000);
    await workload.done;
    clearInterval(watch);
    await chaos?.stop();
    const { differences } = await workload.converge();
    const { violations, answersChecked } = workload.history;
    report.add({
      part: name,
      answers: answersChecked,
      hits: (await pgfresh!.status()).cache.hits,
      writes: workload.writes,
      trouble: chaos === null ? '' : `${inWords(chaos.counts)}; ${workload.reconnects} reconnects`,
      violations: violations.length + differences.length,
      seconds: (performance.now() - startMs) / 1000,
      seed,
    });
    expect({ errors: workload.errors, violations, differences }).toEqual({
      errors: [],
      violations: [],
      differences: [],
    });
  });
});
