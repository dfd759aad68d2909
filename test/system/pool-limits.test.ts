/** A pool of one connection: who waits for it, for how long, and who may not have it at all (pool.mode = transaction). */
import pg from 'pg';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, reusableLogins, startPgfresh } from '../support/pgfresh.ts';
import { startCluster } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const setup = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')";
const mode = ['--pool-mode', 'transaction', '--pool-size', '1'];
const one = useProxy(setup, {
  args: [...mode, ...reusableLogins, '--pool-wait-timeout', '700ms', '--pool-idle-timeout', '300ms'],
  workers: 1,
});
const patient = useProxy(setup, { args: [...mode, ...reusableLogins, '--pool-wait-timeout', '5s'], workers: 1 });
const relaying = useProxy(setup, { args: mode, workers: 1 });

const codeOf = (thrown: unknown): string => (thrown as { code?: string }).code ?? String(thrown);

it('a statement waits for the block of another client, and is told when that takes too long', async () => {
  const [first, second, third] = [await one.session(), await one.session(), await one.session()];
  await first.query("BEGIN; UPDATE t SET v = 'two' WHERE id = 1");
  const waiting = ask(second, "SELECT 'waited', v FROM t FOR SHARE");
  await first.query('COMMIT');
  expect(await waiting).toEqual([['waited', 'two']]);
  await first.query("BEGIN; UPDATE t SET v = 'three' WHERE id = 1");
  expect(await third.query('SELECT v FROM t FOR SHARE').catch(codeOf)).toBe('53300');
  await first.query('ROLLBACK');
  expect(await ask(second, 'SELECT v FROM t FOR SHARE')).toEqual([['two']]);
});

it('a connection that nobody uses is closed after a while, and hits need none', async () => {
  const client = await one.session();
  const read = () => ask(client, 'SELECT v FROM t WHERE id = 1');
  await one.warm(read);
  const ofClients = async () =>
    rowsOf(
      one.originUrl,
      `SELECT pid FROM pg_stat_activity WHERE datname = '${one.database}' AND backend_type = 'client backend'
        AND application_name NOT LIKE 'pgfresh%' AND application_name <> 'pgfresh logins' AND pid <> pg_backend_pid()
        AND query NOT LIKE '%pg_authid%'`,
    );
  await waitFor('the connection to be closed', async () => (await ofClients()).length === 0);
  await one.warm(read, 'a hit without a connection');
});

it('connections that come back from sessions of their own leave room for logins, and are closed', async () => {
  const owners: pg.Client[] = [];
  for (let left = 5; left > 0; left--) owners.push(await patient.session());
  for (const owner of owners) await owner.query('LISTEN news');
  for (const owner of owners) await owner.query('DISCARD ALL');
  await patient.session();
  const text = `SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${patient.database}' AND query = 'DISCARD ALL'`;
  await waitFor('the pool to be of its size', async () => {
    const [[n]] = (await rowsOf(patient.originUrl, text)) as [[number]];
    return n <= 1;
  });
});

it('a login that cannot be used again is refused, with what to do', async () => {
  const client = new pg.Client({ connectionString: relaying.url });
  client.on('error', () => undefined);
  const refused = await client.connect().catch((error: { code: string; hint: string }) => error);
  expect(refused).toMatchObject({ code: '28000', hint: expect.stringContaining('auth.query') });
});

it('a wrong password and an unknown role are refused by the origin', async () => {
  for (const [user, password] of [
    ['postgres', 'wrong'],
    ['nobody_of_that_name', 'x'],
  ] as const) {
    const client = new pg.Client({ connectionString: one.as(user, password) });
    client.on('error', () => undefined);
    expect(await client.connect().catch(codeOf)).toBe('28P01');
  }
  expect(await ask(await one.session(), 'SELECT 1')).toEqual([[1]]);
});

it('a restarted origin ends only clients that were using it, and serves the others again', async () => {
  const cluster = await startCluster({ version: 18 });
  let pgfresh: Pgfresh | undefined;
  const clients: pg.Client[] = [];
  try {
    pgfresh = await startPgfresh({
      upstream: cluster.url,
      args: [...mode, '--pool-size', '3', ...reusableLogins],
      workers: 1,
    });
    for (let i = 0; i < 3; i++) {
      const client = new pg.Client({ connectionString: pgfresh.url });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
    }
    const [busy, ...idle] = clients as [pg.Client, ...pg.Client[]];
    await Promise.all(idle.map((client) => client.query('SELECT count(*) FROM pg_class')));
    const ended = new Promise<void>((resolve) => void busy.once('end', resolve));
    await busy.query('BEGIN; LOCK pg_class IN ACCESS SHARE MODE');
    await cluster.halt();
    await ended;
    await cluster.start();
    for (const client of idle) {
      await waitFor('an answer of the origin', () =>
        ask(client, "SELECT 'again' FROM pg_class LIMIT 1").then(
          ([row]) => row?.[0] === 'again',
          (error: { code?: string }) => {
            if (error.code !== '57P03') throw error;
            return false;
          },
        ),
      );
    }
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    await pgfresh?.stop();
    await cluster.stop();
  }
}, 60_000);
