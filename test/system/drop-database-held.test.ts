// A cache thread that does not let go of a database: DROP DATABASE waits for it, but not for long, and less when it is cancelled.
import { once } from 'node:events';
import net from 'node:net';
import pg from 'pg';
import { serialize } from 'pg-protocol';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { attachFakeCache } from '../support/fake-cache.ts';
import { waitFor } from '../support/wait.ts';
import { addressOf, startWorker, type TestWorker, testConfig } from '../support/worker.ts';

let worker: TestWorker;
beforeAll(async () => {
  worker = await startWorker(testConfig(addressOf(inject('pg18'))));
  attachFakeCache(worker.runtime);
});
afterAll(() => worker.stop());

const drop = 'DROP DATABASE no_such_database';
const code = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: unknown) => (error as pg.DatabaseError).code,
  );

async function connect(to: TestWorker = worker): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: to.url(inject('pg18')) });
  await client.connect();
  return client;
}

it('the statement goes on all the same, and so does the session', async () => {
  const client = await connect();
  const answers: string[] = [];
  const dropped = code(client.query(drop)).then((sqlstate) => answers.push(String(sqlstate)));
  const read = client.query('SELECT 1').then(() => answers.push('read'));
  await Promise.all([dropped, read]);
  expect(answers).toEqual(['3D000', 'read']);
  await client.end();
});

it('a cancel, from wherever, ends the wait', async () => {
  // Time stands still there: nothing else would end it.
  const timeless = await startWorker(testConfig(addressOf(inject('pg18'))), 0, { nowMs: () => 0 });
  attachFakeCache(timeless.runtime);
  const client = await connect(timeless);
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  let answer: unknown = null;
  void code(client.query(drop)).then((sqlstate) => {
    answer = sqlstate;
  });
  // One that comes before the statement is lost, as with PostgreSQL.
  await waitFor('the cancel to count', async () => {
    const cancel = net.connect(timeless.port, '127.0.0.1');
    cancel.end(serialize.cancel(processID, secretKey));
    await once(cancel.resume(), 'close');
    return answer !== null;
  });
  expect(['3D000', '57014']).toContain(answer);
  await client.end();
  await timeless.stop();
});

it('a client that goes away leaves nothing behind', async () => {
  const client = await connect();
  client.on('error', () => undefined);
  void code(client.query(drop));
  const { connection } = client as unknown as { connection: { stream: net.Socket } };
  connection.stream.destroy();
  await worker.stop();
  expect(worker.runtime.summaries()).toEqual([]);
});
