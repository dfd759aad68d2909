/** Clients that share few connections to the origin (pool.mode = transaction): what they see is what each would see with one of its own. */
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { accountsSql, pgbench } from '../support/pgbench.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { pgScript, postgresJsScript, shopSql } from '../support/scripts.ts';

/** Clients in the clear: pgfresh knows the role's verifier, and so what it logs in with again. */
const args = ['--pool-mode', 'transaction', '--pool-size', '3', ...reusableLogins];
const proxy = useProxy(
  `${shopSql}; ${accountsSql(100)}; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one'), (2, 'two')`,
  { args, workers: 1 },
);

const connections = async (): Promise<number> => {
  const text = `SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${proxy.database}' AND application_name NOT LIKE 'pgfresh%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()`;
  return ((await rowsOf(proxy.originUrl, text)) as [[number]])[0][0];
};

describe('many clients', () => {
  it('share as many connections as the pool has', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => proxy.session()));
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        clients.map((client, i) => ask(client, 'SELECT $1::int, v FROM t WHERE id = 1', [i])),
      );
      expect(answers).toEqual(clients.map((_, i) => [[i, 'one']]));
    }
    // Some logged in by connections of their own, which may take a while to end.
    await expect.poll(connections, { timeout: 20_000 }).toBeLessThanOrEqual(3);
    await Promise.all(clients.map((client) => client.end()));
  });

  it('with a driver each get what they get directly', async () => {
    expect(await pgScript(proxy.url)).toEqual(await pgScript(proxy.originUrl));
    expect(await postgresJsScript(proxy.url)).toEqual(await postgresJsScript(proxy.originUrl));
  });

  it('pgbench with twenty prepares, reads and writes', async () => {
    const { failed, transactions } = await pgbench(proxy.url, [
      '-n',
      '-M',
      'prepared',
      '-c',
      '20',
      '-j',
      '20',
      '-t',
      '20',
      '-s',
      '1',
      '-b',
      'simple-update',
    ]);
    expect({ failed, transactions }).toEqual({ failed: 0, transactions: 400 });
  });
});

describe('a setting', () => {
  it('stays with its client', async () => {
    const clients: pg.Client[] = await Promise.all(Array.from({ length: 6 }, () => proxy.session()));
    const zones = ['Asia/Tokyo', 'UTC', 'America/Lima', 'Europe/Paris', 'Asia/Tokyo', 'Africa/Cairo'];
    await Promise.all(clients.map((client, i) => client.query(`SET TimeZone = '${zones[i]}'`)));
    for (let round = 0; round < 5; round++) {
      const seen = await Promise.all(clients.map((client) => ask(client, 'SHOW TimeZone')));
      expect(seen).toEqual(zones.map((zone) => [[zone]]));
    }
    const other = await proxy.session();
    expect(await ask(other, 'SHOW TimeZone')).toEqual(await rowsOf(proxy.originUrl, 'SHOW TimeZone'));
  });
});
