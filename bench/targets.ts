/** What pgfresh is to reach, as ratios of the same run; the report says of each where it was reached and where not. */
import type { CaseSummary, CellSummary, PeerSummary, Report } from './summary.ts';

interface Target {
  readonly text: string;
  readonly caseName: string;
  readonly cells: RegExp;
  /** The ratio that counts: to which peer; null: the case's derived figures of which `cells` matches the name. */
  readonly to: string | null;
  /** The least that is enough; of a cost `max`, the most that is allowed. */
  readonly min?: number;
  readonly max?: number;
  /** Cells of the same load without what the cache has to do: nothing it could do better would reach more. */
  readonly ceiling?: RegExp;
}

const eightOrMore = '(8|32) clients, tcp';

export const targets: readonly Target[] = [
  {
    text: 'a hit reaches 0.90 × the floor',
    caseName: 'point',
    cells: RegExp(`, ${eightOrMore}`),
    to: 'floor',
    min: 0.9,
  },
  {
    text: 'a hit is 2.5 × direct (simple, extended)',
    caseName: 'point',
    cells: RegExp(`^(simple|extended), ${eightOrMore}`),
    to: 'direct',
    min: 2.5,
  },
  {
    text: 'a hit is 2.0 × direct (prepared)',
    caseName: 'point',
    cells: RegExp(`^prepared, ${eightOrMore}`),
    to: 'direct',
    min: 2,
  },
  {
    text: 'a hit is 2 × pgpool (simple)',
    caseName: 'point',
    cells: RegExp(`^simple, ${eightOrMore}`),
    to: 'pgpool',
    min: 2,
  },
  { text: 'every shape is 2 × direct', caseName: 'shapes', cells: /./, to: 'direct', min: 2 },
  { text: 'a dashboard is 10 × direct', caseName: 'dashboard', cells: /./, to: 'direct', min: 10 },
  { text: 'a miss is 0.9 × pgbouncer', caseName: 'miss', cells: /./, to: 'pgbouncer', min: 0.9 },
  { text: 'pass-through is 0.9 × pgbouncer', caseName: 'passthrough', cells: /./, to: 'pgbouncer', min: 0.9 },
  {
    text: 'what a miss costs more than the origin alone is at most 1.3 × what a bare relay costs',
    caseName: 'break-even',
    cells: /^pgfresh-\d+: miss overhead/,
    to: null,
    max: 1.3,
  },
  { text: 'an aggregate is never below 0.8 × direct', caseName: 'aggregate-sweep', cells: /./, to: 'direct', min: 0.8 },
  {
    text: '10 % writes to the same keys: 1.2 × direct',
    caseName: 'write-sweep',
    cells: /^10 % writes, same/,
    ceiling: /^10 % writes, unread/,
    to: 'direct',
    min: 1.2,
  },
  {
    text: '50 % writes to the same keys: 0.8 × direct',
    caseName: 'write-sweep',
    cells: /^50 % writes, same/,
    ceiling: /^50 % writes, unread/,
    to: 'direct',
    min: 0.8,
  },
  {
    text: 'eviction is 3 points above LRU (Zipf 0.9)',
    caseName: 'zipf',
    cells: /skew 0\.9: points above LRU$/,
    to: null,
    min: 3,
  },
];

/** With the default settings: "pgfresh-2", not "pgfresh-1/session". */
const isDefault = ({ peer }: PeerSummary): boolean => /^pgfresh-\d+$/.test(peer);

export interface Verdict {
  readonly text: string;
  readonly reached: boolean;
  /** The worst cell: "0.87 (simple, 8 clients, tcp)". */
  readonly worst: string;
  /** The best that the load allows in any cell; null: not measured. */
  readonly ceiling: string | null;
}

/** In each cell the best number of workers counts; over the cells the worst. Targets without a figure are left out. */
export function judge(report: Report): Verdict[] {
  return targets.flatMap((target) => {
    const each = report.cases.find(({ name }) => name === target.caseName);
    const { text, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = target;
    if (each === undefined) return [];
    const ascending = ascendingFigures(each, target.cells, target.to);
    const worst = target.max === undefined ? ascending[0] : ascending.at(-1);
    if (worst === undefined) return [];
    const reached = worst.value >= min && worst.value <= max;
    const ceiling = target.ceiling === undefined ? undefined : ascendingFigures(each, target.ceiling, target.to).at(-1);
    return [{ text, reached, worst: inWords(worst), ceiling: ceiling === undefined ? null : inWords(ceiling) }];
  });
}

interface Figure {
  readonly name: string;
  readonly value: number;
}

const inWords = ({ name, value }: Figure): string => `${value.toFixed(2)} (${name})`;

const ascendingFigures = (each: CaseSummary, names: RegExp, to: string | null): Figure[] =>
  figuresOf(each, names, to).sort((a, b) => a.value - b.value);

function figuresOf({ cells, derived }: CaseSummary, names: RegExp, to: string | null): Figure[] {
  if (to === null) return derived.filter(({ name }) => names.test(name)).map(({ name, value }) => ({ name, value }));
  return cells
    .filter(({ name }) => names.test(name))
    .flatMap((cell) => {
      const value = bestRatio(cell, to);
      return value === null ? [] : [{ name: cell.name, value }];
    });
}

function bestRatio(cell: CellSummary, to: string): number | null {
  const ratios = cell.peers.filter(isDefault).map(({ ratios: all }) => all[to]);
  const known = ratios.filter((ratio) => ratio !== undefined);
  return known.length === 0 ? null : Math.max(...known);
}
