import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Bench } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { objectReads, objectsSchema, objectWrites } from './analyse-corpus-objects.ts';

describe.each(['pg15', 'pg18'] as const)('objects of the catalog of %s', (version) => {
  let bench: Bench;
  let database: Awaited<ReturnType<typeof createDatabase>>;

  beforeAll(async () => {
    database = await createDatabase(inject(version), objectsSchema);
    bench = await Bench.open(database.url);
  });
  afterAll(() => database.drop());

  it.each([...objectReads, ...objectWrites].map(([sql, verdict, effects]) => [sql, verdict, effects ?? 'read']))(
    '%s',
    (sql, verdict, effects) => {
      expect(`${bench.verdict(sql!)} · ${bench.effects(sql!)}`).toBe(`${verdict} · ${effects}`);
    },
  );

  const oidOf = (name: string): number => bench.catalog.relationNames.get('public')!.get(name)!.oid;

  it.each([
    ['SELECT * FROM part', ['part_1a', 'part_2']],
    ['SELECT * FROM part_1', ['part_1a']],
    ['SELECT * FROM ONLY part', []],
    ['SELECT * FROM animal', ['animal', 'dog', 'puppy']],
    ['SELECT * FROM ONLY animal', ['animal']],
    ['SELECT * FROM dog, item', ['dog', 'puppy', 'item']],
    ['SELECT * FROM sums', []],
    ['SELECT * FROM nested, chained', ['item', 'chained', 'shared', 'member']],
  ])('%s: the stream must have %s', (sql, tables) => {
    expect([...bench.analyse(sql).streamed].sort()).toEqual(tables.map(oidOf).sort());
  });
});
