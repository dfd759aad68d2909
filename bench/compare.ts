/** The regression gate: ratios of this run beside those of a baseline, which was taken elsewhere and at another time. */
import { type BenchCase, Units } from './case.ts';
import { isPgfresh } from './peers/pgfresh.ts';
import { median, spread } from './statistics.ts';
import { type CaseSummary, type CellSummary, type PeerSummary, type Report, ratiosOf } from './summary.ts';

/** A ratio may fall by a tenth. */
export const fallMax = 0.1;

export interface Fall {
  readonly caseName: string;
  readonly cell: string;
  readonly peer: string;
  readonly to: string;
  readonly before: number;
  readonly now: number;
}

export interface Comparison {
  readonly compared: number;
  readonly falls: readonly Fall[];
}

type Key = Omit<Fall, 'before' | 'now'>;
type Cases = Pick<Report, 'cases'>;

/** Absolute figures say nothing about another machine; ratios of pgfresh to others in the same run do. */
function* ratiosIn(report: Cases, of = isPgfresh): Generator<Key & { readonly ratio: number }> {
  for (const { name: caseName, cells } of report.cases) {
    for (const cell of cells) {
      for (const { peer, ratios } of cell.peers) {
        if (!of(peer)) continue;
        for (const [to, ratio] of Object.entries(ratios)) yield { caseName, cell: cell.name, peer, to, ratio };
      }
    }
  }
}

const byKey = (ratios: Iterable<Key & { readonly ratio: number }>): Map<string, number> =>
  new Map([...ratios].map((each) => [keyOf(each), each.ratio]));

const keyOf = ({ caseName, cell, peer, to }: Key): string => JSON.stringify([caseName, cell, peer, to]);

/** What is in one of the two only is not compared. A cell that failed now and was there before is a fall to 0. */
export function compareReports(baseline: Cases, now: Cases): Comparison {
  const before = byKey(ratiosIn(baseline));
  const failed = now.cases.flatMap(({ name, cells }) => cells.flatMap((cell) => failuresOf(name, cell, before)));
  const both = [...ratiosIn(now)].flatMap(({ ratio, ...key }) => {
    const old = before.get(keyOf(key));
    return old === undefined ? [] : [{ ...key, before: old, now: ratio }];
  });
  return {
    compared: both.length + failed.length,
    falls: [...failed, ...both.filter((each) => each.now < each.before * (1 - fallMax))],
  };
}

function failuresOf(
  caseName: string,
  { name: cell, failures }: CellSummary,
  before: ReadonlyMap<string, number>,
): Fall[] {
  return Object.keys(failures).flatMap((peer) => {
    const old = before.get(keyOf({ caseName, cell, peer, to: 'direct' }));
    return old === undefined ? [] : [{ caseName, cell, peer, to: 'direct', before: old, now: 0 }];
  });
}

export const describeFall = ({ caseName, cell, peer, to, before, now }: Fall): string =>
  `${caseName}: ${cell}: ${peer} fell from ${before.toFixed(2)} to ${now.toFixed(2)} × ${to}`;

/** Node servers that do next to nothing: what they reach beside PostgreSQL is the machine's doing. */
const yardsticks = ['floor', 'relay'];

/** Where the machine itself weighs its servers otherwise than that of the baseline: there the ratios of pgfresh to them move, too. */
export function machineMoves(baseline: Cases, now: Cases): string[] {
  const isYardstick = (peer: string): boolean => yardsticks.includes(peer);
  const before = byKey(ratiosIn(baseline, isYardstick));
  return [...ratiosIn(now, isYardstick)].flatMap(({ ratio, ...key }) => {
    const old = before.get(keyOf(key));
    if (key.to !== 'direct' || old === undefined || Math.abs(ratio / old - 1) <= fallMax) return [];
    return `${key.caseName}: ${key.cell}: ${key.peer} is ${ratio.toFixed(2)} × direct, ${old.toFixed(2)} in the baseline`;
  });
}

/** The cases with only those cells that fell, to measure them once more before anything is said. */
export const fallenCells = (cases: readonly BenchCase[], falls: readonly Fall[]): BenchCase[] =>
  cases
    .map((each) => ({
      ...each,
      cells: each.cells.filter(({ name }) => falls.some((fall) => fall.caseName === each.name && fall.cell === name)),
    }))
    .filter(({ cells }) => cells.length > 0);

/**
 * The summaries with the rounds of `again` added to those of their own, and all figures taken over both: a fall that a busy moment made
 * goes away, one that the code made stays. A cell in which peers failed, then or now, is taken as `again` has it.
 */
export const mergeCells = (cases: readonly CaseSummary[], again: readonly CaseSummary[]): CaseSummary[] =>
  cases.map((each) => {
    const newer = again.find(({ name }) => name === each.name)?.cells ?? [];
    const merge = (cell: CellSummary): CellSummary => {
      const other = newer.find(({ name }) => name === cell.name);
      return other === undefined ? cell : mergeCell(cell, other, Units[each.unit].better);
    };
    return { ...each, cells: each.cells.map(merge) };
  });

/** Rounds are compared by their place, so every peer needs as many of them. */
function mergeCell(first: CellSummary, again: CellSummary, better: 'higher' | 'lower'): CellSummary {
  const earlier = new Map(first.peers.map((each) => [each.peer, each.samples]));
  const counts = new Set(again.peers.map(({ peer }) => earlier.get(peer)?.length));
  const failed = Object.keys(first.failures).length + Object.keys(again.failures).length > 0;
  if (failed || counts.size !== 1 || counts.has(undefined)) return again;
  const samples = new Map(again.peers.map((each) => [each.peer, [...earlier.get(each.peer)!, ...each.samples]]));
  const merge = (each: PeerSummary): PeerSummary => {
    const own = samples.get(each.peer)!;
    return {
      ...each,
      ...{ samples: own, value: median(own), spread: spread(own) },
      ratios: ratiosOf(each.peer, samples, better),
    };
  };
  return { ...again, peers: again.peers.map(merge) };
}

/** Why ratios of the two runs may differ though the code does not. */
export function differences(baseline: Report['conditions'], now: Report['conditions']): string[] {
  const facts = (of: Report['conditions']): Readonly<Record<string, string | number | boolean | undefined>> => ({
    cores: of.machine.cores,
    quick: of.quick,
    PostgreSQL: of.versions.direct,
    Node: of.versions.Node,
    pgbouncer: of.versions.pgbouncer,
    pgpool: of.versions.pgpool,
  });
  const [then, here] = [facts(baseline), facts(now)];
  return Object.keys(then)
    .filter((name) => then[name] !== here[name] && then[name] !== undefined && here[name] !== undefined)
    .map((name) => `${name}: ${then[name]} in the baseline, ${here[name]} here`);
}
