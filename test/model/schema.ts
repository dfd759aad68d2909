/**
 * The tables that the checker works on, the statements that read them and what an answer shows of each key.
 *
 *   keys 0 … singleKeys-1             `item`: one row a key, raised by one statement; its bucket follows its version, so that
 *                                     rows move in and out of answers whose constraint is not the key
 *   keys singleKeys … keyCount-1      `linked`, `shadow` and `coming`: raised together by a transaction of several statements;
 *                                     the row in `coming` is there only in odd versions
 */
import type { Sighting } from './history.ts';

export const singleKeys = 40;
export const keyCount = 60;
export const buckets = 4;
const linkedKeys = keyCount - singleKeys;

export const schemaSql = `
  CREATE TABLE item (id int PRIMARY KEY, version int NOT NULL, bucket int NOT NULL, note text NOT NULL);
  INSERT INTO item SELECT id, 0, 0, repeat('x', id) FROM generate_series(0, ${singleKeys - 1}) AS id;
  CREATE TABLE linked (id int PRIMARY KEY, version int NOT NULL);
  CREATE TABLE shadow (id int PRIMARY KEY, version int NOT NULL);
  CREATE TABLE coming (id int PRIMARY KEY, version int NOT NULL);
  INSERT INTO linked SELECT id, 0 FROM generate_series(${singleKeys}, ${keyCount - 1}) AS id;
  INSERT INTO shadow SELECT * FROM linked;
  CREATE FUNCTION bump(which int) RETURNS int LANGUAGE sql AS
    'UPDATE item SET version = version + 1, bucket = (version + 1) % ${buckets} WHERE id = which RETURNING version';
`;

export interface ReadForm {
  readonly name: string;
  readonly sql: string;
  /** How many different parameters it takes. */
  readonly parameters: number;
  /** The keys that an answer for parameter p tells about. */
  keys(parameter: number): readonly number[];
  /** The n-th key's state in `rows`. */
  sighting(rows: readonly (readonly number[])[], key: number, parameter: number): Sighting;
  /** Versions that one transaction wrote and the answer shows together. */
  whole?(rows: readonly (readonly number[])[]): readonly number[];
  /** The sum of the versions of all its keys; then there is nothing to see of a single one. */
  total?(rows: readonly (readonly number[])[]): number;
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
const allSingle = range(0, singleKeys);
/** Last key of the ranges. */
const rangeEnd = 12;

/** A row that must be there whatever was written. */
const firstRow = (rows: readonly (readonly number[])[]): Sighting =>
  rows.length === 0 ? { absentWhen: () => false } : { version: Number(rows[0]![0]) };

const byId = (
  rows: readonly (readonly number[])[],
  key: number,
  absentWhen: (version: number) => boolean,
): Sighting => {
  const row = rows.find((candidate) => Number(candidate[0]) === key);
  return row === undefined ? { absentWhen } : { version: Number(row[1]) };
};

export const readForms: readonly ReadForm[] = [
  {
    name: 'row by key',
    sql: 'SELECT version FROM item WHERE id = $1',
    parameters: singleKeys,
    keys: (parameter) => [parameter],
    sighting: firstRow,
  },
  {
    name: 'rows by moving column',
    sql: 'SELECT id, version FROM item WHERE bucket = $1 ORDER BY id',
    parameters: buckets,
    keys: () => allSingle,
    sighting: (rows, key, parameter) => byId(rows, key, (version) => version % buckets !== parameter),
  },
  {
    name: 'whole table',
    sql: 'SELECT id, version FROM item WHERE id >= $1 ORDER BY id',
    parameters: 1,
    keys: () => allSingle,
    sighting: (rows, key) => byId(rows, key, () => false),
  },
  {
    name: 'join',
    sql: 'SELECT l.version, s.version FROM linked l JOIN shadow s ON s.id = l.id WHERE l.id = $1',
    parameters: linkedKeys,
    keys: (parameter) => [singleKeys + parameter],
    sighting: firstRow,
    whole: (rows) => rows.flat().map(Number),
  },
  {
    name: 'union',
    sql: 'SELECT version FROM linked WHERE id = $1 UNION ALL SELECT version FROM shadow WHERE id = $1',
    parameters: linkedKeys,
    keys: (parameter) => [singleKeys + parameter],
    sighting: firstRow,
    whole: (rows) => rows.flat().map(Number),
  },
  {
    name: 'row that comes and goes',
    sql: 'SELECT version FROM coming WHERE id = $1',
    parameters: linkedKeys,
    keys: (parameter) => [singleKeys + parameter],
    sighting: (rows) =>
      rows.length === 0 ? { absentWhen: (version) => version % 2 === 0 } : { version: Number(rows[0]![0]) },
  },
  {
    name: 'range',
    sql: `SELECT id, version FROM item WHERE id BETWEEN $1 AND ${rangeEnd} ORDER BY id`,
    parameters: rangeEnd,
    keys: (parameter) => range(parameter, rangeEnd + 1 - parameter),
    sighting: (rows, key) => byId(rows, key, () => false),
  },
  {
    name: 'grouped aggregate',
    sql: 'SELECT id, max(version), count(*) FROM item WHERE id <= $1 GROUP BY id ORDER BY id',
    parameters: 10,
    keys: (parameter) => range(0, parameter + 1),
    sighting: (rows, key) => byId(rows, key, () => false),
  },
  {
    name: 'total',
    sql: 'SELECT sum(version) FROM item WHERE id >= $1',
    parameters: 3,
    keys: (parameter) => range(parameter, singleKeys - parameter),
    sighting: () => ({ absentWhen: () => true }),
    total: (rows) => Number(rows[0]![0]),
  },
  {
    name: 'sub-query',
    sql: 'SELECT id, version FROM item WHERE id IN (SELECT id FROM item WHERE bucket = $1) ORDER BY id',
    parameters: buckets,
    keys: () => allSingle,
    sighting: (rows, key, parameter) => byId(rows, key, (version) => version % buckets !== parameter),
  },
  {
    name: 'row with a companion',
    sql: 'SELECT l.version FROM linked l WHERE l.id = $1 AND EXISTS (SELECT FROM coming c WHERE c.id = l.id)',
    parameters: linkedKeys,
    keys: (parameter) => [singleKeys + parameter],
    sighting: (rows) =>
      rows.length === 0 ? { absentWhen: (version) => version % 2 === 0 } : { version: Number(rows[0]![0]) },
  },
];

/** The value that stands for parameter p of a form: forms over linked keys count from the first of them. */
export const parameterValue = (form: ReadForm, parameter: number): number =>
  form.parameters === linkedKeys ? singleKeys + parameter : parameter;
