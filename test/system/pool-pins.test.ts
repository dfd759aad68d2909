/** Pooled sessions with state that no other connection has: they keep theirs, and nobody sees it (pool.mode = transaction, ADR-020). */
import net from 'node:net';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { connectRaw, serialize } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const args = ['--pool-mode', 'transaction', '--pool-size', '2'];
const proxy = useProxy(
  `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one'), (2, 'two');
   CREATE SEQUENCE s; CREATE TABLE serial_t (id serial PRIMARY KEY, v int);
   CREATE FUNCTION hides() RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_lock(77); RETURN 1; END$$;
   CREATE ROLE pool_other; GRANT SELECT ON t TO pool_other`,
  {
    args: [...args, ...reusableLogins],
    workers: 1,
    origin: 'pg18roles',
  },
);

const pool = async () => (await proxy.pgfresh.status()).pool;
const pins = async (reason: string): Promise<number> => (await pool()).pins[reason] ?? 0;

/** Keeps the pool's connections going round among other clients. */
async function stir(clients: readonly pg.Client[]): Promise<void> {
  for (let i = 0; i < 3; i++) await Promise.all(clients.map((client) => client.query('SELECT count(*) FROM pg_class')));
}
const crowd = () => Promise.all(Array.from({ length: 4 }, () => proxy.session()));

interface Pinned {
  readonly what: string;
  readonly reason: string;
  readonly first: string;
  readonly after: string;
  readonly shows: unknown[][];
}

const pinning: readonly Pinned[] = [
  { what: 'PREPARE', reason: 'pool.prepare', first: 'PREPARE p AS SELECT 5', after: 'EXECUTE p', shows: [[5]] },
  {
    what: 'a temporary table',
    reason: 'pool.temporary',
    first: 'CREATE TEMP TABLE mine (n int)',
    after: 'SELECT count(*)::int FROM mine',
    shows: [[0]],
  },
  {
    what: 'an advisory lock',
    reason: 'pool.advisoryLock',
    first: 'SELECT pg_advisory_lock(42)',
    after: 'SELECT pg_advisory_unlock(42)',
    shows: [[true]],
  },
  {
    what: 'SET ROLE',
    reason: 'pool.role',
    first: 'SET ROLE pool_other',
    after: 'SELECT current_user',
    shows: [['pool_other']],
  },
  {
    what: 'nextval',
    reason: 'pool.sequence',
    first: "SELECT nextval('s')",
    after: "SELECT currval('s') > 0",
    shows: [[true]],
  },
  {
    what: 'a function of the user',
    reason: 'pool.unknown',
    first: 'SELECT hides()',
    after: 'SELECT pg_advisory_unlock(77)',
    shows: [[true]],
  },
  {
    what: 'LISTEN',
    reason: 'pool.listen',
    first: 'LISTEN here',
    after: 'SELECT * FROM pg_listening_channels()',
    shows: [['here']],
  },
  {
    what: 'a cursor WITH HOLD',
    reason: 'pool.cursor',
    first: 'DECLARE c CURSOR WITH HOLD FOR SELECT 9',
    after: 'FETCH c',
    shows: [[9]],
  },
];

it('plain statements, settings and blocks pin nothing', async () => {
  const client = await proxy.session();
  // What could not be judged yet (the catalog is being read) is judged later, and the connection given back.
  const lasting = async () => Object.keys((await pool()).pins).filter((reason) => reason !== 'pool.unproven');
  const before = await lasting();
  await client.query("SET statement_timeout = '50s'");
  await client.query('SELECT v FROM t WHERE id = 1');
  await client.query({ name: 'by id', text: 'SELECT v FROM t WHERE id = $1', values: [2] });
  await client.query('INSERT INTO serial_t (v) VALUES (1) RETURNING id');
  await client.query("BEGIN; SET LOCAL app.tenant = '7'");
  expect(await ask(client, "SELECT current_setting('app.tenant')")).toEqual([['7']]);
  await client.query('UPDATE t SET v = v WHERE id = 1');
  await client.query('SAVEPOINT a; ROLLBACK TO a');
  await client.query('DECLARE c CURSOR FOR SELECT id FROM t');
  await client.query('FETCH ALL FROM c');
  await client.query('COMMIT');
  await client.query("SELECT set_config('app.tenant', '8', false)");
  await client.query('SELECT v FROM t WHERE id = 2 FOR UPDATE');
  await client.query('RESET ALL');
  expect(await lasting()).toEqual(before);
  await waitFor('the connection to be given back', async () => (await pool()).connections.pinned === 0);
  await client.end();
});

describe('a session keeps its connection after', () => {
  it.each(pinning)('$what', async ({ reason, first, after, shows }) => {
    const [client, others] = [await proxy.session(), await crowd()];
    await stir([client, ...others]);
    const before = await pins(reason);
    await client.query(first);
    await stir([client, ...others]);
    expect(await ask(client, after)).toEqual(shows);
    expect(await pins(reason)).toBe(before + 1);
    for (const other of others) {
      if (/unlock/.test(after)) expect(await ask(other, after)).toEqual([[false]]);
      else if (/current_user/.test(after)) expect(await ask(other, after)).toEqual([['postgres']]);
      else if (!/listening/.test(after)) await expect(other.query(after)).rejects.toBeInstanceOf(Error);
      else expect(await ask(other, after)).toEqual([]);
    }
    await Promise.all([client, ...others].map((each) => each.end()));
    await waitFor('pinned connections to be closed', async () => (await pool()).connections.pinned === 0);
  });
});

describe('a session gives it up', () => {
  it('after DISCARD ALL, with nothing left of it', async () => {
    const client = await proxy.session();
    await client.query('LISTEN nowhere');
    await client.query("SET application_name = 'mine'");
    expect((await pool()).connections.pinned).toBe(1);
    await client.query('DISCARD ALL');
    await waitFor('the connection to be given back', async () => (await pool()).connections.pinned === 0);
    expect(await ask(client, 'SHOW application_name')).toEqual([['']]);
    await client.end();
  });
});

it('settings of one client are none of another', async () => {
  const [a, b] = [await proxy.session(), await proxy.session()];
  await a.query("SET app.secret = 'of a'; SET search_path = pg_catalog");
  for (let i = 0; i < 4; i++) {
    expect(await ask(b, "SELECT current_setting('app.secret', true), current_setting('search_path')")).toEqual([
      [null, '"$user", public'],
    ]);
    expect(await ask(a, "SELECT current_setting('app.secret', true), current_setting('search_path')")).toEqual([
      ['of a', 'pg_catalog'],
    ]);
  }
  await Promise.all([a.end(), b.end()]);
});

it('one name for different statements of different clients, and errors in their own words', async () => {
  const clients = await crowd();
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(
      clients.map((client, i) =>
        client.query({ name: 'same', text: `SELECT ${i} AS n, $1::text AS given`, values: ['x'] }),
      ),
    );
    expect(answers.map(({ rows }) => rows[0].n)).toEqual([0, 1, 2, 3]);
  }
  const raw = await connectRaw(proxy.url);
  raw.send(serialize.parse({ name: 'mine', text: 'SELECT $1::int' }), serialize.sync());
  await raw.until('Z');
  raw.send(serialize.bind({ statement: 'mine', values: [] }), serialize.sync());
  const [error] = await raw.until('Z');
  expect(error?.body.toString()).toContain('prepared statement "mine" requires 1');
  raw.send(serialize.parse({ name: 'mine', text: 'SELECT 1' }), serialize.sync());
  const [twice] = await raw.until('Z');
  expect(twice?.body.toString()).toContain('prepared statement "mine" already exists');
  raw.close();
  await Promise.all(clients.map((client) => client.end()));
});

it('a cancel reaches the statement of its client, and no other', async () => {
  const clients = await crowd();
  const internals = clients[0] as unknown as { readonly processID: number; readonly secretKey: number };
  const sleeping = clients[0]!.query('SELECT pg_sleep(30)').catch((error: { code: string }) => error.code);
  const others = clients.slice(1).map((client) => client.query("SELECT 'done' FROM pg_sleep(1)"));
  await waitFor('the statement to run', async () => {
    const [[n]] = (await rowsOf(
      proxy.originUrl,
      "SELECT count(*)::int FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND state = 'active'",
    )) as [[number]];
    return n === 1;
  });
  const { port } = new URL(proxy.url);
  const socket = net.connect(Number(port), '127.0.0.1');
  const packet = Buffer.alloc(16);
  packet.writeInt32BE(16, 0);
  packet.writeInt32BE(80877102, 4);
  packet.writeInt32BE(internals.processID, 8);
  packet.writeInt32BE(internals.secretKey, 12);
  socket.end(packet);
  expect(await sleeping).toBe('57014');
  const rows = (await Promise.all(others)).map((answer) => answer.rows[0]);
  expect(rows).toEqual([{ '?column?': 'done' }, { '?column?': 'done' }, { '?column?': 'done' }]);
  await Promise.all(clients.map((client) => client.end()));
});

it('an idle connection that the origin ends is nobody’s trouble; one in use ends its client', async () => {
  const [idle, busy] = [await proxy.session(), await proxy.session()];
  await stir([idle, busy]);
  await busy.query('BEGIN; UPDATE t SET v = v WHERE id = 1');
  const ended = new Promise<string>((resolve) =>
    busy.on('error', (error) => resolve('code' in error ? String(error.code) : '')),
  );
  await rowsOf(
    proxy.originUrl,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${proxy.database}' AND backend_type = 'client backend' AND application_name NOT LIKE 'pgfresh%' AND pid <> pg_backend_pid()`,
  );
  expect(await ended).toBe('57P01');
  // Until the origin's farewell has come, nobody can know that the idle connection is gone.
  await waitFor('the idle connection to be gone', async () => (await pool()).connections.idle === 0);
  for (let i = 0; i < 4; i++) expect(await ask(idle, 'SELECT v FROM t WHERE id = 2')).toEqual([['two']]);
  await idle.end();
});
