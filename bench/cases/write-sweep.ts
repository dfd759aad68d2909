import type { BenchCase, Cell, Mode } from '../case.ts';
import { accountsSql, keyCount, pointSql, updateSql, warmSecondsOfWrites } from '../data.ts';
import { directApart } from '../peers/direct.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';

/** Writes to the keys that are read, or to other rows of the same table. */
const writers = { 'same keys': updateSql(), 'other keys': updateSql(keyCount + 1, 2 * keyCount) };

function cell(line: keyof typeof writers, percent: number, mode: Mode = 'prepared'): Cell {
  const reads = { sql: pointSql, weight: 100 - percent };
  return {
    name: `${percent} % writes, ${line}${mode === 'prepared' ? '' : `, ${mode}`}`,
    ...(mode === 'prepared' ? { x: { line, at: `${percent} %` } } : {}),
    load: {
      mode,
      clients: 8,
      transport: 'tcp',
      scripts: percent === 0 ? [reads] : [reads, { sql: writers[line], weight: percent }],
    },
    quick: percent === 10 && line === 'same keys' && mode === 'prepared',
    ...(percent > 0 ? { warmSecondsMin: warmSecondsOfWrites } : {}),
  };
}

const setup = accountsSql(2 * keyCount);

export const writeSweep: BenchCase = {
  name: 'write-sweep',
  shows: 'Reads by key with 0 to 50 % writes to the same keys and to other keys of the table.',
  setup,
  unit: 'rate',
  peers: () => [directApart(setup), pgfreshOne],
  cells: [
    ...[0, 1, 10, 50].map((percent) => cell('same keys', percent)),
    ...[1, 10, 50].map((percent) => cell('other keys', percent)),
    cell('same keys', 10, 'simple'),
    cell('same keys', 10, 'extended'),
  ],
};
