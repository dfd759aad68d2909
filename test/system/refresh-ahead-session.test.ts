// ADR-019: a session whose connection refreshes an answer notices nothing, whatever it does meanwhile. A worker alone, a real origin, and a
// stand-in for the cache thread, so that the refreshing statement is under way when the test says so: it waits for a lock.
import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { attachFakeCache, type FakeCache } from '../support/fake-cache.ts';
import { ask } from '../support/fixture.ts';
import { createDatabase } from '../support/postgres.ts';
import { codes, connectRaw, type RawClient, rows, serialize } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { cachedConfig, startWorker, type TestWorker } from '../support/worker.ts';

const slow = 'SELECT v FROM locked';
const quick = 'SELECT v FROM other';

let database: Awaited<ReturnType<typeof createDatabase>>;
let worker: TestWorker;
let cache: FakeCache;
let client: RawClient;
let locker: pg.Client;

beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE locked (v int); INSERT INTO locked VALUES (1); CREATE TABLE other (v int); INSERT INTO other VALUES (2)',
  );
});
afterAll(() => database.drop());

beforeEach(async () => {
  worker = await startWorker(cachedConfig(inject('pg18'), { transactions: { lazyBegin: true } }));
  cache = attachFakeCache(worker.runtime);
  client = await connectRaw(worker.url(database.url));
  locker = new pg.Client({ connectionString: database.url });
  await locker.connect();
});
afterEach(async () => {
  await locker.end();
  client.close();
  await worker.stop();
  cache.store.check();
});

async function query(text: string): Promise<string> {
  client.send(serialize.query(text));
  const frames = await client.until('Z');
  return `${codes(frames)} ${rows(frames).join()}`;
}

async function heat(text: string): Promise<void> {
  const before = worker.count('hits');
  await waitFor('a hit', async () => {
    await query(text);
    return worker.count('hits') > before;
  });
}

/** The refreshing statement is at the origin, where it waits for the lock. */
async function hang(): Promise<void> {
  await heat(quick);
  await heat(slow);
  await locker.query('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
  const before = worker.count('refreshes');
  cache.refresh(slow);
  await waitFor('the refresh', () => worker.count('refreshes') > before);
}

const failed = () => worker.reason('refresh.failed');
const readers = () => ask(locker, 'SELECT query FROM pg_stat_activity WHERE pid = $1', [client.processId]);

it('an answer is asked for and stored, without a byte for the client', async () => {
  await heat(slow);
  const offers = cache.offers.length;
  cache.refresh(slow);
  await waitFor('the offer', () => cache.offers.length > offers);
  const hits = worker.count('hits');
  expect([await query(slow), worker.count('hits') - hits]).toEqual(['TDCZ 1', 1]);
  expect(cache.offers.at(-1)!.isRefresh).toBe(true);
  expect(String(await readers())).toContain('refreshed by pgfresh');
});

it('hits go on meanwhile', async () => {
  await waitFor('a hit before the end of a refresh', async () => {
    await hang();
    const [hits, ends] = [worker.count('hits'), failed()];
    expect(await query(quick)).toBe('TDCZ 2');
    const isBefore = failed() === ends;
    expect(worker.count('hits') - hits).toBe(1);
    await locker.query('COMMIT');
    return isBefore;
  });
});

it('a block that begins meanwhile is the one that the client sees', async () => {
  await hang();
  const hits = worker.count('hits');
  expect([await query('BEGIN'), await query(quick), await query('COMMIT')]).toEqual(['CZ ', 'TDCZ 2', 'CZ ']);
  expect(worker.count('hits') - hits).toBeGreaterThanOrEqual(1);
  expect(await query('BEGIN')).toBe('CZ ');
  expect(await query('SELECT pg_catalog.pg_current_xact_id() IS NOT NULL')).toBe('TDCZ t');
  expect(await query('ROLLBACK')).toBe('CZ ');
  await waitFor('the end', () => failed() === 1);
});

it('a statement behind it waits for no longer than the origin is given, and is not cancelled in its place', async () => {
  await hang();
  client.send(serialize.query('SELECT pg_sleep(0.3)'));
  expect(codes(await client.until('Z'))).toBe('TDCZ');
  expect(failed()).toBe(1);
  expect((await locker.query('SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted')).rows).toEqual([{ n: 0 }]);
  expect(await query('SHOW statement_timeout')).toBe('TDCZ 0');
});

it('a cancel that meets it goes on to the statement of the client', async () => {
  await hang();
  const sent = worker.count('statements');
  client.send(serialize.query('SELECT pg_sleep(60)'));
  await waitFor('the statement', () => worker.count('statements') > sent);
  const { port } = new URL(worker.url(database.url));
  const cancel = () => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.end(serialize.cancel(client.processId, client.secretKey)),
    );
    socket.on('error', () => undefined);
  };
  cancel();
  // One that finds the origin between the two is lost, as PostgreSQL loses one that comes before its statement.
  const again = setInterval(cancel, 5_000);
  const answer = codes(await client.until('Z'));
  clearInterval(again);
  expect(answer).toMatch(/EZ$/);
  expect(await query('SELECT 1')).toBe('TDCZ 1');
});

it('the unnamed statement stays, and a pipeline behind it comes in order', async () => {
  await heat(quick);
  client.send(serialize.parse({ text: 'SELECT $1::int + 1', types: [] }), serialize.sync());
  await client.until('Z');
  const [bind, execute] = [serialize.bind({ values: ['41'] }), serialize.execute({ portal: '', rows: 0 })];
  cache.refresh(quick);
  await waitFor('the refresh', () => worker.count('refreshes') === 1);
  client.send(bind, execute, serialize.sync(), serialize.query('SELECT 7'));
  const frames = await client.until('Z', 2);
  expect([codes(frames), rows(frames)]).toEqual(['2DCZTDCZ', [['42'], ['7']]]);
});

it('a session that ends meanwhile ends as always, and the next one is asked', async () => {
  await hang();
  client.close();
  await waitFor('the end', () => failed() === 1);
  await locker.query('COMMIT');
  client = await connectRaw(worker.url(database.url));
  await query('SELECT 1');
  const offers = cache.offers.length;
  await waitFor('the next one', () => {
    cache.refresh(slow);
    return cache.offers.length > offers;
  });
  expect(await query(slow)).toBe('TDCZ 1');
});

it.each([
  ['is in a block', async () => void (await query('BEGIN; SELECT 1'))],
  ['has other settings', async () => void (await query("SET TimeZone = 'Asia/Tokyo'"))],
  ['is about to be known', async () => void cache.setCatalogVersion(2)],
  [
    'is gone',
    async () => {
      client.close();
      await waitFor('its end', () => worker.count('sessionsOpen') === 0);
    },
  ],
])('nobody is asked while the only session %s', async (_, leave) => {
  await heat(slow);
  await leave();
  await waitFor('the refusal', () => {
    cache.refresh(slow);
    return worker.reason('refresh.noSession') > 0;
  });
  expect(worker.count('refreshes')).toBe(0);
});

it('a cache thread that dies before its verdicts leaves room for what the next one asks for', async () => {
  const texts = [1, 2, 3].map((i) => `${quick} WHERE v < 1${i}`);
  for (const text of texts) await heat(text);
  // Verdicts of another catalog are asked for anew, and none comes.
  cache.hold(true);
  cache.setCatalogVersion(2);
  await query('SELECT 1');
  await waitFor('the context', async () => {
    await query('SELECT 1');
    return cache.contextRows.length > 1;
  });
  for (const text of texts) cache.refresh(text);
  cache = attachFakeCache(worker.runtime, 2);
  await heat(quick);
  const offers = cache.offers.length;
  cache.refresh(quick);
  await waitFor('the offer', () => cache.offers.length > offers);
});

it('no more than so many are under way at once, and the others follow', async () => {
  const clients = await Promise.all([1, 2, 3].map(() => connectRaw(worker.url(database.url))));
  for (const each of clients) each.send(serialize.query('SELECT 1'));
  for (const each of clients) await each.until('Z');
  const texts = [1, 2, 3, 4].map((i) => `${slow} WHERE v < 1${i}`);
  for (const text of texts) await heat(text);
  await locker.query('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
  for (const text of texts) cache.refresh(text);
  await waitFor('some', () => worker.count('refreshes') > 0);
  expect(worker.count('refreshes') - failed()).toBeLessThanOrEqual(Limits.refreshesInFlightMax);
  await locker.query('COMMIT');
  await waitFor('all', () => worker.count('refreshes') + worker.reason('refresh.busy') >= texts.length);
  for (const each of clients) each.close();
});
