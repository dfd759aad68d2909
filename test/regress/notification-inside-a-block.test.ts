// Found with PostgreSQL's own isolation tests (async-notify): a session in a transaction block is told of notifications when the block has ended
// (Manual: NOTIFY). The BEGIN that pgfresh keeps from the origin left the origin's session outside of one.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, serialize } from '../support/raw-client.ts';

const proxy = useProxy(
  `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
   CREATE FUNCTION listen_by_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LISTEN news; END $$`,
);
const cached = 'SELECT v FROM t WHERE id = 1';

/** Codes of what a client is told between its BEGIN and its COMMIT, and after it. */
async function told(url: string, listen: readonly string[]): Promise<{ inside: string; after: string }> {
  const client = await connectRaw(url);
  const ask = async (sql: string) => {
    client.send(serialize.query(sql));
    return (await client.until('Z')).map(({ code }) => code).join('');
  };
  for (const sql of listen) await ask(sql);
  // Else the read below would be one for the origin.
  if (url === proxy.url) await proxy.warm(() => ask(cached));
  let inside = await ask('BEGIN');
  inside += await ask(cached);
  await run(proxy.originUrl, 'NOTIFY news');
  // Whatever the origin wants to say at once is said before its answer.
  inside += await ask('SELECT pg_sleep(0.2)');
  client.send(serialize.query('COMMIT'));
  const after = (await client.until('A')).map(({ code }) => code).filter((code) => code === 'A');
  client.close();
  return { inside, after: after.join('') };
}

it.each([
  ['LISTEN', ['LISTEN news']],
  ['LISTEN in a block of its own', ['BEGIN', 'LISTEN news', 'COMMIT']],
  ['UNLISTEN, and LISTEN again', ['LISTEN news', 'UNLISTEN news', 'LISTEN news']],
  ['DISCARD ALL, and LISTEN again', ['LISTEN news', 'DISCARD ALL', 'LISTEN news']],
] as const)('comes behind the block: %s', async (_what, listen) => {
  const expected = await told(proxy.originUrl, listen);
  expect(expected.inside).not.toContain('A');
  expect(await told(proxy.url, listen)).toEqual(expected);
});

it('does so from the second on where a function listens', async () => {
  const client = await connectRaw(proxy.url);
  const ask = async (sql: string) => {
    client.send(serialize.query(sql));
    return (await client.until('Z')).map(({ code }) => code).join('');
  };
  await ask('SELECT listen_by_function()');
  await run(proxy.originUrl, 'NOTIFY news');
  expect(await ask('SELECT pg_sleep(0.2)')).toContain('A');
  await ask('BEGIN');
  await run(proxy.originUrl, 'NOTIFY news');
  expect(await ask('SELECT pg_sleep(0.2)')).not.toContain('A');
  client.send(serialize.query('COMMIT'));
  await client.until('A');
  client.close();
});

it('the BEGIN of a session that listens goes to the origin, until DISCARD ALL', async () => {
  const session = await proxy.session();
  const [[pid]] = (await ask(session, 'SELECT pg_backend_pid()')) as [[number]];
  const stateInBlock = async () => {
    await proxy.warm(() => session.query(cached));
    await session.query('BEGIN');
    const [[state]] = (await rowsOf(proxy.originUrl, `SELECT state FROM pg_stat_activity WHERE pid = ${pid}`)) as [
      [string],
    ];
    await session.query('COMMIT');
    return state;
  };
  expect(await stateInBlock()).toBe('idle');
  await session.query('LISTEN news');
  expect(await stateInBlock()).toBe('idle in transaction');
  await session.query('DISCARD ALL');
  expect(await stateInBlock()).toBe('idle');
});
