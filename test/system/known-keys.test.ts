// An answer that shows the key knows which rows it holds (C22): a change of another row leaves it alone though the stream does not tell what
// that row was. Where no keys are shown the change must be taken for one of the answer's rows, and is counted.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { spawnCli } from '../support/pgfresh.ts';

const schema = `CREATE TABLE notes (id int PRIMARY KEY, grp int, body text);
  INSERT INTO notes SELECT n, n % 3, 'note ' || n FROM generate_series(1, 9) n;`;
// Entries are counted one by one: roles that other tests create on their server would empty the cache.
const proxy = useProxy(schema, { ownServer: 18 });
interface Tables {
  readonly imprecise: readonly { readonly table: string; readonly changes: number; readonly entries: number }[];
}
const imprecise = async () => ((await proxy.pgfresh.status()) as unknown as { tables: Tables }).tables.imprecise;

const lists = [
  'SELECT id, body FROM notes WHERE grp = 1 ORDER BY id',
  'SELECT * FROM notes WHERE grp BETWEEN 1 AND 1 ORDER BY id',
  "SELECT n.body, n.id FROM notes n WHERE body LIKE 'note 4%'",
  'SELECT id FROM notes WHERE grp = 7',
];
const groups = ['SELECT count(*) FROM notes WHERE grp = 1', 'SELECT body FROM notes WHERE grp = 1 ORDER BY id'];

/**
 * Writes past pgfresh, and says how many answers left because of it, besides one that shows all of the row: whatever a row change makes
 * wrong leaves at once.
 */
async function invalidatedBy(sql: string, mark: number): Promise<number> {
  const [through, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  await proxy.warm(() => ask(through, `SELECT * FROM notes WHERE id = ${mark}`));
  const { invalidated } = (await proxy.pgfresh.status()).cache;
  await direct.query(sql);
  const after = await proxy.pgfresh.waitForStatus('the change', ({ cache }) => cache.invalidated > invalidated);
  return after.cache.invalidated - invalidated - 1;
}

it('other rows may change without an answer that knows its keys', async () => {
  const session = await proxy.session();
  for (const sql of lists) await proxy.warm(() => ask(session, sql), sql);
  expect(await invalidatedBy("UPDATE notes SET body = 'other' WHERE id = 2", 2)).toBe(0);
  expect(await invalidatedBy('DELETE FROM notes WHERE id = 5', 5)).toBe(0);
  expect(await imprecise()).toEqual([]);
});

it.each([
  ["UPDATE notes SET body = 'left' WHERE id = 4", 3],
  ['UPDATE notes SET grp = 7 WHERE id = 6', 1],
  ['UPDATE notes SET grp = 2 WHERE id = 1', 2],
  ['DELETE FROM notes WHERE id = 6', 1],
  ["INSERT INTO notes VALUES (40, 1, 'note 40')", 3],
  ['UPDATE notes SET id = 41 WHERE id = 40', 3],
])('its own rows may not, and none may join it: %s', async (sql, changed) => {
  const [session, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  for (const each of lists) await proxy.warm(() => ask(session, each), each);
  expect(await invalidatedBy(sql, Number(/WHERE id = (\d+)/.exec(sql)?.[1] ?? 40))).toBe(changed);
  for (const each of lists) expect(await ask(session, each)).toEqual(await ask(direct, each));
});

it('where no keys are shown, changes are counted, and doctor says what would help', async () => {
  const session = await proxy.session();
  for (const sql of groups) await proxy.warm(() => ask(session, sql), sql);
  expect(await invalidatedBy("UPDATE notes SET body = 'again' WHERE id = 3", 3)).toBe(2);
  expect(await imprecise()).toEqual([
    {
      table: 'public.notes',
      changes: 1,
      entries: 2,
      remedy: 'ALTER TABLE public.notes REPLICA IDENTITY FULL',
    },
  ]);
  const admin = new URL(proxy.pgfresh.adminUrl).host;
  const doctor = spawnCli(['doctor', '--upstream', proxy.originUrl, '--admin', admin]);
  expect((await doctor.exited).code).toBe(0);
  expect(doctor.lines.join('\n')).toMatch(
    /note public\.notes: 1 changes without a whole old row invalidated 2 answers .* REPLICA IDENTITY FULL/,
  );
});
