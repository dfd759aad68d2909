/** The regression gate: ratios of this run beside those of a baseline, which was taken elsewhere and at another time. */
import type { BenchCase } from './case.ts';
import type { CaseSummary, CellSummary, Report } from './summary.ts';

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

/** Absolute figures say nothing about another machine; ratios of pgfresh to others in the same run do. */
function* ratiosOf(report: Pick<Report, 'cases'>): Generator<Key & { readonly ratio: number }> {
  for (const { name: caseName, cells } of report.cases) {
    for (const cell of cells) {
      for (const { peer, ratios } of cell.peers) {
        if (!peer.startsWith('pgfresh')) continue;
        for (const [to, ratio] of Object.entries(ratios)) yield { caseName, cell: cell.name, peer, to, ratio };
      }
    }
  }
}

const keyOf = ({ caseName, cell, peer, to }: Key): string => JSON.stringify([caseName, cell, peer, to]);

/** What is in one of the two only is not compared. A cell that failed now and was there before is a fall to 0. */
export function compareReports(baseline: Pick<Report, 'cases'>, now: Pick<Report, 'cases'>): Comparison {
  const before = new Map([...ratiosOf(baseline)].map((each) => [keyOf(each), each.ratio]));
  const failed = now.cases.flatMap(({ name, cells }) => cells.flatMap((cell) => failuresOf(name, cell, before)));
  const both = [...ratiosOf(now)].flatMap(({ ratio, ...key }) => {
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

/** The cases with only those cells that fell, to measure them once more before anything is said. */
export const fallenCells = (cases: readonly BenchCase[], falls: readonly Fall[]): BenchCase[] =>
  cases
    .map((each) => ({
      ...each,
      cells: each.cells.filter(({ name }) => falls.some((fall) => fall.caseName === each.name && fall.cell === name)),
    }))
    .filter(({ cells }) => cells.length > 0);

/** The summaries with the cells of `again` in place of their own. */
export const replaceCells = (cases: readonly CaseSummary[], again: readonly CaseSummary[]): CaseSummary[] =>
  cases.map((each) => {
    const newer = again.find(({ name }) => name === each.name)?.cells ?? [];
    return { ...each, cells: each.cells.map((cell) => newer.find(({ name }) => name === cell.name) ?? cell) };
  });
