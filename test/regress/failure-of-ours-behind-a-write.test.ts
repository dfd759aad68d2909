// A statement is sent before it is noted what it may change. If the noting fails (a fault of ours), the origin executes it all the same: the session
// ends with XX000, and what was sent must count as a write of anything.
import pg from 'pg';
import { afterEach, expect, inject, it } from 'vitest';
import { databaseHash, databaseRound } from '../../src/shared/memory/fences.ts';
import { databaseFenceWord } from '../../src/shared/memory/layout.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { addressOf, startWorker, type TestWorker, testConfig } from '../support/worker.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let worker: TestWorker | undefined;
let observer: pg.Client | undefined;

afterEach(async () => {
  await observer?.end();
  await worker?.stop();
  await database.drop();
});

it('fences all of the database', async () => {
  database = await createDatabase(inject('pg18'), 'CREATE TABLE t (id int PRIMARY KEY)');
  worker = await startWorker(testConfig(addressOf(database.url)));
  const { control, forwarder } = worker.runtime;
  const fence = () => databaseRound(control, databaseFenceWord(databaseHash(database.name)));
  observer = new pg.Client({ connectionString: database.url });
  await observer.connect();

  const client = new pg.Client({ connectionString: worker.url(database.url) });
  client.on('error', () => undefined);
  await client.connect();
  const before = fence();
  Object.assign(forwarder, {
    frame: () => {
      throw new Error('a fault of ours');
    },
  });
  await expect(client.query('INSERT INTO t VALUES (1)')).rejects.toMatchObject({ code: 'XX000' });
  await waitFor('the row that was sent', async () => (await observer!.query('SELECT FROM t')).rowCount === 1);
  expect(fence()).toBeGreaterThan(before);
});
