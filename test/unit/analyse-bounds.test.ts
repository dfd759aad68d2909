/** Statements made to hurt the parser or the analysis: refused in bounded time, and the next statement is analysed as ever. */
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Parser, type ParserModule } from '../../src/cache/analyse/parser.ts';
import { Limits } from '../../src/shared/limits.ts';
import { Bench, catalogOf } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let bench: Bench;
let parser: Parser;
beforeAll(async () => {
  const tables = Array.from({ length: 20 }, (_, i) => `CREATE TABLE t${i} (id int PRIMARY KEY, a int);`).join('');
  database = await createDatabase(inject('pg18'), tables);
  parser = await Parser.load();
  bench = new Bench(await catalogOf(database.url), parser);
});
afterAll(() => database.drop());

const repeat = (text: string, count: number) => text.repeat(count);

describe('statements that are too much', () => {
  it.each([
    ['longer than the limit', `SELECT '${repeat('x', Limits.statementBytesMax)}'`, 'statement.tooLong'],
    ['brackets', `SELECT ${repeat('(', 10_000)}1${repeat(')', 10_000)}`, 'statement.tooLong'],
    ['sub-selects', `SELECT ${repeat('(SELECT ', 3_000)}1${repeat(')', 3_000)}`, 'statement.tooLong'],
    ['calls', `SELECT ${repeat('abs(', 9_000)}1${repeat(')', 9_000)}`, 'statement.tooLong'],
    ['subscripts', `SELECT ${repeat('a[', 9_000)}1${repeat(']', 9_000)}`, 'statement.tooLong'],
    ['a chain of operators', `SELECT 1${repeat('+1', 20_000)}`, 'statement.tooLong'],
    ['a chain of NOT', `SELECT ${repeat('NOT ', 10_000)}true`, 'statement.tooLong'],
    ['a chain of casts', `SELECT 1${repeat('::int', 10_000)}`, 'statement.tooLong'],
    ['a chain of UNION', `SELECT 1${repeat(' UNION SELECT 1', 4_000)}`, 'statement.tooLong'],
    ['nesting that the parser bears', `SELECT a${repeat('+a', 2_500)} FROM t1`, 'uncacheable.construct'],
    [
      'UNIONs that the parser bears',
      `SELECT a FROM t1${repeat(' UNION SELECT a FROM t1', 900)}`,
      'uncacheable.tooManyRelations',
    ],
    [
      '1 MB',
      `SELECT a FROM t1 WHERE a IN (${Array.from({ length: 150_000 }, (_, i) => 1e6 + i)})`,
      'statement.tooLong',
    ],
    [
      '500 joins',
      `SELECT 1 FROM t0 ${Array.from({ length: 500 }, (_, i) => `JOIN t${i % 20} x${i} ON x${i}.id = t0.id`).join(' ')}`,
      'uncacheable.tooManyRelations',
    ],
    [
      '17 tables',
      `SELECT 1 FROM ${Array.from({ length: 17 }, (_, i) => `t${i}`).join(', ')}`,
      'uncacheable.tooManyRelations',
    ],
    [
      '65 mentions of a table',
      `SELECT 1 FROM ${Array.from({ length: 65 }, (_, i) => `t1 x${i}`).join(', ')}`,
      'uncacheable.tooManyRelations',
    ],
    ['an open string', "SELECT 'x", 'statement.unparseable'],
    ['a NUL', 'SELECT 1 FROM t1 WHERE a = \0', 'statement.unparseable'],
  ])('%s', (_, sql, reason) => {
    expect(bench.analyse(sql).reason).toBe(reason);
    expect(bench.verdict('SELECT a FROM t1 WHERE id = 1')).toBe('t1(id=1)');
  });
});

describe('statements that are large and fine', () => {
  const list = (count: number) => Array.from({ length: count }, (_, i) => i).join(',');

  it('10,000 values in a list: cached, without a constraint', () => {
    expect(bench.verdict(`SELECT a FROM t1 WHERE id IN (${list(10_000)})`)).toBe('t1');
  });

  it('256 values in a list: cached, each an invalidation of its own', () => {
    expect(bench.analyse(`SELECT a FROM t1 WHERE id IN (${list(256)})`).dependencies[0]!.terms[0]!.values).toHaveLength(
      256,
    );
  });

  it('a row of 1,000 conditions', () => {
    const where = Array.from({ length: 1_000 }, (_, i) => `a <> ${i}`).join(' AND ');
    expect(bench.verdict(`SELECT a FROM t1 WHERE ${where} AND id = 5`)).toBe('t1(id=5)');
  });

  it('words in a string are no nesting', () => {
    const sql = `INSERT INTO t1 SELECT 1 WHERE '${repeat('a (b + ', 8_000)}' = ''`;
    const { oid } = bench.catalog.relationNames.get('public')!.get('t1')!;
    expect(bench.analyse(sql).writes).toEqual([{ relation: oid, points: null }]);
  });
});

describe('a parser that breaks', () => {
  const broken: ParserModule = {
    loadModule: async () => undefined,
    parseSync() {
      throw new RangeError('memory access out of bounds');
    },
  };
  const sound: ParserModule = { loadModule: async () => undefined, parseSync: () => ({ stmts: [] }) };

  it('fails that statement, is replaced, and goes on', async () => {
    const instances = [broken, sound];
    const fragile = await Parser.load(async () => instances.shift()!);
    expect(fragile.parse('SELECT 1')).toMatchObject({ kind: 'failed', reason: 'statement.unparseable' });
    expect(fragile.parse('SELECT 1')).toMatchObject({ kind: 'failed', detail: 'the parser is being renewed' });
    await fragile.ready;
    expect(fragile.parse('SELECT 1')).toEqual({ kind: 'parsed', statements: [] });
    expect(fragile.broken).toBe(false);
  });

  it('costs the analysis that one statement: the next is analysed by the module that took its place', async () => {
    const libpg = createRequire(import.meta.url)('libpg-query') as ParserModule;
    await libpg.loadModule();
    const instances = [broken, libpg];
    const fragile = await Parser.load(async () => instances.shift()!);
    const analyser = new Bench(bench.catalog, fragile);
    const sql = 'SELECT a FROM t1 WHERE id = 1';
    expect(analyser.verdict(sql)).toBe('statement.unparseable');
    expect(analyser.effects(sql)).toBe('any!');
    await fragile.ready;
    expect(analyser.verdict(sql)).toBe('t1(id=1)');
  });

  it('again and again is given up in the end', async () => {
    let loads = 0;
    const hopeless = await Parser.load(async () => {
      loads++;
      return broken;
    });
    for (let i = 0; i < 40; i++) {
      expect(hopeless.parse('SELECT 1').kind).toBe('failed');
      await hopeless.ready;
    }
    expect(hopeless.broken).toBe(true);
    expect(loads).toBe(17);
  });
});
