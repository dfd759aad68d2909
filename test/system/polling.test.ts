/** A worker that looks for work before it sleeps: its own event loop, sockets and yields (ADR-023). */
import { Client } from 'pg';
import { afterEach, expect, inject, it } from 'vitest';
import { publishSpareProcessors } from '../../src/shared/memory/control.ts';
import { addressOf, startWorker, type TestWorker, testConfig } from '../support/worker.ts';

let worker: TestWorker | undefined;
let client: Client | undefined;

afterEach(async () => {
  await client?.end();
  await worker?.stop();
});

it('looks while processors are to spare, and answers as ever', async () => {
  const { concurrency } = testConfig(addressOf(inject('pg18')));
  worker = await startWorker(testConfig(addressOf(inject('pg18')), { concurrency: { ...concurrency, pollUs: 200 } }));
  client = new Client({ connectionString: worker.url(inject('pg18')) });
  await client.connect();
  let asked = 0;
  const ask = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const { rows } = await client!.query('SELECT $1::int AS n', [++asked]);
      expect(rows).toEqual([{ n: asked }]);
    }
  };
  await ask(200);
  expect(worker.count('polledMs')).toBe(0);
  const { control } = worker.runtime;
  publishSpareProcessors(control, true);
  // Where the machine is busy each look may end with its first yield.
  while (worker.count('polledMs') === 0) await ask(50);
  publishSpareProcessors(control, false);
  await ask(1);
  const looked = worker.count('polledMs');
  await ask(200);
  expect(worker.count('polledMs')).toBe(looked);
});
