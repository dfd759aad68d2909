/** Bad input: statements that come once, as many as the machine gives, beside keys that are read all the time. */
import type { BenchCase, Cell, Counters, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql, keyCount, uncacheableSql } from '../data.ts';
import { peakMib, resetPeak } from '../load/peak.ts';
import { pgfresh } from '../peers/pgfresh.ts';

/** An entry of the hot set takes some 450 bytes: all thousand are a tenth of the store. */
const cacheMemory = '4MB';
const [aloneSeconds, scanSeconds, quickScanSeconds] = [3, 30, 8];
const draw = '\\set nonce random(1, 9000000000000000)';

/** What runs beside the hot set. pgbench puts variables into the text of simple statements, names included. */
const neighbours = {
  'no scan: the same statement again and again': uncacheableSql,
  'scan of keys: one shape, each statement its own constant': `${draw}\nSELECT balance FROM accounts WHERE id = ${keyCount} AND token <> :nonce;`,
  'scan of texts: each statement its own shape': `${draw}\nSELECT balance AS c:nonce FROM accounts WHERE id = ${keyCount};`,
} as const;

const hotLoad: PgbenchLoad = {
  mode: 'prepared',
  clients: 4,
  transport: 'tcp',
  scripts: [{ sql: `\\set id random(1, ${keyCount})\nSELECT balance, repeat('x', 100) FROM accounts WHERE id = :id;` }],
};

const hitsBetween = (before: Counters, after: Counters): number => after.hits - before.hits;

/** Of the hot set alone: scanned statements never hit, whatever they do. */
async function hotPhase(stage: Stage, seconds: number, seed: number): Promise<{ percent: number; sample: Sample }> {
  const before = await stage.peer.counters!();
  const sample = await stage.load(hotLoad, seconds, seed);
  const hits = hitsBetween(before, await stage.peer.counters!());
  return { percent: (100 * hits) / sample.transactions!, sample };
}

async function measure(stage: Stage, sql: string): Promise<Sample> {
  const { peer, seed, quick } = stage;
  const pid = peer.child!.pid;
  const seconds = quick ? quickScanSeconds : scanSeconds;
  await stage.load(hotLoad, aloneSeconds, seed + 10_000); // fills
  const before = await hotPhase(stage, aloneSeconds, seed + 20_000);
  resetPeak(pid);
  await peer.pauses!.begin();
  const neighbour: PgbenchLoad = { mode: 'simple', clients: 32, transport: 'tcp', scripts: [{ sql }] };
  const [beside, during] = await Promise.all([
    stage.load(neighbour, seconds, seed + 30_000),
    hotPhase(stage, seconds, seed + 40_000),
  ]);
  const pauses = [...peer.pauses!.read()];
  const peak = peakMib(pid);
  const after = await hotPhase(stage, aloneSeconds, seed + 50_000);
  return {
    ...during.sample,
    value: during.percent,
    hitRatio: null,
    extra: {
      'hot hits % before': before.percent,
      'during %': during.percent,
      'after %': after.percent,
      'statements beside': beside.transactions!,
      'hot tx/s before': before.sample.value,
      'during tx/s': during.sample.value,
      'RSS peak MiB': peak,
      ...Object.fromEntries(pauses.map(([thread, { busyMs }]) => [`${thread}: busy ms max`, busyMs])),
      ...Object.fromEntries(pauses.map(([thread, { pauseMs }]) => [`${thread}: pause ms max`, pauseMs])),
    },
  };
}

const cell = ([name, sql]: readonly [string, string]): Cell => ({
  name,
  load: (stage) => measure(stage, sql),
  secondsPlanned: 3 * aloneSeconds + scanSeconds,
});

export const scan: BenchCase = {
  name: 'scan',
  shows:
    'A scan of statements that come once, as fast as the machine gives, beside a thousand hot keys in a store of 4 MB: share of hits of the hot keys, memory, and the longest pause of each thread.',
  setup: accountsSql(),
  unit: 'percent',
  lifetime: 'measurement',
  roundsMax: 1,
  peers: ({ workers }) => [pgfresh({ workers: workers.at(-1)!, cacheMemory, entryMax: '64KB', watched: true })],
  cells: Object.entries(neighbours).map(cell),
};
