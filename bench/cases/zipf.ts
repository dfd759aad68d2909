import { seededRandom } from '../../test/model/random.ts';
import type { BenchCase, CellResult, Derived, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql } from '../data.ts';
import { pgfresh } from '../peers/pgfresh.ts';
import { median } from '../statistics.ts';
import { belady, lru, ours, type SimulationMaker } from '../store/policies.ts';
import { zipf } from '../store/traces.ts';

const keys = 100_000;
/** An entry takes 192 bytes, the index a tenth of that: room for about a tenth of the keys. */
const cacheMemory = '2MB';
/** Until the store holds what it will go on to hold, whatever the machine's speed; then so many are judged. */
const readsToFill = 200_000;
const readsToJudge = 100_000;
/** Of each. */
const secondsMax = 20;

/**
 * Draws of keys with probability about 1 / rank^skew. pgbench's own random_zipfian wants a skew above 1; below it, the inverse of
 * the continuous distribution, n·u^(1 / (1 − skew)), serves.
 */
function drawSql(skew: number): string {
  if (skew > 1) return `\\set id random_zipfian(1, ${keys}, ${skew})`;
  const exponent = (1 / (1 - skew)).toFixed(6);
  return `\\set u random(1, 1000000000)\n\\set id 1 + int(${keys - 1} * pow(:u / 1000000000.0, ${exponent}))`;
}

function trace(skew: number, length: number, seed: number): Int32Array {
  const random = seededRandom(seed).next;
  const below1 = (): number => Math.floor((keys - 1) * random() ** (1 / (1 - skew)));
  return Int32Array.from({ length }, skew > 1 ? zipf(keys, skew, random) : below1);
}

/** Hit ratio of a policy over a trace from a place on, in percent. */
function simulate(maker: SimulationMaker, capacity: number, reads: Int32Array, from: number): number {
  const read = maker(capacity, reads, keys);
  let hits = 0;
  reads.forEach((key, at) => {
    if (read(key, at) && at >= from) hits++;
  });
  return (100 * hits) / (reads.length - from);
}

/** A second after the other until there were enough. */
async function readMany(stage: Stage, load: PgbenchLoad, readsMin: number, seed: number): Promise<Sample> {
  let [reads, hits] = [0, 0];
  for (let second = 1; ; second++) {
    const sample = await stage.load(load, 1, seed + second);
    reads += sample.transactions!;
    hits += sample.transactions! * (sample.hitRatio ?? Number.NaN);
    if (reads >= readsMin || second >= secondsMax) return { ...sample, transactions: reads, hitRatio: hits / reads };
  }
}

async function measure(stage: Stage, skew: number): Promise<Sample> {
  const load: PgbenchLoad = {
    mode: 'prepared',
    clients: 8,
    transport: 'tcp',
    scripts: [{ sql: `${drawSql(skew)}\nSELECT balance FROM accounts WHERE id = :id;` }],
  };
  const filling = await readMany(stage, load, readsToFill, stage.seed + 1_000);
  const sample = await readMany(stage, load, readsToJudge, stage.seed);
  const { entries, bytes } = await stage.peer.counters!();
  // As many reads as there were, so that a slow machine's store is no emptier than the simulated one.
  const [from, length] = [filling.transactions!, filling.transactions! + sample.transactions!];
  const reads = trace(skew, length, stage.seed);
  const percentOf = (maker: SimulationMaker): number => simulate(maker, entries, reads, from);
  const value = 100 * (sample.hitRatio ?? Number.NaN);
  const lruPercent = percentOf(lru);
  return {
    ...sample,
    value,
    extra: {
      'LRU %': lruPercent,
      'ours simulated %': percentOf(ours),
      'optimal %': percentOf(belady),
      'points above LRU': value - lruPercent,
      entries,
      'share of the keys': entries / keys,
      'store KiB': bytes / 1024,
      'tx/s': sample.value,
    },
  };
}

/** Medians over the rounds, as the table has them. */
function derive(cells: readonly CellResult[]): readonly Derived[] {
  return cells.flatMap(({ name, samples }) =>
    [...samples].map(([peer, rounds]) => {
      const value = median(rounds.map(({ extra = {} }) => extra['points above LRU'] ?? Number.NaN));
      return { name: `${peer}, ${name}: points above LRU`, value, text: `${value.toFixed(1)} points` };
    }),
  );
}

export const zipfCase: BenchCase = {
  name: 'zipf',
  shows: `Skewed reads of ${keys} keys with a store for a tenth of them: the share of hits, beside LRU, our own policy and the best possible, simulated with as many entries.`,
  setup: accountsSql(keys),
  unit: 'percent',
  lifetime: 'measurement',
  roundsMax: 2,
  peers: () => [pgfresh({ workers: 1, cacheMemory, entryMax: '64KB' })],
  cells: [0.6, 0.9, 1.1].map((skew) => ({
    name: `skew ${skew}`,
    load: (stage: Stage) => measure(stage, skew),
    secondsPlanned: 13,
  })),
  derive,
};
