// Lessons 1 and 11: a policy that is changed past pgfresh, and answers that the origin gives under it before pgfresh can know of it.
import { afterEach, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(
  `CREATE ROLE tenant LOGIN PASSWORD 'tenant';
   CREATE TABLE notes (id int PRIMARY KEY, tenant text); INSERT INTO notes SELECT i, 't' || i % 2 FROM generate_series(1, 6) i;
   ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY shown ON notes USING (true); GRANT SELECT ON notes TO tenant;`,
  { ownServer: 18, args: ['--cache-max-staleness', '20s'] },
);
const above = (id: number): string => `SELECT id FROM notes WHERE id > ${id} ORDER BY id`;
const read = above(0);
let resume: () => void = () => undefined;
afterEach(() => resume());

/** From now on nothing that pgfresh itself asks the origin is answered. */
async function hangControl(): Promise<void> {
  const rows = await rowsOf(
    proxy.originUrl,
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgfresh %' AND backend_type = 'client backend'",
  );
  expect(rows.length).toBeGreaterThan(0);
  for (const [pid] of rows) process.kill(Number(pid), 'SIGSTOP');
  resume = () => {
    for (const [pid] of rows) process.kill(Number(pid), 'SIGCONT');
    resume = () => undefined;
  };
}

it('shows no tenant what the policy gives another', async () => {
  const url = proxy.as('tenant', 'tenant');
  const [first, second] = [await proxy.session(url), await proxy.session(url)];
  await first.query("SET app.tenant = 't0'");
  await second.query("SET app.tenant = 't1'");
  // The statement's shape is known, its answer is not.
  for (const session of [first, second]) await proxy.warm(() => ask(session, above(100)));
  const admitted = async () => (await proxy.pgfresh.status()).cache.admitted;
  await waitFor('the status to rest', async () => {
    const before = await admitted();
    await new Promise((resolve) => setTimeout(resolve, 300));
    return (await admitted()) === before;
  });
  const before = await admitted();
  await hangControl();
  await rowsOf(proxy.originUrl, "ALTER POLICY shown ON notes USING (tenant = current_setting('app.tenant', true))");
  expect(await ask(first, read)).toEqual([[2], [4], [6]]);
  await waitFor('the answer to be admitted', async () => (await admitted()) > before);
  expect(await ask(second, read)).toEqual([[1], [3], [5]]);
  resume();
  for (const [session, rows] of [
    [first, [[2], [4], [6]]],
    [second, [[1], [3], [5]]],
  ] as const) {
    await proxy.warm(async () => expect(await ask(session, read)).toEqual(rows));
  }
}, 60_000);
