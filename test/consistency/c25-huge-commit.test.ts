// C25: a commit of very many rows keeps neither the cache thread's other work nor the hits of others waiting.
import { expect, inject, it } from 'vitest';
import { caughtUp, makeStream, openControl, RecordingSink } from '../support/origin.ts';
import { createDatabase } from '../support/postgres.ts';

const rows = 60_000;

it('others get their turn all the way through it', async () => {
  const database = await createDatabase(
    inject('pg15'),
    'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t',
  );
  const control = await openControl(database.url);
  const sink = new RecordingSink();
  // Rows applied between two turns of the event loop.
  let [sinceTurn, longest] = [0, 0];
  const change = sink.change.bind(sink);
  sink.change = (each) => {
    change(each);
    longest = Math.max(longest, ++sinceTurn);
  };
  const stream = makeStream(database.url, 'p', sink);
  await stream.start();
  let running = true;
  const turn = (): void => {
    sinceTurn = 0;
    if (running) setImmediate(turn);
  };
  turn();
  await control.query(`INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, ${rows}) i`);
  await caughtUp(stream, control);
  running = false;
  expect(sink.changes).toHaveLength(rows);
  process.stdout.write(`huge commit: at most ${longest} of ${rows} rows between two turns\n`);
  expect(longest).toBeLessThan(rows / 10);
  await stream.stop();
  await control.end();
  await database.drop();
});
