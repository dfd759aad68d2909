// ADR-025, the worker's side: a dear miss is asked of other nodes before the origin, by one for all who miss it. A worker alone, a real origin, and a
// stand-in for the cache thread that has what the test says.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import type { SharedAnswerRequest } from '../../src/shared/messages.ts';
import { attachFakeCache, type FakeCache } from '../support/fake-cache.ts';
import { ask } from '../support/fixture.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { cachedConfig, startWorker, type TestWorker } from '../support/worker.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let worker: TestWorker;
let cache: FakeCache;
const clients: pg.Client[] = [];

beforeAll(async () => {
  database = await createDatabase(inject('pg18'), 'CREATE TABLE t (v int); INSERT INTO t VALUES (1)');
});
afterAll(() => database.drop());
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await worker.stop();
  cache.store.check();
});

async function start(costMsMin: number, timeoutMs = 30_000): Promise<void> {
  const nodes = [{ host: 'nowhere', port: 1, user: undefined, password: undefined, database: 0, tls: false }];
  const tier2 = { nodes, cluster: false, costMsMin, ttlMs: 1, timeoutMs };
  worker = await startWorker(cachedConfig(inject('pg18'), { tier2 }));
  cache = attachFakeCache(worker.runtime);
}

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: worker.url(database.url) });
  await client.connect();
  clients.push(client);
  return client;
}

/** Nothing is known of a text until it has been analysed: only its second statement can miss. */
async function introduce(client: pg.Client, text: string): Promise<void> {
  const { length } = cache.analysed;
  await ask(client, text);
  await waitFor('the verdict', () => cache.analysed.length > length);
  await ask(client, 'SELECT pg_catalog.pg_sleep(0)');
}

const answerOf = (text: string): Buffer => {
  const { bytes, keyBytes } = cache.offers.findLast(
    (offer) => Buffer.from(offer.bytes.subarray(5, offer.keyBytes)).toString() === text,
  )!;
  return Buffer.from(bytes.subarray(keyBytes));
};

it('an answer that another node has left is everybody’s who misses it, and the origin is not asked', async () => {
  await start(0);
  const [first, second] = [await connect(), await connect()];
  await introduce(first, 'SELECT 7');
  await ask(first, 'SELECT 7');
  const frames = answerOf('SELECT 7');
  await introduce(first, 'SELECT 8');
  let answer: () => void = () => undefined;
  cache.whenAsked(
    (request: SharedAnswerRequest) => new Promise((resolve) => (answer = () => resolve(cache.take(request, frames)))),
  );
  const { length } = cache.asked;
  const misses = worker.count('misses');
  const both = [ask(first, 'SELECT 8'), ask(second, 'SELECT 8')];
  await waitFor('the question', () => cache.asked.length > length);
  await ask(await connect(), 'SELECT pg_catalog.pg_sleep(0)');
  answer();
  // What was left there says 7.
  expect(await Promise.all(both)).toEqual([[[7]], [[7]]]);
  expect([cache.asked.length - length, worker.count('misses') - misses]).toEqual([1, 0]);
});

it('where nobody has left it, the origin is asked as ever', async () => {
  await start(0);
  const client = await connect();
  await introduce(client, 'SELECT 7');
  expect(await ask(client, 'SELECT 7')).toEqual([[7]]);
  expect([cache.asked.length, worker.count('misses')]).toEqual([1, 1]);
  const hits = worker.count('hits');
  expect(await ask(client, 'SELECT 7')).toEqual([[7]]);
  expect([cache.asked.length, worker.count('hits') - hits]).toEqual([1, 1]);
});

it.each([
  ['never comes', () => new Promise<number>(() => undefined)],
  ['is a failure', () => Promise.reject(new Error('no'))],
])('whoever asked goes to the origin when the reply %s', async (_, reply) => {
  await start(0, 50);
  const client = await connect();
  await introduce(client, 'SELECT 7');
  cache.whenAsked(reply);
  expect(await ask(client, 'SELECT 7')).toEqual([[7]]);
  expect([cache.asked.length, worker.count('misses')]).toEqual([1, 1]);
});

it('what costs the origin little is not asked for once that is known', async () => {
  await start(60_000);
  const client = await connect();
  await introduce(client, 'SELECT 7');
  await ask(client, 'SELECT 7');
  expect(cache.asked).toHaveLength(1);
  for (const { hash, bytes, keyBytes } of cache.offers) {
    const block = cache.store.find(hash, bytes.subarray(0, keyBytes));
    if (block !== 0) cache.store.remove(block);
  }
  await ask(client, 'SELECT 7');
  expect([cache.asked.length, worker.count('misses')]).toEqual([1, 2]);
});

it('of a shape that nobody leaves there few are asked for, and all again once one was found', async () => {
  await start(0);
  const client = await connect();
  const { tier2PatienceMax: patience, tier2ProbeEvery: every } = Limits;
  // The stand-in gives all texts one shape.
  const texts = Array.from({ length: patience + 2 * every + 4 }, (_, i) => `SELECT ${i}`);
  for (const text of texts) await introduce(client, text);
  for (const text of texts.slice(0, patience + 2 * every)) await ask(client, text);
  expect(cache.asked).toHaveLength(patience + 2);
  cache.whenAsked(async (request) => cache.take(request, answerOf('SELECT 0')));
  const left = texts.slice(patience + 2 * every);
  let asked = cache.asked.length;
  for (const text of left) await ask(client, text);
  expect(cache.asked.length).toBe(asked);
  // Until chance, which is a count, brings the next.
  for (let i = 0; cache.asked.length === asked; i++) {
    await introduce(client, `SELECT ${1_000 + i}`);
    await ask(client, `SELECT ${1_000 + i}`);
  }
  asked = cache.asked.length;
  await introduce(client, 'SELECT 2000');
  await ask(client, 'SELECT 2000');
  expect(cache.asked.length).toBe(asked + 1);
});
