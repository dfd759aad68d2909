import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql } from '../data.ts';
import { pgfresh } from '../peers/pgfresh.ts';

const pollMs = 10;
/** Of the load: the cache is warm before the thread is broken, and back before the load ends. */
const secondsMin = 12;
const warmHits = 1_000;

const load: PgbenchLoad = {
  mode: 'prepared',
  clients: 2,
  transport: 'tcp',
  scripts: [{ sql: '\\set id random(1, 100)\nSELECT balance FROM accounts WHERE id = :id;' }],
};

/** Polls until it holds; throws when the load has ended before. */
async function until(what: string, isOver: () => boolean, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    if (isOver()) throw new Error(`not seen before the load ended: ${what}`);
    await delay(pollMs);
  }
}

/** Milliseconds from breaking the cache thread until its successor's first hit is counted. */
async function measure(stage: Stage, kind: string): Promise<Sample> {
  const { counters, faults } = stage.peer;
  let over = false;
  const isOver = (): boolean => over;
  const loading = stage.load(load, Math.max(secondsMin, stage.seconds)).finally(() => {
    over = true;
  });
  const hits = async (): Promise<number> => (await counters!()).hits;
  async function breakIt(): Promise<{ liveMs: number; hitMs: number }> {
    await until('a warm cache', isOver, async () => (await hits()) > warmHits);
    const before = (await faults!.liveGeneration()) ?? 0;
    const startMs = performance.now();
    await faults!.inflict(kind);
    await until('a new generation', isOver, async () => ((await faults!.liveGeneration()) ?? 0) > before);
    const liveMs = performance.now() - startMs;
    const hitsWhenLive = await hits();
    await until('a hit', isOver, async () => (await hits()) > hitsWhenLive);
    return { liveMs, hitMs: performance.now() - startMs };
  }
  const [{ liveMs, hitMs }, sample] = await Promise.all([breakIt(), loading]);
  return { ...sample, value: hitMs, extra: { 'ms until the stream is live': liveMs } };
}

export const recovery: BenchCase = {
  name: 'recovery',
  shows: 'The cache thread is broken under load: time until its successor answers from the cache.',
  setup: accountsSql(10_000),
  unit: 'time',
  lifetime: 'measurement',
  roundsMax: 2,
  peers: () => [pgfresh({ workers: 1, breakable: true })],
  cells: ['cache-throw', 'cache-exit', 'cache-block'].map((kind) => ({
    name: kind,
    load: (stage: Stage) => measure(stage, kind),
    secondsPlanned: secondsMin,
  })),
};
