// A statement that goes to the origin in pieces was counted for the session that had sent one before: for another's, or, where none had, for none, and then
// the client's session ended with XX000.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { createDatabase } from '../support/postgres.ts';
import { addressOf, startWorker, type TestWorker, testConfig } from '../support/worker.ts';

const long = 'x'.repeat(200_000);

let database: Awaited<ReturnType<typeof createDatabase>>;
let worker: TestWorker | undefined;
const clients: pg.Client[] = [];

beforeAll(async () => {
  database = await createDatabase(inject('pg18'), 'CREATE TABLE t (id int PRIMARY KEY)');
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await worker?.stop();
});

afterAll(() => database.drop());

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: worker!.url(database.url) });
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

it.each<[string, pg.QueryConfig<unknown[]>]>([
  ['a Query', { text: `SELECT length('${long}') AS n` }],
  ['a Parse', { text: `SELECT length('${long}') + $1::int - 1 AS n`, values: [1] }],
  ['a Bind', { text: 'SELECT length($1) AS n', values: [long] }],
])('%s of 200 kB is answered', async (_what, query) => {
  worker = await startWorker(testConfig(addressOf(database.url)));
  const client = await connect();
  expect((await client.query(query)).rows).toEqual([{ n: long.length }]);
});

it('is counted for its own session', async () => {
  worker = await startWorker(testConfig(addressOf(database.url)));
  const [one, other] = [await connect(), await connect()];
  await one.query('SELECT 1');
  const sessions: Map<{ statementsSeen: number }, unknown> = Reflect.get(worker.runtime, 'sessions');
  const seen = () => [...sessions.keys()].map(({ statementsSeen }) => statementsSeen);
  expect(seen()).toEqual([1, 0]);
  await other.query(`SELECT length('${long}') AS n`);
  expect(seen()).toEqual([1, 1]);
});
