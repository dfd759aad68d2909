// Lesson 26, found again with PostgreSQL's own regression tests (merge): a table that is published and loses its replica identity refuses every
// UPDATE and DELETE. Whoever alters it through pgfresh is told so once it is out of the publication: nobody's write fails after that, and what was
// cached of it is gone.
import { beforeEach, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { publishedTablesOf, rowsOf } from '../support/origin-state.ts';
import { run } from '../support/postgres.ts';

const proxy = useProxy('CREATE DOMAIN number AS int');
const write = 'UPDATE losing SET v = v + 1 WHERE id = 1; DELETE FROM losing WHERE id = 2';

beforeEach(async () => {
  await run(
    proxy.originUrl,
    `DROP TABLE IF EXISTS losing; DROP DOMAIN IF EXISTS key_part;
     CREATE DOMAIN key_part AS int;
     CREATE TABLE losing (id int PRIMARY KEY, other int NOT NULL, part key_part NOT NULL, v int);
     CREATE UNIQUE INDEX by_other ON losing (other);
     CREATE UNIQUE INDEX by_part ON losing (part);
     INSERT INTO losing SELECT i, i, i, i FROM generate_series(1, 9) AS i`,
  );
});

const others = (prepare: string) => async () => run(proxy.originUrl, prepare);
const losses: readonly (readonly [string, () => Promise<void>, readonly string[]])[] = [
  ['its primary key', async () => undefined, ['ALTER TABLE losing DROP CONSTRAINT losing_pkey']],
  ['the column of it', async () => undefined, ['ALTER TABLE losing DROP COLUMN id CASCADE']],
  ['its replica identity', async () => undefined, ['ALTER TABLE losing REPLICA IDENTITY NOTHING']],
  [
    'the index that is its replica identity',
    others('ALTER TABLE losing REPLICA IDENTITY USING INDEX by_other'),
    ['DROP INDEX by_other'],
  ],
  [
    'a column of that index with its type',
    others('ALTER TABLE losing REPLICA IDENTITY USING INDEX by_part'),
    ['DROP DOMAIN key_part CASCADE'],
  ],
  [
    'its primary key in a block',
    async () => undefined,
    ['BEGIN', 'ALTER TABLE losing DROP CONSTRAINT losing_pkey', 'COMMIT'],
  ],
];

it.each(losses)('%s', async (_what, prepare, statements) => {
  await prepare();
  const session = await proxy.session();
  const read = () => ask(session, 'SELECT v FROM losing WHERE v = 9');
  await proxy.warm(read);
  expect(await publishedTablesOf(proxy.originUrl)).toEqual(['public.losing']);
  for (const statement of statements) await session.query(statement);
  // At once, past pgfresh and through it.
  const key =
    (await rowsOf(proxy.originUrl, `SELECT 1 FROM pg_attribute WHERE attrelid = 'losing'::regclass AND attname = 'id'`))
      .length > 0;
  await run(proxy.originUrl, key ? write : 'UPDATE losing SET v = v + 1 WHERE v = 1');
  await session.query('UPDATE losing SET v = 10 WHERE v = 9');
  expect(await publishedTablesOf(proxy.originUrl)).toEqual([]);
  expect(await read()).toEqual([]);
});

it('each time, whatever pgfresh is about to do just then', async () => {
  const session = await proxy.session();
  for (let i = 0; i < 15; i++) {
    await session.query('ALTER TABLE losing REPLICA IDENTITY DEFAULT');
    await proxy.warm(() => ask(session, 'SELECT v FROM losing WHERE v = 9'));
    await Promise.all([
      run(proxy.originUrl, `CREATE TABLE another_${i} (id int); DROP TABLE another_${i}`),
      session.query('ALTER TABLE losing REPLICA IDENTITY NOTHING'),
    ]);
    await run(proxy.originUrl, 'UPDATE losing SET v = v WHERE id = 1');
  }
});
