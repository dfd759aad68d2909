import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase, Counters, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql } from '../data.ts';
import { hitRatioBetween } from '../measure.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';

const goal = 0.95;
const pollMs = 20;
/** A window of the hit ratio has at least so many statements. */
const windowMin = 100;
const secondsMin = 8;

const statements = ({ hits, misses, passthrough }: Counters): number => hits + misses + passthrough;

/** Milliseconds from the first statement until a window reaches the goal; +∞ when it never does. */
async function untilWarm(read: () => Promise<Counters>, isOver: () => boolean): Promise<number> {
  const cold = await read();
  let startMs: number | null = null;
  let windowStart = cold;
  while (!isOver()) {
    await delay(pollMs);
    const now = await read();
    if (startMs === null && statements(now) > statements(cold)) startMs = performance.now();
    if (startMs === null || statements(now) - statements(windowStart) < windowMin) continue;
    if ((hitRatioBetween(windowStart, now) ?? 0) >= goal) return performance.now() - startMs;
    windowStart = now;
  }
  return Number.POSITIVE_INFINITY;
}

async function measure(stage: Stage, keys: number): Promise<Sample> {
  const load: PgbenchLoad = {
    mode: 'prepared',
    clients: 8,
    transport: 'tcp',
    scripts: [{ sql: `\\set id random(1, ${keys})\nSELECT balance FROM accounts WHERE id = :id;` }],
  };
  let over = false;
  const loading = stage.load(load, Math.max(secondsMin, stage.seconds)).finally(() => {
    over = true;
  });
  const [warmMs, sample] = await Promise.all([untilWarm(stage.peer.counters!, () => over), loading]);
  if (!Number.isFinite(warmMs)) throw new Error(`hits never reached ${100 * goal} %`);
  return { ...sample, value: warmMs };
}

export const warmUp: BenchCase = {
  name: 'warm-up',
  shows: 'A cold start under load from 8 clients: time from the first statement until 95 % of the statements are hits.',
  setup: accountsSql(10_000),
  unit: 'time',
  lifetime: 'measurement',
  roundsMax: 2,
  peers: ({ workers }) => everyPgfresh(workers),
  cells: [1_000, 10_000].map((keys) => ({
    name: `${keys} keys`,
    load: (stage: Stage) => measure(stage, keys),
    secondsPlanned: secondsMin,
  })),
};
