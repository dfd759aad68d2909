/** What the bench computes from what it measured. */
import { describe, expect, it } from 'vitest';
import type { Sample } from '../../bench/case.ts';
import { breakEven } from '../../bench/cases/break-even.ts';
import { cases } from '../../bench/cases.ts';
import { axisTicks, barChart, chartsOf, lineChart } from '../../bench/chart.ts';
import {
  compareReports,
  describeFall,
  differences,
  fallenCells,
  machineMoves,
  mergeCells,
} from '../../bench/compare.ts';
import { cpuSeconds, familyOf } from '../../bench/load/cpu.ts';
import { parseReport, percentilesMs } from '../../bench/load/pgbench.ts';
import { hitRatioBetween } from '../../bench/measure.ts';
import { median, medianOfKnown, ratioOfRounds, spread } from '../../bench/statistics.ts';
import type { CaseSummary, PeerSummary } from '../../bench/summary.ts';
import { summarizeCell } from '../../bench/summary.ts';
import { formatFigure, notesOf, tableOf } from '../../bench/table.ts';
import { judge } from '../../bench/targets.ts';

function peer(name: string, value: number, ratios: Record<string, number> = {}): PeerSummary {
  return {
    ...{ peer: name, value, samples: [value], spread: 0, ratios, hitRatio: null, extra: {} },
    latencyMs: { mean: null, p50: null, p99: null },
    cpu: { load: null, peer: null, origin: null, others: null },
  };
}

function summary(name: string, cell: string, peers: PeerSummary[], failures: Record<string, string> = {}): CaseSummary {
  const cells = [{ name: cell, peers, failures }];
  return { name, shows: 'x', unit: 'rate', cells, derived: [], skipped: [], absent: [] };
}

describe('figures of several rounds', () => {
  it('takes the middle, of an even number the mean of the middle two', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2.5, 7]);
    expect(median([])).toBeNaN();
    expect([medianOfKnown([null, 2, undefined, Number.NaN]), medianOfKnown([null])]).toEqual([2, null]);
  });

  it('says how far the outermost samples are apart', () => {
    expect([spread([90, 100, 110]), spread([5])]).toEqual([0.2, 0]);
  });

  it('compares samples of the same round, so that a slow round of the machine cancels out', () => {
    expect(ratioOfRounds([200, 20, 202], [100, 10, 101], 'higher')).toBe(2);
    expect(ratioOfRounds([1, 1], [2, 2], 'lower')).toBe(2);
    expect(ratioOfRounds([1], [], 'higher')).toBeNull();
  });

  it('sets each peer in relation to those that ran beside it', () => {
    const sample = (value: number) => ({ value, hitRatio: 0.5 });
    const samples = new Map([
      ['direct', [sample(100), sample(50)]],
      ['pgfresh-1', [sample(300), sample(150)]],
    ]);
    const cell = summarizeCell({ name: 'c', samples, failures: new Map() }, 'rate');
    expect(cell.peers.map(({ peer: name, value, ratios }) => [name, value, ratios])).toEqual([
      ['direct', 75, {}],
      ['pgfresh-1', 225, { direct: 3 }],
    ]);
  });

  it('counts hits between two readings', () => {
    const counters = (hits: number, misses: number, passthrough: number) =>
      ({ hits, misses, passthrough, entries: 0, bytes: 0 }) as const;
    expect(hitRatioBetween(counters(10, 5, 5), counters(90, 10, 20))).toBe(0.8);
    expect(hitRatioBetween(counters(1, 1, 1), counters(1, 1, 1))).toBeNull();
  });
});

describe('what pgbench prints', () => {
  const output = `latency average = 0.227 ms
number of transactions actually processed: 35409
number of failed transactions: 0 (0.000%)
tps = 35201.118 (without initial connection time)`;

  it('is read', () => {
    expect(parseReport(output)).toEqual({ transactions: 35_409, tps: 35_201.118, meanMs: 0.227 });
  });

  it('is refused when transactions failed or a figure is missing', () => {
    expect(() => parseReport(output.replace('transactions: 0', 'transactions: 3'))).toThrow('3 transactions failed');
    expect(() => parseReport(output.replace('35409', '0'))).toThrow('not one transaction ended');
    expect(() => parseReport('pgbench: no connection')).toThrow('no connection');
  });

  it('gives percentiles of the logged latencies, and none of a handful', () => {
    const log = Array.from({ length: 100 }, (_, i) => `0 ${i} ${(i + 1) * 1000} 0 1700000000 5`).join('\n');
    expect(percentilesMs(log)).toEqual({ p50: 51, p99: 100 });
    expect(percentilesMs('0 1 1000 0 1 1\n')).toEqual({ p50: null, p99: null });
  });
});

describe('processor time of a tree of processes', () => {
  it('is that of the process and its descendants, also when one of them is new', () => {
    const before = new Map([
      [1, { parent: 0, ticks: 500 }],
      [10, { parent: 1, ticks: 100 }],
      [11, { parent: 10, ticks: 50 }],
    ]);
    const after = new Map([...before, [10, { parent: 1, ticks: 150 }], [12, { parent: 11, ticks: 25 }]]);
    expect(familyOf(after, 10)).toEqual([10, 11, 12]);
    expect(cpuSeconds(before, after, 10)).toBe(0.75);
  });
});

describe('the table', () => {
  it('leaves out columns that say nothing and names what failed', () => {
    const each = summary('point', 'a', [peer('direct', 41_234.5), peer('pgfresh-1', 3.456, { direct: 2 })], {
      pgpool: 'no\nanswer',
    });
    expect(tableOf(each)).toEqual({
      head: ['cell', 'peer', 'tx/s', 'spread', '× direct'],
      rows: [
        ['a', 'direct', '41235', '0 %', ''],
        ['a', 'pgfresh-1', '3.46', '0 %', '2.00'],
      ],
    });
    expect(notesOf({ ...each, absent: ['pgbouncer'] })).toEqual([
      'FAILED a, pgpool: no answer',
      'not installed: pgbouncer',
    ]);
  });

  it('prints three figures', () => {
    expect([1234.5, 99.94, 0.012345, 0, null].map(formatFigure)).toEqual(['1235', '99.9', '0.0123', '0', '']);
  });
});

describe('the regression gate', () => {
  const baseline = { cases: [summary('point', 'a', [peer('pgfresh-1', 1, { direct: 3, floor: 0.9 })])] };
  const now = (direct: number, failures: Record<string, string> = {}) => ({
    cases: [summary('point', 'a', direct > 0 ? [peer('pgfresh-1', 1, { direct, floor: 0.85 })] : [], failures)],
  });

  it('lets a ratio fall by a tenth and no further', () => {
    expect(compareReports(baseline, now(2.71))).toEqual({ compared: 2, falls: [] });
    const { falls } = compareReports(baseline, now(2.69));
    expect(falls.map(describeFall)).toEqual(['point: a: pgfresh-1 fell from 3.00 to 2.69 × direct']);
  });

  it('takes a failure for a fall', () => {
    expect(compareReports(baseline, now(0, { 'pgfresh-1': 'died' })).falls.map(describeFall)).toEqual([
      'point: a: pgfresh-1 fell from 3.00 to 0.00 × direct',
    ]);
  });

  it('compares only what both have', () => {
    expect(compareReports({ cases: [] }, now(1))).toEqual({ compared: 0, falls: [] });
  });

  it('measures again what fell, and that alone', () => {
    const fall = { caseName: 'dashboard', cell: 'simple', peer: 'pgfresh-1', to: 'direct', before: 2, now: 1 };
    expect(fallenCells(cases, [fall]).map(({ name, cells }) => [name, cells.map((cell) => cell.name)])).toEqual([
      ['dashboard', ['simple']],
    ]);
  });

  const rounds = (name: string, samples: number[], ratios: Record<string, number> = {}) => ({
    ...peer(name, samples[0]!, ratios),
    samples,
  });

  it('takes all rounds together, so that a busy moment is no fall, and a real one stays', () => {
    const then = { cases: [summary('point', 'a', [peer('pgfresh-1', 1, { direct: 3 })])] };
    const first = [
      summary('point', 'a', [rounds('direct', [10, 10, 10]), rounds('pgfresh-1', [30, 20, 20], { direct: 2 })]),
      summary('rows', 'b', []),
    ];
    const again = (...samples: number[]) => [
      summary('point', 'a', [rounds('direct', [10, 10, 10, 10, 10, 10]), rounds('pgfresh-1', samples)]),
    ];
    expect(compareReports(then, { cases: first }).falls).toHaveLength(1);
    const calm = mergeCells(first, again(30, 30, 29, 31, 30, 30));
    expect(calm[0]!.cells[0]!.peers[1]).toMatchObject({ value: 30, ratios: { direct: 3 } });
    expect(calm[0]!.cells[0]!.peers[1]!.samples).toHaveLength(9);
    expect(calm[1]).toEqual(first[1]);
    expect(compareReports(then, { cases: calm }).falls).toEqual([]);
    const slow = mergeCells(first, again(20, 21, 20, 20, 20, 20));
    expect(compareReports(then, { cases: slow }).falls).toHaveLength(1);
  });

  it('takes a cell in which somebody failed as it was measured again', () => {
    const first = [summary('point', 'a', [rounds('direct', [10])], { 'pgfresh-1': 'died' })];
    const again = [summary('point', 'a', [rounds('direct', [10]), rounds('pgfresh-1', [20], { direct: 2 })])];
    expect(mergeCells(first, again)[0]).toEqual(again[0]);
    expect(mergeCells(again, first)[0]).toEqual(first[0]);
  });

  it('says what other kind of run the baseline is of', () => {
    const conditions = (cores: number, node: string) =>
      ({ machine: { cores }, quick: true, versions: { Node: node, direct: 'PostgreSQL 18.4' } }) as never;
    expect(differences(conditions(2, '24.21.0'), conditions(2, '24.21.0'))).toEqual([]);
    expect(differences(conditions(2, '24.21.0'), conditions(8, '26.6.0'))).toEqual([
      'cores: 2 in the baseline, 8 here',
      'Node: 24.21.0 in the baseline, 26.6.0 here',
    ]);
  });

  it('says where the machine has moved, and not pgfresh', () => {
    const hits = (direct: number, floor: number, pgfresh: number) => ({
      cases: [
        summary('point', 'simple', [
          peer('direct', direct, { floor: direct / floor }),
          peer('floor', floor, { direct: floor / direct }),
          peer('pgfresh-1', pgfresh, { direct: pgfresh / direct, floor: pgfresh / floor }),
        ]),
      ],
    });
    const baseline = hits(10, 32, 32);
    expect(machineMoves(baseline, hits(20, 64, 32))).toEqual([]); // twice as fast, and pgfresh is not
    expect(machineMoves(baseline, hits(10, 30, 20))).toEqual([]);
    expect(machineMoves(baseline, hits(20, 50, 50))).toEqual([
      'point: simple: floor is 2.50 × direct, 3.20 in the baseline',
    ]);
    expect(machineMoves(baseline, hits(10, 50, 32))).toEqual([
      'point: simple: floor is 5.00 × direct, 3.20 in the baseline',
    ]);
    expect(compareReports(baseline, hits(20, 50, 50)).falls).toHaveLength(1); // said, not forgiven
  });
});

describe('break-even', () => {
  it('compares what a miss adds with what the relay adds in the same round', () => {
    const cell = (name: string, of: Record<string, number[]>) => ({
      ...{ name, failures: new Map<string, string>() },
      samples: new Map(Object.entries(of).map(([who, values]) => [who, values.map((value): Sample => ({ value }))])),
    });
    // The machine is slower in some rounds, and not for all alike.
    const [share, relative] = breakEven.derive!([
      cell('keys that come again', { direct: [1, 1, 3], relay: [2, 2, 6], 'pgfresh-1': [0.5, 0.5, 1.5] }),
      cell('new keys', { direct: [1, 5, 3], relay: [2, 6, 7], 'pgfresh-1': [2.2, 6.2, 7.8] }),
    ]);
    expect(relative!.value).toBeCloseTo(1.2);
    expect(share!.value).toBeCloseTo((6.2 - 3) / (6.2 - 0.5));
  });
});

describe('targets', () => {
  it('are judged by the best number of workers in the worst cell', () => {
    const cell = (name: string, one: number, two: number) => ({
      ...{ name, failures: {} },
      peers: [
        peer('pgfresh-1', 1, { direct: one }),
        peer('pgfresh-2', 1, { direct: two }),
        peer('pgfresh-1/off', 1, { direct: 99 }),
      ],
    });
    const report = {
      conditions: {} as never,
      cases: [{ ...summary('shapes', '', []), cells: [cell('count', 1, 1.5), cell('in', 4, 3)] }],
    };
    expect(judge(report)).toEqual([
      { text: 'every shape is 2 × direct', reached: false, worst: '1.50 (count)', ceiling: null },
    ]);
  });

  it('are judged by what a case derives, where they are about that', () => {
    const derived = (skew: number, value: number) => ({ name: `p, skew ${skew}: points above LRU`, value, text: '' });
    const zipf = { ...summary('zipf', 'skew 0.9', []), derived: [derived(0.6, 1), derived(0.9, 3.9)] };
    expect(judge({ conditions: {} as never, cases: [zipf] })).toEqual([
      {
        text: 'eviction is 3 points above LRU (Zipf 0.9)',
        reached: true,
        worst: '3.90 (p, skew 0.9: points above LRU)',
        ceiling: null,
      },
    ]);
  });

  it('are about 8 and 32 clients, not 128', () => {
    const cell = (name: string, ratio: number) => ({
      name,
      failures: {},
      peers: [peer('pgfresh-1', 1, { floor: ratio })],
    });
    const cells = [cell('extended, 8 clients, tcp', 0.95), cell('extended, 128 clients, tcp', 0.5)];
    expect(judge({ conditions: {} as never, cases: [{ ...summary('point', '', []), cells }] })).toEqual([
      {
        text: 'a hit reaches 0.90 × the floor',
        reached: true,
        worst: '0.95 (extended, 8 clients, tcp)',
        ceiling: null,
      },
    ]);
  });

  it('say what the load allows at most, by its best cell, and do not count that', () => {
    const cell = (name: string, ratio: number) => ({
      name,
      failures: {},
      peers: [peer('pgfresh-1', 1, { direct: ratio })],
    });
    const cells = [
      cell('10 % writes, same keys', 0.7),
      cell('10 % writes, same keys, simple', 0.8),
      cell('10 % writes, unread table', 0.5),
      cell('10 % writes, unread table, simple', 1.1),
      cell('50 % writes, unread table', 0.6),
    ];
    expect(judge({ conditions: {} as never, cases: [{ ...summary('write-sweep', '', []), cells }] })).toEqual([
      {
        text: '10 % writes to the same keys: 1.2 × direct',
        reached: false,
        worst: '0.70 (10 % writes, same keys)',
        ceiling: '1.10 (10 % writes, unread table, simple)',
      },
    ]);
  });

  it('that are costs have the highest for their worst', () => {
    const name = (workers: number) => `pgfresh-${workers}: miss overhead beside the relay's`;
    const derived = (workers: number, value: number) => ({ name: name(workers), value, text: '' });
    const breakEven = { ...summary('break-even', '', []), derived: [derived(1, 1.2), derived(2, 1.31)] };
    expect(judge({ conditions: {} as never, cases: [breakEven] })).toMatchObject([
      { reached: false, worst: "1.31 (pgfresh-2: miss overhead beside the relay's)" },
    ]);
  });
});

describe('charts', () => {
  it('have round figures on their axis, up to the highest bar', () => {
    expect(axisTicks(47)).toEqual([0, 10, 20, 30, 40, 50]);
    expect(axisTicks(110_000)).toEqual([0, 25_000, 50_000, 75_000, 100_000, 125_000]);
    expect(axisTicks(0)).toEqual([0, 1]);
  });

  it('draw a mark for each figure and none where there is none, and escape names', () => {
    const chart = { title: 'a < b', unit: 'tx/s', groups: ['x', 'y'], series: [{ name: 'p', values: [1, null] }] };
    expect(barChart(chart)).toContain('a &#60; b');
    expect(barChart(chart).match(/<rect/g)).toHaveLength(3); // paper, bar, legend
    expect(lineChart(chart).match(/<circle/g)).toHaveLength(1);
  });

  it('draw sweeps as lines, one chart for each kind of cell', () => {
    const at = (line: string, x: string) => ({
      name: `${line}${x}`,
      x: { line, at: x },
      peers: [peer('direct', 1)],
      failures: {},
    });
    const each = { ...summary('sweep', '', []), cells: [at('a', '1'), at('a', '2'), at('b', '1')] };
    expect([...chartsOf(each, 'tx/s').keys()]).toEqual(['sweep-1', 'sweep-2']);
    expect([...chartsOf(summary('point', 'c', [peer('direct', 1)]), 'tx/s').keys()]).toEqual(['point']);
  });
});
