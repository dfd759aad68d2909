import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Bench } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { cacheable, schema, statements, uncacheable } from './analyse-corpus.ts';

describe.each(['pg15', 'pg18'] as const)('on the catalog of %s', (version) => {
  let bench: Bench;
  let database: Awaited<ReturnType<typeof createDatabase>>;

  beforeAll(async () => {
    database = await createDatabase(inject(version), schema);
    bench = await Bench.open(database.url);
  });
  afterAll(() => database.drop());

  it.each(
    [...cacheable, ...uncacheable, ...statements].map(([sql, verdict, effects]) => [sql, verdict, effects ?? 'read']),
  )('%s', (sql, verdict, effects) => {
    expect(`${bench.verdict(sql!)} · ${bench.effects(sql!)}`).toBe(`${verdict} · ${effects}`);
  });
});
