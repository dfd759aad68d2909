/** Patience with sessions that do nothing: the origin's, who must not think so of one that only hits, and our own. */
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { connectRaw, serialize, sqlState } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const setup = 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$one$$)';
const patient = useProxy(setup);
const strict = useProxy(setup, { args: ['--idle-timeout', '600ms'] });
const read = 'SELECT v FROM t WHERE id = 1';

describe("the origin's idle_session_timeout", () => {
  it('does not end a session that only hits, and ends it when its client is idle', async () => {
    const client = await connectRaw(patient.url);
    const query = async (text: string) => {
      client.send(serialize.query(text));
      return (await client.until('Z')).map(({ code }) => code).join('');
    };
    await patient.warm(() => query(read));
    expect(await query("SET idle_session_timeout = '2s'")).toBe('CZ');
    await patient.warm(() => query(read), 'a hit after SET');
    const [before, startMs] = [await patient.hits(), performance.now()];
    let queries = 0;
    while (performance.now() - startMs < 4500) {
      expect(await query(read)).toBe('TDCZ');
      queries++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await patient.hits()) - before).toBeGreaterThan(queries / 2);
    const frames = await client.rest();
    expect(sqlState(frames.at(-1))).toBe('57P05');
  });

  it('does not end a block whose BEGIN the origin has not got yet', async () => {
    const client = await patient.session();
    await patient.warm(() => ask(client, read));
    await client.query("SET idle_session_timeout = '1s'");
    await patient.warm(() => ask(client, read), 'a hit after SET');
    const [[pid]] = (await ask(client, 'SELECT pg_backend_pid()')) as [[number]];
    await client.query('BEGIN');
    expect(await ask(client, read)).toEqual([['one']]);
    // As without us: what counts from now on is idle_in_transaction_session_timeout.
    const state = () => rowsOf(patient.originUrl, `SELECT state FROM pg_stat_activity WHERE pid = ${pid}`);
    await waitFor('the block at the origin', async () => (await state())[0]?.[0] === 'idle in transaction');
    expect(await ask(client, read)).toEqual([['one']]);
    await client.query('COMMIT');
  });
});

describe('limits.idle_timeout', () => {
  it('ends a session that is idle outside of a transaction, and no other', async () => {
    const [idle, busy] = [await connectRaw(strict.url), await strict.session()];
    await busy.query('BEGIN; UPDATE t SET v = v');
    expect(sqlState((await idle.rest()).at(-1))).toBe('57P05');
    const slow = await strict.session();
    expect(await ask(slow, "SELECT 'slow' FROM pg_sleep(1.5)")).toEqual([['slow']]);
    await busy.query('COMMIT');
  });
});
