/**
 * The claim behind every constraint: a row that does not satisfy it cannot be seen in the answer. Random statements over
 * random joins are analysed; rows are changed one at a time; whenever neither the old nor the new row matches a
 * dependency, PostgreSQL must give the answer that it gave before.
 */
import { inspect } from 'node:util';
import type pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { bindDependencies } from '../../src/cache/analyse/bind.ts';
import { maySatisfy, type RowView, viewsOf } from '../../src/cache/row-view.ts';
import { Bench, bindTail, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { Author, authorColumns, authorSchemaSql } from './author.ts';
import { announceSeed, seededRandom } from './random.ts';

/** Texts as the change stream has them. */
type Row = Readonly<Record<(typeof authorColumns)[number], string | null>>;

let bench: Bench;
let client: pg.Client;
let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  database = await createDatabase(inject('pg18'), authorSchemaSql);
  bench = await Bench.open(database.url);
  client = await connect(database.url);
  await client.query(`SET search_path = public; SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'`);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

async function answer(text: string, values: readonly string[]): Promise<string> {
  const { rows } = await client.query<unknown[]>({ text, values: [...values], rowMode: 'array' });
  return rows
    .map((row) => JSON.stringify(row))
    .sort()
    .join('\n');
}

/** In the settings of the stream, where the questions are asked in others. */
async function rowOf(table: string, id: number): Promise<Row | undefined> {
  const texts = authorColumns.map((name) => `${name}::text AS ${name}`).join(', ');
  const results = (await client.query(`
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET extra_float_digits = 1;
    SELECT ${texts} FROM ${table} WHERE id = ${id};
    SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'`)) as unknown as readonly { rows: Row[] }[];
  const row = results[3]!.rows[0];
  return row === undefined ? undefined : { ...row, f: row.f === null ? null : row.f.slice(0, 1) };
}

/** The change as the stream would tell it under REPLICA IDENTITY FULL. */
function viewsOfChange(relation: number, before: Row | undefined, after: Row | undefined): readonly RowView[] {
  const described = authorColumns.map((name) => ({ name, typeOid: 0, isKey: true }));
  const table = { oid: relation, schema: 'public', name: 't', replicaIdentity: 'f', columns: described };
  const rowOf = (row: Row | undefined) => (row === undefined ? null : authorColumns.map((name) => row[name]));
  const [oldRow, newRow] = [rowOf(before), rowOf(after)];
  if (oldRow === null && newRow === null) return [];
  const kind = oldRow === null ? 'insert' : newRow === null ? 'delete' : 'update';
  return viewsOf({ relation: table, kind, oldRow, newRow });
}

it('a row that matches no dependency does not show in the answer', async () => {
  const random = seededRandom(announceSeed('constraints'));
  const author = new Author(random);
  const seen = { statements: 0, asked: 0, constrained: 0, unmatched: 0, changed: 0 };
  while (seen.statements < 300) {
    const { sql, values } = author.statement();
    const analysis = bench.analyse(sql);
    expect(`${analysis.reason} ${analysis.detail} in ${sql}`).toBe(`null  in ${sql}`);
    const dependencies = bindDependencies(analysis, { form: 'portal', text: sql, bindTail: bindTail(values) })!;
    seen.statements++;
    if (dependencies.some(({ terms, range }) => terms.length > 0 || range !== undefined)) seen.constrained++;
    await client.query('BEGIN');
    // What the server refuses (a text that is no date) has no answer.
    const before = await answer(sql, values).catch(() => null);
    if (before === null) {
      await client.query('ROLLBACK');
      continue;
    }
    seen.asked++;
    for (let i = 0; i < 10; i++) {
      const change = author.change();
      const relation = bench.catalog.relationNames.get('public')!.get(change.table)!.oid;
      const oldRow = await rowOf(change.table, change.id);
      await client.query(`SAVEPOINT s; ${change.sql}`);
      const views = viewsOfChange(relation, oldRow, await rowOf(change.table, change.id));
      const matched = dependencies.some(
        (dependency) => dependency.relation === relation && views.some((view) => maySatisfy(view, dependency)),
      );
      const after = await answer(sql, values);
      if (!matched) {
        seen.unmatched++;
        expect(after, `${sql}\n${values.join(' ')}\n${change.sql}\n${inspect(dependencies, { depth: null })}`).toBe(
          before,
        );
      } else if (after !== before) seen.changed++;
      await client.query('ROLLBACK TO s');
    }
    await client.query('ROLLBACK');
  }
  // The test means something only if many changes are outside, and many of the others show.
  expect(seen.constrained).toBeGreaterThan(100);
  expect(seen.unmatched).toBeGreaterThan(200);
  expect(seen.changed).toBeGreaterThan(100);
});
