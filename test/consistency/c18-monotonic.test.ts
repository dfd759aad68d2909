// C18: what a session has seen, or was told of, it does not miss afterwards; while the change stream says nothing for a while.
import type pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { hangStream } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(
  `CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a SELECT i, 0 FROM generate_series(1, 20) i;
   CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b SELECT i, 0 FROM generate_series(1, 20) i;`,
  { ownServer: 18, args: ['--cache-max-staleness', '20s'] },
);
let resume: () => void = () => undefined;
afterEach(() => resume());

const read = (table: 'a' | 'b', id: number): string => `SELECT v FROM ${table} WHERE id = ${id}`;

/** Both tables are published, the session's settings known, `b` is cached for this id, and nothing arrives on the stream from now on. */
async function prepare(session: pg.Client, id: number): Promise<void> {
  resume();
  await proxy.warm(() => ask(session, read('a', id + 1)));
  await proxy.warm(() => ask(session, read('b', id)));
  const go = await hangStream(proxy.originUrl);
  resume = () => {
    go();
    resume = () => undefined;
  };
}

it('does not miss in one answer what it saw in another', async () => {
  const [reader, filler, direct] = [await proxy.session(), await proxy.session(), await proxy.session(proxy.originUrl)];
  await reader.query('SET pgfresh.consistency = monotonic');
  for (let id = 1; id < 6; id += 2) {
    await prepare(reader, id);
    await proxy.warm(() => ask(filler, read('b', id)));
    const admitted = async () => (await proxy.pgfresh.status()).cache.admitted;
    const before = await admitted();
    // One transaction, seen by nobody's stream: an answer that somebody else got from the origin enters the cache, and shows it.
    await direct.query(`BEGIN; UPDATE a SET v = 1 WHERE id = ${id}; UPDATE b SET v = 1 WHERE id = ${id}; COMMIT`);
    await waitFor('the answer to be admitted', async () => {
      expect(await ask(filler, read('a', id))).toEqual([[1]]);
      return (await admitted()) > before;
    });
    expect(await ask(reader, read('a', id))).toEqual([[1]]);
    expect(await ask(reader, read('b', id))).toEqual([[1]]);
  }
}, 60_000);

it('a notification is followed by what it tells of', async () => {
  const [listener, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  await listener.query('LISTEN news');
  let told = 0;
  listener.on('notification', () => told++);
  await prepare(listener, 16);
  await direct.query('BEGIN; UPDATE b SET v = 7 WHERE id = 16; NOTIFY news; COMMIT');
  await waitFor('the notification', () => told > 0);
  expect(await ask(listener, read('b', 16))).toEqual([[7]]);
});
