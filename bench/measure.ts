/** One measurement: the load, and what the processors and the cache did meanwhile. */
import {
  type BenchCase,
  type Cell,
  type Counters,
  type CpuShares,
  type PgbenchLoad,
  type Sample,
  type Stage,
  targetOf,
} from './case.ts';
import { type CpuSnapshot, cpuSeconds, cpuSnapshot, endedChildrenCpuSeconds, machineCpuSeconds } from './load/cpu.ts';
import { runPgbench } from './load/pgbench.ts';

/** Latencies logged in one measurement. */
const latencySamples = 4_000;
/** pgbench counts the time that it takes to connect; for each so many clients it gets a second more. */
const clientsASecond = 100;
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

/** Processor seconds so far, by who used them. */
interface Clock {
  readonly processes: CpuSnapshot | null;
  readonly loads: number;
  readonly bench: number;
  readonly machine: number;
  readonly ms: number;
}

function readClock(): Clock {
  const { user, system } = process.cpuUsage();
  return {
    processes: cpuSnapshot(),
    loads: endedChildrenCpuSeconds(),
    bench: (user + system) / 1e6,
    machine: machineCpuSeconds(),
    ms: performance.now(),
  };
}

function sharesBetween(before: Clock, after: Clock, peerPid: number | null, originPid: number): CpuShares {
  const seconds = (after.ms - before.ms) / 1000;
  const [from, to] = [before.processes, after.processes];
  if (from === null || to === null) return { load: null, peer: null, origin: null, others: null };
  const load = (after.loads - before.loads) / seconds;
  const peer = peerPid === null ? null : cpuSeconds(from, to, peerPid) / seconds;
  const origin = cpuSeconds(from, to, originPid) / seconds;
  const machine = (after.machine - before.machine - (after.bench - before.bench)) / seconds;
  return { load, peer, origin, others: Math.max(0, machine - load - (peer ?? 0) - origin) };
}

async function startMeter({ peer, origin }: Pick<Stage, 'peer' | 'origin'>): Promise<Meter> {
  const countersBefore = await peer.counters?.();
  const before = readClock();
  return {
    async stop() {
      const cpu = sharesBetween(before, readClock(), peer.child?.pid ?? null, (peer.origin ?? origin).pid);
      const countersAfter = await peer.counters?.();
      return { cpu, hitRatio: countersBefore && countersAfter ? hitRatioBetween(countersBefore, countersAfter) : null };
    },
  };
}

/** The `load` of a stage. Remembers the rate, so that about as many latencies are logged whatever it is. */
export function loader(stage: Omit<Stage, 'load'>): Stage['load'] {
  let samplingRate = samplingRateFirst;
  return async (load: PgbenchLoad, seconds = stage.seconds, seed = stage.seed) => {
    const { household, peer, database, signal } = stage;
    const meter = await startMeter(stage);
    const options = { seconds: seconds + Math.floor(load.clients / clientsASecond), seed, signal, samplingRate };
    const result = await runPgbench(household, targetOf(peer, database, load.transport), load, options);
    samplingRate = Math.min(1, latencySamples / Math.max(1, result.tps * stage.seconds));
    const { tps, latencyMs, transactions } = result;
    return { value: tps, latencyMs, transactions, ...(await meter.stop()) };
  };
}

/** Of one measurement by pgbench. */
export const secondsOf = (cell: Cell, { seconds, quick }: { seconds: number; quick: boolean }): number =>
  quick ? seconds : Math.max(seconds, cell.secondsMin ?? seconds);

/** Runs a cell once, in the unit of its case. */
export async function measureCell(each: Pick<BenchCase, 'unit'>, cell: Cell, stage: Stage): Promise<Sample> {
  if (typeof cell.load === 'function') return cell.load(stage);
  const sample = await stage.load(cell.load, secondsOf(cell, stage));
  return each.unit === 'time' ? { ...sample, value: sample.latencyMs?.mean ?? Number.NaN } : sample;
}
