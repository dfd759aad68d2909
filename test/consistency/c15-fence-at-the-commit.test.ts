// C15: CommandComplete is not the commit, ReadyForQuery not always the first that a client hears of it, and a connection that ends may have committed.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ask } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, run, startCluster } from '../support/postgres.ts';
import { connectRaw, serialize, statement } from '../support/raw-client.ts';
import { hangStream } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

const sql = 'SELECT v FROM t WHERE id = 1';
let cluster: Cluster;
let pgfresh: Pgfresh;
let reader: pg.Client;
let resume: () => void = () => undefined;

beforeAll(async () => {
  // A commit with synchronous_commit = on waits for ever: committed, not acknowledged.
  cluster = await startCluster({
    version: 18,
    settings: ['synchronous_standby_names=nobody', 'synchronous_commit=local'],
  });
  await run(cluster.url, 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)');
  pgfresh = await startPgfresh({ upstream: cluster.url, args: ['--cache-max-staleness', '20s'] });
  reader = new pg.Client({ connectionString: pgfresh.url });
  await reader.connect();
}, 120_000);
afterEach(() => resume());
afterAll(async () => {
  await reader?.end();
  await pgfresh?.stop();
  await cluster?.stop();
});

/** The row is cached, and nothing arrives on the change stream from now on. */
async function warmAndHang(): Promise<void> {
  const hits = async () => (await pgfresh.status()).cache.hits;
  const before = await hits();
  await waitFor('a hit', async () => {
    await ask(reader, sql);
    return (await hits()) > before;
  });
  const go = await hangStream(cluster.url);
  resume = () => {
    resume = () => undefined;
    go();
  };
}

it('a transaction that ends inside a batch is fenced before its end is told', async () => {
  await warmAndHang();
  const writer = await connectRaw(pgfresh.url);
  // No Sync behind the COMMIT: the client knows that it committed and the session is not ready.
  writer.send(statement('BEGIN'), statement('UPDATE t SET v = 1 WHERE id = 1'), statement('COMMIT'), serialize.flush());
  await writer.until('C', 3);
  expect(await ask(reader, sql)).toEqual([[1]]);
  writer.send(serialize.sync());
  await writer.until('Z');
  writer.close();
});

it('a write whose connection ended before its acknowledgement is fenced with the end', async () => {
  const writer = new pg.Client({ connectionString: pgfresh.url });
  writer.on('error', () => undefined);
  await writer.connect();
  await writer.query('SET synchronous_commit = on');
  const [[pid]] = (await ask(writer, 'SELECT pg_backend_pid()')) as [[number]];
  // It is known what the write does: nothing else is fenced for lack of knowledge.
  await writer.query('UPDATE t SET v = 1 WHERE id = -1');
  await warmAndHang();
  const outcome = writer.query('UPDATE t SET v = 2 WHERE id = 1').then(
    () => 'acknowledged',
    () => 'lost',
  );
  const waiting = `SELECT FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'SyncRep'`;
  await waitFor('the commit to wait for a standby', async () => (await rowsOf(cluster.url, waiting)).length > 0);
  // It is not visible while it waits; with the end of its connection it is.
  await run(cluster.url, `SELECT pg_terminate_backend(${pid})`);
  expect(await outcome).toBe('lost');
  await waitFor('the commit to be visible', async () => (await rowsOf(cluster.url, sql))[0]![0] === 2);
  expect(await ask(reader, sql)).toEqual([[2]]);
});
