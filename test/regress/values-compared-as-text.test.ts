// Lesson 6: '9' < '10', 1.0 = 1.00, upper-case UUIDs, padded char(n), non-deterministic collations: two values are equal to the server and not
// as text, so a change is not recognised. Either a constant's text is the one on the change stream, or there is no constraint.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { bindDependencies } from '../../src/cache/analyse/bind.ts';
import { maySatisfy, type RowView } from '../../src/cache/row-view.ts';
import { Bench, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

const newRow = (value: RowView['value']): RowView => ({ isOld: false, value, touches: () => true });

/** Values as stored, and constants that may be equal to them, by type of column. */
const cases: Readonly<Record<string, { values: readonly string[]; constants: readonly string[] }>> = {
  int: {
    values: ['9', '10', '-1', '0'],
    constants: ["'09'", '9', '9.0', "' 10'", "'+10'", '-1', '-0', "'9'::int8", '9e0', '$1'],
  },
  bigint: {
    values: ['9007199254740993', '9007199254740992'],
    constants: ['9007199254740993', "'9007199254740993'", '9007199254740993.0', '9007199254740993::float8', '$1'],
  },
  smallint: { values: ['5'], constants: ['5', "'5'", '70000', '$1'] },
  numeric: { values: ['1.0', '1.00', '0.10', '-0.0'], constants: ['1', '1.000', "'1'", '.1', "'0'", '-1e-1', '$1'] },
  float8: { values: ['0.1', '1'], constants: ['0.1', "'0.10'", '1', '$1'] },
  uuid: {
    values: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    constants: ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'{a0eebc999c0b4ef8bb6d6bb9bd380a11}'", '$1'],
  },
  bool: { values: ['true', 'false'], constants: ["'yes'", "'TRUE'", 'true', "'off'", "'n'", '$1'] },
  text: {
    values: ['a', 'a ', 'A', ''],
    constants: ["'a'", "'a '", "'a'::char(5)", "'a'::text", "''", "'A'::name", '$1'],
  },
  'varchar(9)': {
    values: ['a', 'a '],
    constants: ["'a'", "'a '", "'a'::bpchar", "'a'::varchar", "'a  '::varchar(2)", '$1'],
  },
  'char(3)': { values: ['a', 'ab'], constants: ["'a'", "'a  '", "'ab '::text", '$1'] },
  date: { values: ['2020-01-01'], constants: ["'2020-01-01'", "'Jan 1 2020'", "'20200101'", '$1'] },
  timestamptz: {
    values: ['2020-01-01T00:00:00Z'],
    constants: ["'2020-01-01 01:00+01'", "'2020-01-01T00:00:00Z'", '$1'],
  },
  jsonb: { values: ['{"a":1}'], constants: ['\'{"a": 1.0}\'', '$1'] },
  oid: { values: ['8', '4294967295'], constants: ['8', "'010'", "'4294967295'", "'-1'", '$1'] },
  name: { values: ['a'], constants: ["'a'", '$1'] },
  'text COLLATE loose': { values: ['a', 'A', 'á'], constants: ["'a'", "'A'", '$1'] },
};

describe.each(['pg15', 'pg18'] as const)('on %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let client: pg.Client;
  let bench: Bench;
  const types = Object.keys(cases);
  beforeAll(async () => {
    const columns = types.map((type, i) => `c${i} ${type}`).join(', ');
    database = await createDatabase(
      inject(version),
      `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
       CREATE TABLE t (id serial PRIMARY KEY, ${columns})`,
    );
    client = await connect(database.url);
    // Settings of the change stream.
    await client.query(`SET search_path = public; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'`);
    for (const [i, type] of types.entries()) {
      for (const value of cases[type]!.values) await client.query(`INSERT INTO t (c${i}) VALUES ($1)`, [value]);
    }
    bench = await Bench.open(database.url);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it.each(types)('%s', async (type) => {
    const column = `c${types.indexOf(type)}`;
    // bool prints t and f on the stream.
    const stream = type === 'bool' ? `CASE WHEN ${column} THEN 't' ELSE 'f' END` : `${column}::text`;
    for (const constant of cases[type]!.constants) {
      for (const value of constant === '$1' ? cases[type]!.values : [undefined]) {
        const sql = `SELECT id FROM t WHERE ${column} = ${constant}`;
        const analysis = bench.analyse(sql);
        expect([sql, analysis.reason]).toEqual([sql, null]);
        const bytes = Buffer.from(value ?? '');
        const length = [bytes.length >> 24, bytes.length >> 16, bytes.length >> 8, bytes.length].map((n) => n & 255);
        const tail = value === undefined ? [] : [0, 0, 0, 1, ...length, ...bytes, 0, 0];
        const form = value === undefined ? 'simple' : 'portal';
        const dependencies = bindDependencies(analysis, { form, text: sql, bindTail: Uint8Array.from(tail) });
        const text = `SELECT ${stream} AS v FROM t WHERE ${column} = ${constant}`;
        const { rows } = await client.query<{ v: string }>({ text, values: value === undefined ? [] : [value] });
        const missed = rows.filter(
          ({ v }) =>
            !maySatisfy(
              newRow((name) => (name === column ? v : undefined)),
              dependencies![0]!,
            ),
        );
        expect([sql, missed]).toEqual([sql, []]);
      }
    }
  });

  it.each(['numeric', 'float8', 'char(3)', 'jsonb', 'name', 'text COLLATE loose'])(
    'nothing is concluded from an equality of type %s',
    (type) => {
      const sql = `SELECT id FROM t WHERE c${types.indexOf(type)} = $1`;
      expect(bench.analyse(sql).dependencies).toEqual([expect.objectContaining({ terms: [] })]);
    },
  );
});
