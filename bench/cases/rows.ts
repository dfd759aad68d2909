import type { BenchCase, Cell } from '../case.ts';
import { direct } from '../peers/direct.ts';
import { relay } from '../peers/node-server.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

const counts = [1, 100, 10_000];

const cell = (count: number): Cell => ({
  name: `${count} ${count === 1 ? 'row' : 'rows'}`,
  load: {
    mode: 'prepared',
    clients: 8,
    transport: 'tcp',
    scripts: [{ sql: `\\set batch ${count}\nSELECT id, label FROM items WHERE batch = :batch ORDER BY id;` }],
  },
});

export const rows: BenchCase = {
  name: 'rows',
  shows: 'Answers of 1, 100 and 10,000 rows of about 30 bytes: how the cost of a hit grows with the answer.',
  setup: [
    'CREATE TABLE items (id int PRIMARY KEY, batch int NOT NULL, label text NOT NULL)',
    ...counts.map(
      (count) =>
        `INSERT INTO items SELECT ${count} * 100 + i, ${count}, 'item number ' || i FROM generate_series(1, ${count}) AS i`,
    ),
    'CREATE INDEX ON items (batch)',
  ],
  unit: 'rate',
  roundsMax: 3,
  peers: () => [direct, relay, pgpool, pgfreshOne],
  cells: counts.map(cell),
};
