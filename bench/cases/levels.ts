import type { BenchCase, Cell } from '../case.ts';
import { accountsSql, pointSql, updateSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { pgfresh, pgfreshOne } from '../peers/pgfresh.ts';

function cell(percent: number): Cell {
  const reads = { sql: pointSql, weight: 100 - percent };
  return {
    name: `${percent} % writes`,
    x: { line: 'same keys', at: `${percent} %` },
    load: {
      mode: 'prepared',
      clients: 8,
      transport: 'tcp',
      scripts: percent === 0 ? [reads] : [reads, { sql: updateSql(), weight: percent }],
    },
  };
}

/** `strong` is the default. */
export const levels: BenchCase = {
  name: 'levels',
  shows:
    'What each level of consistency costs: throughput and hit ratio of reads by key with 0 to 50 % writes of the same keys (pgfresh-1 is strong).',
  setup: accountsSql(),
  unit: 'rate',
  lifetime: 'turn',
  roundsMax: 1,
  peers: () => [
    direct,
    pgfresh({ workers: 1, consistency: 'off' }),
    pgfresh({ workers: 1, consistency: 'bounded' }),
    pgfresh({ workers: 1, consistency: 'session' }),
    pgfreshOne,
    pgfresh({ workers: 1, consistency: 'monotonic' }),
  ],
  cells: [0, 1, 10, 50].map(cell),
};
