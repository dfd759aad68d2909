// C9, lesson 13: another server under the same address. A standby that is not promoted, one that is, a server restored from a backup: each is
// told from the server that the change stream came from, and no answer of one is given for another.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ask } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, run, startCluster } from '../support/postgres.ts';
import { type Switch, startSwitch } from '../support/switch.ts';
import { waitFor } from '../support/wait.ts';

const version = 15;
const sql = 'SELECT v FROM t WHERE id = 1';
const clusters: Cluster[] = [];
let primary: Cluster;
let address: Switch;
let pgfresh: Pgfresh | undefined;

beforeAll(async () => {
  primary = await startCluster({ version });
  clusters.push(primary);
  await run(primary.url, 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)');
  address = await startSwitch(primary.port);
}, 120_000);
afterEach(async () => {
  await pgfresh?.kill('SIGKILL');
  pgfresh = undefined;
});
afterAll(async () => {
  await address?.close();
  for (const cluster of clusters) await cluster.stop();
});

const begin = async (): Promise<void> => {
  pgfresh = await startPgfresh({ upstream: `postgres://postgres:secret@127.0.0.1:${address.port}/postgres` });
};
const read = async (): Promise<unknown> => (await rowsOf(pgfresh!.url, sql))[0]![0];
const hits = async () => (await pgfresh!.status()).cache.hits;

async function untilHit(expected: number): Promise<void> {
  const before = await hits();
  await waitFor(
    `a hit of ${expected}`,
    async () => {
      expect(await read()).toBe(expected);
      return (await hits()) > before;
    },
    40_000,
  );
}

/** Until connections are accepted behind the address again. */
const untilAnswered = (): Promise<void> => waitFor('an answer', () => read().then(Boolean, () => false), 30_000);

it('a standby is passed through, and cached again once it is promoted', async () => {
  // A backup of the standing server, and then a server that follows it.
  await primary.halt();
  const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres password=secret`;
  const copy = startCluster({ version, copyOf: primary.dataDir, standbyOf: conninfo });
  const standby = await copy;
  clusters.push(standby);
  await primary.start();
  await begin();
  await run(primary.url, 'UPDATE t SET v = 1');
  await untilHit(1);
  await waitFor('the standby to follow', async () => (await rowsOf(standby.url, sql))[0]![0] === 1);
  // New sessions meet the standby, while the stream still comes from the primary.
  address.to(standby.port, false);
  const before = await hits();
  const session = new pg.Client({ connectionString: pgfresh!.url });
  session.on('error', () => undefined);
  await session.connect();
  await waitFor('the reason', async () => {
    expect(await ask(session, sql)).toEqual([[1]]);
    return ((await pgfresh!.status()).reasons['session.standby'] ?? 0) > 0;
  });
  await session.end();
  expect(await hits()).toBe(before);
  // The primary is gone, the standby takes over, and somebody writes to it.
  address.to(standby.port, true);
  await primary.halt();
  await run(standby.url, 'SELECT pg_promote()');
  await run(standby.url, 'UPDATE t SET v = 2');
  for (let i = 0; i < 5; i++) expect(await read()).toBe(2);
  await untilHit(2);
  await run(standby.url, 'UPDATE t SET v = 3');
  await waitFor('the new row', async () => (await read()) === 3);
  await untilHit(3);
  // The old primary comes back with what it had, and answers new sessions: a mistake, but not one that may mix answers.
  await primary.start();
  address.to(primary.port, false);
  for (let i = 0; i < 5; i++) expect(await read()).toBe(1);
}, 120_000);

it('a server that was restored from a backup shows what it has, nothing of before', async () => {
  address.to(primary.port, true);
  await begin();
  await run(primary.url, 'UPDATE t SET v = 10');
  await untilHit(10);
  await primary.halt();
  const backup = await startCluster({ version, copyOf: primary.dataDir });
  clusters.push(backup);
  await primary.start();
  await untilAnswered();
  for (let v = 11; v <= 15; v++) await run(primary.url, `UPDATE t SET v = ${v}`);
  await waitFor('the last row', async () => (await read()) === 15);
  await untilHit(15);
  // Same system identifier, same timeline, a log that went back.
  address.to(backup.port, true);
  await primary.halt();
  for (let i = 0; i < 10; i++) expect(await read()).toBe(10);
  await untilHit(10);
}, 120_000);
