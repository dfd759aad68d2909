// C16: what a session may have written when nothing is known of its statements is everything, which keeps all others from hitting. A
// session whose answers cannot be shared (isolation, temporary objects, settings) is no reason not to know what its statements do.
import type pg from 'pg';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const proxy = useProxy(
  `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 50) g;
   CREATE TABLE u (id int PRIMARY KEY, v int); INSERT INTO u SELECT * FROM t`,
);
const reasons = async (): Promise<Readonly<Record<string, number>>> => (await proxy.pgfresh.status()).reasons;

/** Runs `act` on its session until its statements are known, then again in turn with the hits of another. */
async function fencedBy(
  reason: string,
  act: () => Promise<unknown>,
  sql = 'SELECT v FROM t WHERE id = 1',
): Promise<number> {
  const reader = await proxy.session();
  await proxy.warm(() => ask(reader, sql));
  let before = await reasons();
  await expect
    .poll(async () => {
      const last = before;
      await act();
      before = await reasons();
      return (before[reason] ?? 0) > (last[reason] ?? 0) && before['statement.pending'] === last['statement.pending'];
    })
    .toBe(true);
  await proxy.warm(() => ask(reader, sql));
  before = await reasons();
  for (let i = 0; i < 50; i++) {
    await act();
    await ask(reader, sql);
  }
  return ((await reasons())['cache.fenced'] ?? 0) - (before['cache.fenced'] ?? 0);
}

const readBoth = (client: pg.Client) => async () => {
  await ask(client, 'SELECT v FROM u WHERE id = 2');
  await ask(client, 'SELECT v FROM u WHERE id = $1', [3]);
};

it.each([
  ['session.isolation', `SET default_transaction_isolation = 'serializable'`],
  ['session.isolation', `SET default_transaction_isolation = 'repeatable read'`],
  ['session.temporarySchema', 'CREATE TEMP TABLE mine (a int)'],
  ['session.settings', 'SET standard_conforming_strings = off'],
])('reads of a session passed through for %s fence nothing (%s)', async (reason, setup) => {
  const odd = await proxy.session();
  await odd.query(setup);
  expect(await fencedBy(reason, readBoth(odd))).toBe(0);
});

it('writes to a temporary table fence nothing', async () => {
  const odd = await proxy.session();
  await odd.query('CREATE TEMP TABLE mine (a int)');
  expect(await fencedBy('statement.write', () => odd.query('INSERT INTO mine VALUES (1)'))).toBe(0);
});

it('a write is still seen at once, by whichever session and to whatever table', async () => {
  const reader = await proxy.session();
  const odd = await proxy.session();
  await odd.query(`SET default_transaction_isolation = 'serializable'; CREATE TEMP TABLE mine (a int)`);
  for (let i = 1; i <= 30; i++) {
    await proxy.warm(() => ask(reader, 'SELECT v FROM u WHERE id = 7'));
    await odd.query('UPDATE u SET v = $1 WHERE id = 7', [1000 + i]);
    expect(await ask(reader, 'SELECT v FROM u WHERE id = 7')).toEqual([[1000 + i]]);
  }
});

it('a temporary view is not taken for the table that it hides', async () => {
  const reader = await proxy.session();
  const odd = await proxy.session();
  await odd.query(
    `CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'UPDATE u SET v = v + 1 WHERE id = 9 RETURNING v';
     CREATE TEMP VIEW t AS SELECT bump() AS v`,
  );
  for (let i = 1; i <= 20; i++) {
    await proxy.warm(() => ask(reader, 'SELECT v FROM u WHERE id = 9'));
    const [[v]] = (await ask(odd, 'SELECT v FROM t')) as [[number]];
    expect(await ask(reader, 'SELECT v FROM u WHERE id = 9')).toEqual([[v]]);
  }
});
