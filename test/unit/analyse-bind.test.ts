import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { bindDependencies } from '../../src/cache/analyse/bind.ts';
import { Bench, bindTail } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { schema } from './analyse-corpus.ts';

let bench: Bench;
let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  database = await createDatabase(inject('pg18'), schema);
  bench = await Bench.open(database.url);
});
afterAll(() => database.drop());

const int4 = 23;
const int8 = 20;
const textType = 25;
const timestamptz = 1184;
const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

/** Terms of each dependency as `column=values`, for a statement executed with these parameters. */
function bound(
  text: string,
  values: readonly (string | null | Uint8Array)[],
  parameterTypes: readonly number[] = [],
  clientEncoding = 'UTF8',
): string[] | null {
  const analysis = bench.analyse(text, { parameterTypes, clientEncoding });
  expect(analysis.reason).toBeNull();
  const key = { form: 'portal', text, bindTail: bindTail(values) } as const;
  const dependencies = bindDependencies(analysis, key);
  return dependencies?.map(({ terms }) => terms.map((t) => `${t.column}=${t.values.join('|')}`).join(' ')) ?? null;
}

const byId = 'SELECT name FROM customers WHERE id = $1';

const byAny = 'SELECT name FROM customers WHERE id = ANY ($1)';

describe('parameters', () => {
  it.each([
    ['text format', byId, ['42'], [], ['id=42']],
    ['odd spelling', byId, [' +042'], [], ['id=42']],
    ['binary int4', byId, [bytes('0000002a')], [int4], ['id=42']],
    ['binary int8', byId, [bytes('000000000000002a')], [int8], ['id=42']],
    ['binary, type inferred', byId, [bytes('0000002a')], [], ['id=42']],
    ['NULL: no row is seen', byId, [null], [], []],
    ['an array', byAny, ['{1, "02",NULL}'], [], ['id=1|2']],
    ['an empty array', byAny, ['{}'], [], []],
    ['a NULL array', byAny, [null], [], []],
    ['an array of more than the bound', byAny, [`{${'1,'.repeat(128)}1}`], [], ['']],
    ['an array of arrays', byAny, ['{{1},{2}}'], [], ['']],
    ['an array cut short', byAny, ['{1,'], [], ['']],
    ['a declared array', byAny, ['{5}'], [1016], ['id=5']],
    ['a declared array of another family', byAny, ['{5}'], [1231], ['']],
    [
      'a binary array',
      byAny,
      [bytes('000000010000000100000017000000030000000100000004000000050000' + '0004fffffffeffffffff')],
      [],
      ['id=5|-2'],
    ],
    ['an empty binary array', byAny, [bytes('000000000000000000000017')], [], []],
    [
      'a binary array cut short',
      byAny,
      [bytes('0000000100000000000000170000000200000001000000040000000' + '5')],
      [],
      [''],
    ],
    ['texts', 'SELECT 1 FROM customers WHERE name = ANY ($1)', ['{"a\\"b","c,d",é,null}'], [], ['name=a"b|c,d|é|null']],
    ['truths', 'SELECT 1 FROM customers WHERE vip = ANY ($1)', ['{t,NULL,1}'], [], ['vip=t']],
    ['NULL in a list', 'SELECT 1 FROM customers WHERE id IN ($1, $2)', [null, '5'], [], ['id=5']],
    ['a duplicate', 'SELECT 1 FROM customers WHERE id IN ($1, $2)', ['05', '5'], [], ['id=5']],
    ['not a number', byId, ['1e1'], [], ['']],
    ['another type', byId, ['1'], [701], ['']],
    ['text', 'SELECT 1 FROM customers WHERE name = $1', ['é'], [textType], ['name=é']],
    ['not UTF-8', 'SELECT 1 FROM customers WHERE name = $1', [bytes('ff')], [textType], ['']],
    [
      'uuid',
      'SELECT 1 FROM customers WHERE ref = $1',
      [bytes('a0eebc999c0b4ef8bb6d6bb9bd380a11')],
      [],
      ['ref=a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ],
    ['more declared than used', byId, ['42', 'x'], [int4, textType], ['id=42']],
  ] as const)('%s', (_, text, values, types, expected) => {
    expect(bound(text, values, types)).toEqual(expected);
  });

  it('a parameter whose type another use decides gives no constraint', () => {
    expect(bound('SELECT 1 FROM customers WHERE score = $1 AND big = $1', ['9007199254740993'])).toEqual(['']);
  });

  it('text beyond ASCII constrains nothing when the session does not speak UTF-8', () => {
    const sql = 'SELECT 1 FROM customers WHERE name = $1 AND id = 1';
    expect(bound(sql, ['é'], [], 'LATIN1')).toEqual(['id=1']);
    expect(bound(sql, ['e'], [], 'LATIN1')).toEqual(['id=1 name=e']);
    const analysis = bench.analyse("SELECT 1 FROM customers WHERE name = 'é'", { clientEncoding: 'LATIN1' });
    expect(analysis.reason).toBe('uncacheable.construct');
  });
});

describe('ranges', () => {
  const sql = 'SELECT 1 FROM customers WHERE big >= $1 AND big < $2';
  const max = 2n ** 63n - 1n;
  it.each([
    ['both ends are included', ['5', '10'], { low: 5n, high: 9n }],
    ['binary', [bytes('fffffffffffffffe'), bytes('0000000000000002')], { low: -2n, high: 1n }],
    ['a bound that is not certain', ['5', '1e1'], { low: 5n, high: max }],
    ['nothing between', ['5', '5'], null],
    ['NULL', ['5', null], null],
    ['below the smallest', ['0', '-9223372036854775808'], null],
    ['beyond the largest', ['9223372036854775808', '9223372036854775807'], { low: -max - 1n, high: max - 1n }],
  ] as const)('%s', (_, values, expected) => {
    const key = { form: 'portal', text: sql, bindTail: bindTail(values) } as const;
    const dependencies = bindDependencies(bench.analyse(sql), key);
    expect(dependencies?.map(({ range }) => range)).toEqual(
      expected === null ? [] : [{ column: 'big', type: 'int8', ...expected }],
    );
  });

  it('no bound that is certain: every row', () => {
    expect(bound(sql, ['x', 'y'])).toEqual(['']);
  });
});

describe('parameters that may be read as a date', () => {
  const byDate = 'SELECT 1 FROM customers WHERE born >= $1';
  it.each([
    ['now', null],
    [' Today', null],
    ['{tomorrow}', null],
    ['2020-01-01', ['']],
    ['infinity', ['']],
  ] as const)('%j: %j', (value, expected) => {
    expect(bound(byDate, [value])).toEqual(expected);
    expect(bound('SELECT 1 FROM customers WHERE born >= $1::date', [value])).toEqual(expected);
    expect(bound('SELECT 1 FROM customers WHERE seen >= $1', [value], [timestamptz])).toEqual(expected);
  });

  it("a text column may say 'now', a text read as a date may not", () => {
    expect(bound('SELECT 1 FROM customers WHERE name = $1', ['now'])).toEqual(['name=now']);
    expect(bound('SELECT 1 FROM customers WHERE name LIKE $1', ['now'])).toEqual(['']);
    expect(bound('SELECT upper($1) FROM customers', ['now'], [textType])).toEqual(['']);
  });

  it('a declared text that is cast to a date may not say now either', () => {
    expect(bound('SELECT 1 FROM customers WHERE born = $1::date', ['now'], [textType])).toBeNull();
  });
});

describe('Bind messages that do not fit', () => {
  const analysis = () => bench.analyse(byId);
  it.each([
    ['empty', ''],
    ['no count', '0000'],
    ['too few values', '00000000'],
    ['cut short', '0000000100000004'],
    ['a negative length', '00000001fffffff0'],
    ['two formats for one value', '00020000000000010000000131'],
    ['an unknown format', '00010002000100000001310000'],
  ])('%s', (_, hex) => {
    expect(bindDependencies(analysis(), { form: 'portal', text: byId, bindTail: bytes(hex) })).toBeNull();
  });

  it('a description depends on no row', () => {
    expect(bindDependencies(analysis(), { form: 'description', text: byId, bindTail: new Uint8Array() })).toEqual([]);
  });
});

describe('one shape, many texts', () => {
  it('the analysis of one text binds the constants of another', () => {
    const analysis = bench.analyse("SELECT 1 FROM customers WHERE id = 5 AND name IN ('a', 'b') AND big = 99999999999");
    expect(analysis.scope).toBe('shape');
    const text = "SELECT 1 FROM customers WHERE id = 0077 AND name IN ('x''y', 'x''y') AND big = 88888888888";
    expect(bindDependencies(analysis, { form: 'simple', text, bindTail: new Uint8Array() })?.[0]?.terms).toEqual([
      { column: 'big', values: ['88888888888'] },
      { column: 'id', values: ['77'] },
      { column: 'name', values: ["x'y"] },
    ]);
  });

  it('finds constants behind letters of several bytes', () => {
    const sql = "SELECT 'ünïcödé 😀' AS \"é\" FROM customers WHERE name = '😀' AND id = 5";
    expect(bench.verdict(sql)).toBe('customers(id=5 name=😀)');
    const other = sql.replace("= '😀'", "= 'é'").replace('= 5', '= 6');
    expect(
      bindDependencies(bench.analyse(sql), { form: 'simple', text: other, bindTail: new Uint8Array() })?.[0]?.terms,
    ).toEqual([
      { column: 'id', values: ['6'] },
      { column: 'name', values: ['é'] },
    ]);
  });
});
