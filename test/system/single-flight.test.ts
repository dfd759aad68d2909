// Issue 5 item 5, lessons 28: a herd on one cold key sends few queries; who waits looks for an answer that is fresh enough for itself, and a
// leader that fails, is cancelled, or dies with its session or its worker holds nobody up for longer than the bound.
import type pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { ask, askOnce, useProxy } from '../support/fixture.ts';
import { run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const CLIENTS = 50;
/** A join that takes the origin some 50 ms. */
const slow = (key: number) =>
  `SELECT count(*)::int FROM big a JOIN big b ON a.g % 97 = b.g % 97 WHERE a.k = ${key} AND b.k = ${key}`;

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(
    `CREATE TABLE big (g int PRIMARY KEY, k int);
     INSERT INTO big SELECT g, g % 8 FROM generate_series(1, 24000) g; ANALYZE big`,
    { origin, args: ['--workers', '2', '--cache-single-flight-wait', '10s'] },
  );
  const pools: pg.Pool[] = [];
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
  });

  async function herd(): Promise<pg.Client[]> {
    return Promise.all(Array.from({ length: CLIENTS }, () => proxy.session()));
  }

  const misses = async () => (await proxy.pgfresh.status()).cache.misses;

  it('fifty clients on one cold key send few queries', async () => {
    const clients = await herd();
    // Both workers learn what such a miss costs.
    for (const client of clients.slice(0, 2)) {
      for (let i = 0; i < 3; i++) await ask(client, slow(6).replace('b.k = 6', `b.k = ${i}`));
    }
    await proxy.warm(() => askOnce(proxy.url, slow(0)));
    await Promise.all(clients.map((client) => ask(client, 'SELECT 1')));
    const expected = await askOnce(proxy.originUrl, slow(1));
    const before = await misses();
    const answers = await Promise.all(clients.map((client) => ask(client, slow(1))));
    for (const answer of answers) expect(answer).toEqual(expected);
    const sent = (await misses()) - before;
    process.stdout.write(`single flight: ${CLIENTS} clients, ${sent} queries\n`);
    expect(sent).toBeLessThanOrEqual(CLIENTS / 5);
  });

  it('who has written waits for nobody whose answer is older', async () => {
    const [leader, writer] = [await proxy.session(), await proxy.session()];
    await proxy.warm(() => ask(leader, slow(0)));
    for (let i = 0; i < 5; i++) {
      const sql = `SELECT count(*)::int FROM big a JOIN big b ON a.g % 97 = b.g % 97 WHERE a.k = 2 AND b.k = 2 AND a.g > ${i}`;
      const leading = ask(leader, sql);
      await run(proxy.url, 'UPDATE big SET k = 2 WHERE g = 3');
      await ask(writer, `UPDATE big SET k = 2 WHERE g = ${8 * i + 1001}`);
      const mine = await ask(writer, sql);
      expect(mine).toEqual(await askOnce(proxy.originUrl, sql));
      await leading;
    }
  });

  it.each(['is cancelled', 'is refused', 'loses its session'])(
    'a leader that %s lets the others go on',
    async (how) => {
      const clients = await herd();
      await proxy.warm(() => askOnce(proxy.url, slow(0)));
      const key = ['is cancelled', 'is refused', 'loses its session'].indexOf(how) + 3;
      const expected = await askOnce(proxy.originUrl, slow(key));
      const leader = await proxy.session();
      const { processID } = leader as unknown as { processID: number };
      if (how === 'is refused') await ask(leader, "SET statement_timeout = '10ms'");
      await waitFor('the leader to be known', async () => (await ask(leader, 'SELECT 1')).length === 1);
      const leading = ask(leader, slow(key)).catch((error: Error & { code?: string }) => error);
      const others = clients.map((client) => ask(client, slow(key)));
      if (how !== 'is refused') {
        const verb = how === 'is cancelled' ? 'pg_cancel_backend' : 'pg_terminate_backend';
        await askOnce(proxy.originUrl, `SELECT ${verb}($1)`, [processID]);
      }
      for (const answer of await Promise.all(others)) expect(answer).toEqual(expected);
      await leading;
      await proxy.warm(() => askOnce(proxy.url, slow(key)));
    },
  );
});
