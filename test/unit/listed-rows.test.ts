// Lists that are corrected in place: after random changes of rows a list is what the statement would answer, or it is given up. Which rows are in an answer, in which
// order and how many, is said a second time here, in the plainest way.
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { bindDependencies } from '../../src/cache/analyse/bind.ts';
import type { RowChange, StreamRelation } from '../../src/cache/change.ts';
import { type ListAnswer, listAnswerOf } from '../../src/cache/list-answer.ts';
import { ListedRows } from '../../src/cache/listed-rows.ts';
import { encodeCommandComplete, encodeDataRow } from '../../src/shared/wire/backend.ts';
import { announceSeed, type Random, seededRandom } from '../model/random.ts';
import { Bench, bindTail } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

let bench: Bench;
let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    `CREATE TABLE t (id int PRIMARY KEY, g int, v text, n int, f float8, l text COLLATE "unicode", day date);
     CREATE TABLE pair (a int, b text, v int, PRIMARY KEY (a, b));
     CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent); CREATE TABLE keyless (id int, v int);
     ALTER TABLE child REPLICA IDENTITY FULL; ALTER TABLE keyless REPLICA IDENTITY FULL`,
  );
  bench = await Bench.open(database.url);
});
afterAll(() => database.drop());

function listOf(text: string, values: readonly (string | null)[] = []): ListAnswer | null {
  const analysis = bench.analyse(text);
  expect(analysis.reason).toBeNull();
  const key = { form: 'portal', text, bindTail: bindTail(values), contextId: 1, parameterTypes: [] } as const;
  const relation = bench.catalog.relations.get(analysis.list?.relation ?? 0);
  const dependencies = bindDependencies(analysis, key);
  if (relation === undefined || dependencies === null) return null;
  return listAnswerOf(key, analysis, dependencies, relation, { isoDates: true, utc: true });
}

type Row = readonly [id: string, g: string | null, v: string | null, n: string | null];
interface Known {
  readonly text: string;
  readonly values?: readonly string[];
  readonly shows: (row: Row) => (string | null)[];
  readonly isIn: (row: Row) => boolean;
  readonly order: (a: Row, b: Row) => number;
  readonly limit?: number;
}

const byId = (a: Row, b: Row): number => Number(a[0]) - Number(b[0]);
/** NULL is greater than any value. */
const number = (text: string | null): number => (text === null ? Number.POSITIVE_INFINITY : Number(text));
const text = (a: string | null, b: string | null): number =>
  a === b ? 0 : a === null ? 1 : b === null ? -1 : Buffer.compare(Buffer.from(a), Buffer.from(b));
const numbers = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

const lists: readonly Known[] = [
  {
    text: 'SELECT id, v FROM t WHERE g = $1 ORDER BY id',
    ...{ values: ['2'], shows: ([id, , v]) => [id, v], isIn: ({ 1: g }) => g === '2', order: byId },
  },
  {
    text: 'SELECT v, id, v AS again FROM t x WHERE $1 = x.g ORDER BY x.id DESC LIMIT 3',
    ...{ values: ['2'], shows: ([id, , v]) => [v, id, v], isIn: ({ 1: g }) => g === '2' },
    ...{ order: (a, b) => byId(b, a), limit: 3 },
  },
  {
    text: "SELECT id, g, v, n, day FROM t WHERE g = '1' AND n IS NULL ORDER BY v, id LIMIT $1 OFFSET 0",
    ...{ values: ['4'], shows: (row) => [...row, null], isIn: ({ 1: g, 3: n }) => g === '1' && n === null },
    ...{ order: (a, b) => text(a[2], b[2]) || byId(a, b), limit: 4 },
  },
  {
    text: 'SELECT id, n FROM t ORDER BY n DESC NULLS LAST, id LIMIT 5',
    ...{ shows: ([id, , , n]) => [id, n], isIn: () => true, limit: 5 },
    order: (a, b) => {
      if (a[3] === null || b[3] === null) return a[3] === b[3] ? byId(a, b) : a[3] === null ? 1 : -1;
      return numbers(number(b[3]), number(a[3])) || byId(a, b);
    },
  },
  {
    text: 'SELECT id, v FROM t WHERE v = $1',
    ...{ values: ['b'], shows: ([id, , v]) => [id, v], isIn: ({ 2: v }) => v === 'b', order: byId },
  },
  {
    text: 'SELECT v FROM t WHERE id = $1 LIMIT 1',
    ...{ values: ['3'], shows: ([, , v]) => [v], isIn: ([id]) => id === '3', order: byId, limit: 1 },
  },
  {
    text: 'SELECT g, id FROM t WHERE v = $1 ORDER BY g DESC, id LIMIT 2',
    ...{ values: ['a'], shows: ([id, g]) => [g, id], isIn: ({ 2: v }) => v === 'a', limit: 2 },
    order: (a, b) => numbers(number(b[1]), number(a[1])) || byId(a, b),
  },
];

const relation: StreamRelation = {
  ...{ oid: 1, schema: 'public', name: 't', replicaIdentity: 'd' },
  columns: ['id', 'g', 'v', 'n', 'f', 'l', 'day'].map((name, i) => ({
    ...{ name, typeOid: [23, 23, 25, 23, 701, 25, 1082][i]!, isKey: name === 'id' },
  })),
};

const streamed = (row: Row): (string | null)[] => [...row, null, null, null];

/** What the statement answers; null: the rows are in no order. */
function answerOf({ shows, isIn, order, limit }: Known, rows: ReadonlyMap<string, Row>): Buffer {
  const shown = [...rows.values()].filter(isIn).sort(order).slice(0, limit).map(shows);
  const frames = shown.map((values) =>
    encodeDataRow(values.map((value) => (value === null ? null : Buffer.from(value)))),
  );
  return Buffer.concat([...frames, encodeCommandComplete(`SELECT ${shown.length}`)]);
}

function randomRow(random: Random, id: string): Row {
  const one = (values: readonly (string | null)[]) => values[random.below(values.length)]!;
  return [id, one(['1', '2', null]), one(['a', 'b', 'ä', 'B', '', null]), one(['-1', '0', '10', '9', null])];
}

/** Changes a row, and says what the stream tells of it. @param isFull old rows are told whole */
function change(random: Random, rows: Map<string, Row>, isFull: boolean): RowChange {
  const id = String(1 + random.below(12));
  const old = rows.get(id);
  const told = (row: Row) => (isFull ? streamed(row) : [row[0], ...Array<undefined>(6)]);
  if (old === undefined) {
    const row = randomRow(random, id);
    rows.set(id, row);
    return { relation, kind: 'insert', oldRow: null, newRow: streamed(row) };
  }
  if (random.next() < 0.3) {
    rows.delete(id);
    return { relation, kind: 'delete', oldRow: told(old), newRow: null };
  }
  const free = String(1 + random.below(12));
  const row = randomRow(random, random.next() < 0.2 && !rows.has(free) ? free : id);
  rows.delete(id);
  rows.set(row[0], row);
  const isSent = isFull || row[0] !== id;
  return { relation, kind: 'update', oldRow: isSent ? told(old) : null, newRow: streamed(row) };
}

describe.each([true, false])('old rows told whole: %s', (isFull) => {
  it.each(lists)('$text', (known) => {
    const random = seededRandom(announceSeed(known.text));
    const list = listOf(known.text, known.values);
    expect(list).not.toBeNull();
    let [certain, changed] = [0, 0];
    for (let round = 0; round < 300; round++) {
      const rows = new Map<string, Row>();
      for (let i = random.below(10); i > 0; i--) {
        const row = randomRow(random, String(1 + random.below(12)));
        rows.set(row[0], row);
      }
      const listed = ListedRows.of(list!, { frames: answerOf(known, rows), rowDescriptionBytes: 0 }, 100);
      for (let i = 0; listed !== null && i < 12; i++) {
        const outcome = listed.apply(change(random, rows, isFull));
        if (outcome === 'unknown') break;
        certain++;
        if (outcome === 'changed') changed++;
        expect(listed.encode().toString('latin1')).toBe(answerOf(known, rows).toString('latin1'));
      }
    }
    // Not all of it is given up, and not all of it is about other rows.
    expect(certain).toBeGreaterThan(300);
    expect(changed).toBeGreaterThan(100);
  });
});

it.each([
  ['no list: an expression', 'SELECT id, upper(v) FROM t WHERE g = 1 ORDER BY id'],
  ['no list: a range', 'SELECT id FROM t WHERE g > 1 ORDER BY id'],
  ['no list: the column twice', 'SELECT id FROM t WHERE g = 1 AND g = 1 ORDER BY id'],
  ['no list: OR', 'SELECT id FROM t WHERE g = 1 OR n = 1 ORDER BY id'],
  ['no list: DISTINCT', 'SELECT DISTINCT id FROM t WHERE g = 1 ORDER BY id'],
  ['no list: ties', 'SELECT id FROM t WHERE g = 1 ORDER BY id FETCH FIRST 2 ROWS WITH TIES'],
  ['no list: an aggregate', 'SELECT count(*) FROM t WHERE g = 1'],
  ['an offset', 'SELECT id FROM t WHERE g = 1 ORDER BY id LIMIT 2 OFFSET 1'],
  ['a value whose bytes depend on a setting', 'SELECT id, f FROM t WHERE g = 1 ORDER BY id'],
  ['heirs', 'SELECT id FROM parent ORDER BY id'],
  ['no primary key', 'SELECT id FROM keyless ORDER BY id'],
  ['a key that is not shown', 'SELECT v FROM t WHERE g = 1 ORDER BY id'],
  ['half a key', 'SELECT b FROM pair WHERE v = 1 ORDER BY b'],
  ['equal to NULL', 'SELECT id FROM t WHERE g = NULL ORDER BY id'],
])('is not corrected: %s', (_, statement) => expect(listOf(statement)).toBeNull());

it.each([
  ['an order that does not tell all apart', 'SELECT id, v FROM t WHERE g = 1 ORDER BY v'],
  ['an order by what is not shown', 'SELECT id FROM t WHERE g = 1 ORDER BY v, id'],
  ['an order of another collation', 'SELECT id, l FROM t WHERE g = 1 ORDER BY l, id'],
  ['an output of the column’s name', 'SELECT id, n AS v, v AS n FROM t WHERE g = 1 ORDER BY v, id'],
])('has no order that is known: %s', (_, statement) => expect(listOf(statement)?.order ?? null).toBeNull());

it('knows the rest of a key from the condition, and needs no order for a single row', () => {
  expect(listOf('SELECT b, v FROM pair WHERE a = 1 ORDER BY b')).toMatchObject({ key: [{ text: '1' }, { at: 0 }] });
  expect(listOf("SELECT v FROM pair WHERE a = 1 AND b = 'x' LIMIT 1")).toMatchObject({ rowsMax: null });
  expect(listOf('SELECT id FROM t WHERE g = $1 ORDER BY id LIMIT $2', ['1', null])).toMatchObject({ rowsMax: null });
});
