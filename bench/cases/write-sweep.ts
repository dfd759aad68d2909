import type { BenchCase, Cell, Mode } from '../case.ts';
import { accountsSql, keyCount, pointSql, updateSql, warmSecondsOfWrites } from '../data.ts';
import { directApart } from '../peers/direct.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';

/**
 * Writes to the keys that are read, to other rows of the same table, or to a table that nobody reads: then every read hits, no answer is invalidated, and
 * the change stream carries nothing of them, so this is what the best cache could have here (ADR-030).
 */
const writers = {
  'same keys': updateSql(),
  'other keys': updateSql(keyCount + 1, 2 * keyCount),
  'unread table': updateSql(1, keyCount, 'unread'),
};

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
    ...(line === 'other keys' ? { roundsMax: 3 } : {}),
  };
}

const setup = [
  ...accountsSql(2 * keyCount),
  'CREATE TABLE unread (id int PRIMARY KEY, balance int NOT NULL)',
  `INSERT INTO unread SELECT i, 0 FROM generate_series(1, ${keyCount}) AS i`,
];

export const writeSweep: BenchCase = {
  name: 'write-sweep',
  shows:
    'Reads by key with 0 to 50 % writes to the same keys, to other keys of the table, and to a table that nobody reads (all reads hit, and no change concerns the cache: what the best cache could have).',
  setup,
  unit: 'rate',
  peers: () => [directApart(setup), pgfreshOne],
  cells: [
    ...[0, 1, 10, 50].map((percent) => cell('same keys', percent)),
    ...[1, 10, 50].map((percent) => cell('other keys', percent)),
    ...[10, 50].map((percent) => cell('unread table', percent)),
    ...(['same keys', 'unread table'] as const).flatMap((line) => [
      cell(line, 10, 'simple'),
      cell(line, 10, 'extended'),
    ]),
  ],
};
