import type { BenchCase, Cell } from '../case.ts';
import { warmSecondsOfWrites } from '../data.ts';
import { directApart } from '../peers/direct.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';

/** Group g has g rows. */
const sizes = [1, 10, 100, 1_000, 10_000, 100_000];

function cell(size: number, writePercent: number): Cell {
  const read = `\\set g ${size}\nSELECT count(*), sum(value) FROM facts WHERE g = :g;`;
  const update = `\\set id random(${size} * 10 + 1, ${size} * 10 + ${size})\nUPDATE facts SET value = value + 1 WHERE id = :id;`;
  const line = writePercent === 0 ? 'reads' : `${writePercent} % writes`;
  return {
    name: `${size} ${size === 1 ? 'row' : 'rows'}, ${line}`,
    x: { line, at: String(size) },
    load: {
      mode: 'prepared',
      clients: 8,
      transport: 'tcp',
      scripts: [
        { sql: read, weight: 100 - writePercent },
        ...(writePercent > 0 ? [{ sql: update, weight: writePercent }] : []),
      ],
    },
    ...(writePercent > 0 ? { warmSecondsMin: warmSecondsOfWrites } : {}),
  };
}

const setup = [
  'CREATE TABLE facts (id int PRIMARY KEY, g int NOT NULL, value int NOT NULL)',
  ...sizes.map((size) => `INSERT INTO facts SELECT ${size} * 10 + i, ${size}, i FROM generate_series(1, ${size}) AS i`),
  'CREATE INDEX ON facts (g)',
];

export const aggregateSweep: BenchCase = {
  name: 'aggregate-sweep',
  shows: 'A sum over 1 to 100,000 rows, read only and with 1 % writes to those rows: whether there is a cliff.',
  setup,
  unit: 'rate',
  peers: () => [directApart(setup), pgfreshOne],
  cells: [0, 1].flatMap((writePercent) => sizes.map((size) => cell(size, writePercent))),
};
