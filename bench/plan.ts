/** What a run is about to do, and how long that takes on a quiet machine: said before it begins. */
import type { BenchCase, Cell, PeerSpec } from './case.ts';
import { secondsOf } from './measure.ts';
import { clockText } from './progress.ts';
import { cellsOf, peersOf, type RunOptions, roundsOf } from './runner.ts';

/** Seconds, as measured on two cores: pgbench's own start and end and two looks at the processors; the start and end of a server. */
const besideMeasurement = 0.1;
const startOf = (peer: PeerSpec): number => (peer.streams === true ? 1.5 : peer.name === 'direct' ? 0 : 0.3);
const setupOfCase = 0.7;
/** Peers with a cache are warmed until hits are no more frequent, or for as long as the cell asks for. */
const warmings = 1.3;

type Plan = Pick<RunOptions, 'workers' | 'quick' | 'rounds' | 'seconds'>;

const measurementOf = (cell: Cell, plan: Plan): number =>
  typeof cell.load === 'function'
    ? Math.max(plan.seconds, cell.secondsPlanned ?? plan.seconds)
    : secondsOf(cell, plan) + besideMeasurement;

function warmingOf(cell: Cell, peer: PeerSpec, { quick }: Plan): number {
  if (typeof cell.load === 'function' || cell.cold === true) return 0;
  if (peer.caches === true) return Math.max(warmings, quick ? 0 : (cell.warmSecondsMin ?? 0)) * (1 + besideMeasurement);
  return 0;
}

/** Servers of a case that live to its end are started and warmed once, others for each measurement. */
export function secondsOfCase(each: BenchCase, options: RunOptions): number {
  const { lifetime = 'case' } = each;
  const starts = new Map<string, number>();
  let seconds = setupOfCase;
  for (const cell of cellsOf(each, options.quick)) {
    const rounds = roundsOf(each, cell, options);
    for (const peer of peersOf(each, cell, options)) {
      seconds += rounds * measurementOf(cell, options);
      const anew = lifetime === 'measurement' || (lifetime === 'turn' && peer.streams === true);
      if (anew) seconds += rounds * (startOf(peer) + warmingOf(cell, peer, options));
      else seconds += warmingOf(cell, peer, options);
      starts.set(peer.name, anew ? 0 : startOf(peer));
    }
  }
  return seconds + [...starts.values()].reduce((sum, start) => sum + start, 0);
}

/** Measurements of a run, for the progress bar. */
export function stepsOf(cases: readonly BenchCase[], options: RunOptions): number {
  return cases
    .flatMap((each) =>
      cellsOf(each, options.quick).map((cell) => roundsOf(each, cell, options) * peersOf(each, cell, options).length),
    )
    .reduce((sum, steps) => sum + steps, 0);
}

/** "23 cases, 1,204 measurements, about 38:00". */
export function describePlan(cases: readonly BenchCase[], options: RunOptions): string {
  const seconds = cases.reduce((sum, each) => sum + secondsOfCase(each, options), 0);
  const count = (amount: number, noun: string): string => `${amount} ${noun}${amount === 1 ? '' : 's'}`;
  return `${count(cases.length, 'case')}, ${count(stepsOf(cases, options), 'measurement')}, about ${clockText(seconds)} on a quiet machine`;
}
