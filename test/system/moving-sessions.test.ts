// A session that goes from worker to worker between its statements: client and origin notice nothing, and no descriptor is left behind.
import { readdirSync, readlinkSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { connectRaw, serialize, sqlState } from '../support/raw-client.ts';
import { pgScript, postgresJsScript, shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
const clients: pg.Client[] = [];

beforeAll(async () => {
  database = await createDatabase(inject('pg18'), shopSql);
  const args = ['--concurrency-model', 'work-stealing'];
  pgfresh = await startPgfresh({ upstream: database.url, args, env: { PGFRESH_FAULTS: 'admin' } });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  await pgfresh.stop();
  await database.drop();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: pgfresh.url });
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

const moved = async () =>
  ((await pgfresh.status()) as unknown as { readonly concurrency: { readonly moved: number } }).concurrency.moved;
const sockets = () =>
  readdirSync(`/proc/${pgfresh.pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pgfresh.pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed while we looked
    }
  }).length;

/** Runs `work` while every worker is asked for its sessions, again and again. Returns what it gave. */
async function underMoves<R>(work: () => Promise<R>): Promise<R> {
  let done = false;
  const asking = (async () => {
    while (!done) await pgfresh.fault('worker-release');
  })();
  try {
    return await work();
  } finally {
    done = true;
    await asking;
  }
}

it('drivers get what they get directly, while their sessions move', async () => {
  const direct = [await pgScript(database.url), await postgresJsScript(database.url)];
  const before = await moved();
  await underMoves(async () => {
    for (let pass = 0; pass < 3; pass++) {
      expect([await pgScript(pgfresh.url), await postgresJsScript(pgfresh.url)]).toEqual(direct);
    }
  });
  expect(await moved()).toBeGreaterThan(before);
});

it('settings, prepared statements, the level, the floor of own writes and the key of a cancel go along; nonces come back', async () => {
  const client = await connect();
  const before = await moved();
  await client.query("SET TimeZone = 'Asia/Tokyo'");
  await client.query('SET pgfresh.consistency = session');
  await client.query('CREATE TABLE IF NOT EXISTS own (id int PRIMARY KEY, v int)');
  await client.query('INSERT INTO own VALUES (1, 0)');
  await underMoves(async () => {
    for (let i = 1; i <= 300; i++) {
      const nonce = `n${i}`;
      const { rows } = await client.query({ name: 'nonce', text: 'SELECT $1::text AS nonce', values: [nonce] });
      expect(rows).toEqual([{ nonce }]);
      await client.query({ name: 'write', text: 'UPDATE own SET v = $1 WHERE id = 1', values: [i] });
      const read = await client.query({ name: 'read', text: 'SELECT v FROM own WHERE id = $1', values: [1] });
      expect(read.rows).toEqual([{ v: i }]);
    }
  });
  expect((await moved()) - before).toBeGreaterThan(5);
  expect((await client.query('SHOW TimeZone')).rows).toEqual([{ TimeZone: 'Asia/Tokyo' }]);
  expect((await client.query('SHOW pgfresh.consistency')).rows).toEqual([{ 'pgfresh.consistency': 'session' }]);
  const { rows: names } = await client.query('SELECT name FROM pg_prepared_statements ORDER BY 1');
  expect(names.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['nonce', 'write']));
});

it('a session in a block, or with an answer under way, stays; a moved one hits again and can be cancelled', async () => {
  const client = await connect();
  await underMoves(async () => {
    await client.query('BEGIN');
    await client.query('UPDATE shop SET id = id WHERE id = 3');
    for (let i = 0; i < 20; i++) await client.query('SELECT pg_sleep(0.002)');
    await client.query('ROLLBACK');
  });
  await waitFor('a hit after a move', async () => {
    const before = (await pgfresh.status()).cache.hits;
    await client.query('SELECT * FROM shop WHERE id = 3');
    await client.query('SELECT * FROM shop WHERE id = 3');
    return (await pgfresh.status()).cache.hits > before;
  });
  const other = await connect();
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  const sleeping = client.query('SELECT pg_sleep(60)');
  const refused = expect(sleeping).rejects.toMatchObject({ code: '57014' });
  await waitFor('the statement to run', async () => {
    const { rows: running } = await other.query(
      "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE '%pg_sleep(60)%'",
      [rows[0].pid],
    );
    return running.length === 1;
  });
  await other.query('SELECT pg_cancel_backend($1)', [rows[0].pid]);
  await refused;
});

it('what a client was told of a statement goes along (C7)', async () => {
  await run(database.url, 'CREATE TABLE told (id int PRIMARY KEY, v int); INSERT INTO told VALUES (1, 1), (2, 2)');
  const sync = serialize.sync();
  const execute = (value: string) => [serialize.bind({ statement: 's', values: [value] }), serialize.execute({}), sync];
  const prepare = async () => {
    const client = await connectRaw(pgfresh.url);
    client.send(serialize.parse({ name: 's', text: 'SELECT * FROM told WHERE id = $1', types: [] }));
    client.send(serialize.describe({ type: 'S', name: 's' }), sync, ...execute('1'));
    await client.until('Z', 2);
    return client;
  };
  const { hits } = (await pgfresh.status()).cache;
  await waitFor('hits', async () => {
    (await prepare()).close();
    return (await pgfresh.status()).cache.hits > hits + 10;
  });
  const client = await prepare();
  const before = await moved();
  const use = async () => {
    client.send(...execute('1'));
    await client.until('Z');
    return (await moved()) > before + 3;
  };
  await underMoves(() => waitFor('moves', use));
  await run(database.url, 'ALTER TABLE told ALTER COLUMN v TYPE real');
  client.send(...execute('2'));
  const frames = await client.until('Z');
  expect(sqlState(frames.find(({ code }) => code === 'E'))).toBe('0A000');
  client.close();
});

it('leaks no descriptor and loses no session', async () => {
  const before = sockets();
  const crowd = await Promise.all(Array.from({ length: 12 }, connect));
  const seen = await moved();
  await underMoves(async () => {
    for (let i = 0; i < 20; i++) {
      const answers = await Promise.all(crowd.map((client, n) => client.query('SELECT $1::int AS n', [n * 1000 + i])));
      expect(answers.map(({ rows }) => rows[0].n)).toEqual(crowd.map((_, n) => n * 1000 + i));
    }
  });
  expect((await moved()) - seen).toBeGreaterThan(10);
  expect((await pgfresh.status()).workers.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(clients.length);
  await Promise.all(crowd.map((client) => client.end()));
  clients.splice(clients.length - crowd.length);
  await waitFor(
    'the descriptors to be closed',
    () => sockets() <= before,
    20_000,
    () => `${sockets()} > ${before}`,
  );
});
