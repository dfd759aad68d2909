// To describe a view, PostgreSQL locks the tables that it reads until the statement ends: a catalog that waits for one table holds locks on others.
// A migration that wants these next must not be the one that a deadlock ends.
import pg from 'pg';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(
  `CREATE TABLE first (id int PRIMARY KEY, v int); INSERT INTO first VALUES (1, 1);
   CREATE TABLE second (id int PRIMARY KEY, v int); INSERT INTO second VALUES (1, 1);
   CREATE VIEW of_first AS SELECT * FROM first; CREATE VIEW of_second AS SELECT * FROM second`,
);

it('a transaction that alters one table after the other commits, and reads hit again', async () => {
  const session = await proxy.session();
  const read = () => ask(session, 'SELECT v FROM first WHERE id = 1');
  await proxy.warm(read);
  const migration = new pg.Client({ connectionString: proxy.originUrl });
  await migration.connect();
  await migration.query('BEGIN; ALTER TABLE second ADD COLUMN w int');
  await run(proxy.originUrl, 'CREATE TABLE third (id int)');
  const waits = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgfresh work' AND wait_event_type = 'Lock'`;
  await waitFor(
    'our catalog to wait for the second table',
    async () => (await rowsOf(proxy.originUrl, waits)).length > 0,
  );
  // Beyond deadlock_timeout: whoever waits longer has looked for a deadlock in vain, and will not look again.
  await migration.query('SELECT pg_sleep(1.5)');
  await migration.query('ALTER TABLE first ADD COLUMN w int');
  await migration.query('COMMIT');
  await migration.end();
  await proxy.warm(read);
  expect(await ask(session, 'SELECT v, w FROM first')).toEqual([[1, null]]);
});
