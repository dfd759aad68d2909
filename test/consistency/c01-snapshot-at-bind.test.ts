// C1: a snapshot is as old as the Bind of its portal, not as the answer's arrival: the token is read before the question is sent.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { waitForActive } from '../support/origin-state.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(`
  CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0);
  CREATE TABLE many (id int PRIMARY KEY); INSERT INTO many SELECT generate_series(1, 2500);`);

/** Computed for as long as a change takes to be committed, applied and settled. */
const slow = 'SELECT t.v, count(*) FROM t, many a, many b WHERE t.id = 1 AND a.id + b.id > 0 GROUP BY t.v';
const v = async (session: Parameters<typeof ask>[0]): Promise<unknown> => (await ask(session, slow))[0]![0];

it('an answer that was being computed while its row changed is not admitted', async () => {
  const [reader, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  const quick = 'SELECT v FROM t WHERE id = 1';
  await proxy.warm(() => ask(reader, slow), 'a hit of the slow statement');
  const [[pid]] = (await ask(reader, 'SELECT pg_backend_pid()')) as [[number]];
  // The entry leaves with this change; the next question goes to the origin.
  const { invalidated } = (await proxy.pgfresh.status()).cache;
  await direct.query('UPDATE t SET v = -1 WHERE id = 1');
  await waitFor('the entry to leave', async () => (await proxy.pgfresh.status()).cache.invalidated > invalidated);
  const answer = v(reader);
  await waitForActive(proxy.originUrl, pid);
  await direct.query('UPDATE t SET v = 1 WHERE id = 1');
  const other = await proxy.session();
  await proxy.warm(async () => expect.poll(() => ask(other, quick), { timeout: 10_000 }).toEqual([[1]]));
  await answer;
  for (let i = 0; i < 3; i++) expect(await v(reader)).toBe(1);
}, 60_000);
