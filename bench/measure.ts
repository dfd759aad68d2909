/** One measurement: the load, and what the processors and the cache did meanwhile. */
import {
  type BenchCase,
  type Cell,
  type Counters,
  type PgbenchLoad,
  type Sample,
  type Stage,
  targetOf,
} from './case.ts';
import { type CpuSnapshot, cpuSeconds, cpuSnapshot, endedChildrenCpuSeconds } from './load/cpu.ts';
import { runPgbench } from './load/pgbench.ts';

/** Latencies logged in one measurement. */
const latencySamples = 4_000;
/** Before the rate of a cell is known. */
const samplingRateFirst = 0.05;

/** Share of statements that were answered from the cache between two readings; null when there were none. */
export function hitRatioBetween(before: Counters, after: Counters): number | null {
  const hits = after.hits - before.hits;
  const all = hits + after.misses - before.misses + after.passthrough - before.passthrough;
  return all > 0 ? hits / all : null;
}

interface Meter {
  stop(): Promise<Pick<Sample, 'cpu' | 'hitRatio'>>;
}

async function startMeter({ peer, origin }: Pick<Stage, 'peer' | 'origin'>): Promise<Meter> {
  const countersBefore = await peer.counters?.();
  const [before, loadBefore, startMs] = [cpuSnapshot(), endedChildrenCpuSeconds(), performance.now()];
  return {
    async stop() {
      const seconds = (performance.now() - startMs) / 1000;
      const [after, loadAfter] = [cpuSnapshot(), endedChildrenCpuSeconds()];
      const countersAfter = await peer.counters?.();
      const coresOf = (pid: number | null): number | null =>
        before === null || after === null || pid === null
          ? null
          : cpuSeconds(before, after as CpuSnapshot, pid) / seconds;
      return {
        cpu: {
          load: before === null ? null : (loadAfter - loadBefore) / seconds,
          peer: coresOf(peer.pid),
          origin: coresOf(origin.pid),
        },
        hitRatio: countersBefore && countersAfter ? hitRatioBetween(countersBefore, countersAfter) : null,
      };
    },
  };
}

/** The `load` of a stage. Remembers the rate, so that about as many latencies are logged whatever it is. */
export function loader(stage: Omit<Stage, 'load'>): Stage['load'] {
  let samplingRate = samplingRateFirst;
  return async (load: PgbenchLoad, seconds = stage.seconds, seed = stage.seed) => {
    const { household, peer, database, signal } = stage;
    const meter = await startMeter(stage);
    const options = { seconds, seed, signal, samplingRate };
    const result = await runPgbench(household, targetOf(peer, database, load.transport), load, options);
    samplingRate = Math.min(1, latencySamples / Math.max(1, result.tps * stage.seconds));
    return { value: result.tps, latencyMs: result.latencyMs, ...(await meter.stop()) };
  };
}

/** Runs a cell once, in the unit of its case. */
export async function measureCell(each: Pick<BenchCase, 'unit'>, cell: Cell, stage: Stage): Promise<Sample> {
  if (typeof cell.load === 'function') return cell.load(stage);
  const sample = await stage.load(cell.load);
  return each.unit === 'time' ? { ...sample, value: sample.latencyMs?.mean ?? Number.NaN } : sample;
}
