// Issue 4 item 8, issue 5 item 6: what a statement's comment asks for holds for that statement, in both protocols, and its entry stays the same.
import { describe, expect, it } from 'vitest';
import { ask, askOnce, useProxy } from '../support/fixture.ts';
import { run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(
  `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g;
   CREATE TABLE unseen (id int PRIMARY KEY)`,
  { args: ['--cache-max-staleness', '2s'] },
);
const small = useProxy(
  `CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, repeat('x', 2000) FROM generate_series(1, 9000) i`,
  { args: ['--cache-memory', '1MB', '--cache-max-entry', '64KB', '--workers', '1'] },
);
const emptied = () => small.pgfresh.lines.filter((line) => line.includes('cache emptied')).length;
const reasons = async (code: string) => (await proxy.pgfresh.status()).reasons[code] ?? 0;
const rose = async (code: string, act: () => Promise<unknown>) => {
  const before = await reasons(code);
  await act();
  return (await reasons(code)) - before;
};

describe.each([
  ['simple', (hint: string, id: number) => ({ text: `${hint} SELECT v FROM t WHERE id = ${id}`, rowMode: 'array' })],
  [
    'extended',
    (hint: string, id: number) => ({ text: `${hint} SELECT v FROM t WHERE id = $1`, values: [id], rowMode: 'array' }),
  ],
  [
    'prepared',
    (hint: string, id: number) => ({
      name: `s ${hint}`,
      text: `SELECT v FROM t WHERE ${hint} id = $1`,
      values: [id],
      rowMode: 'array',
    }),
  ],
] as const)('%s protocol', (protocol, query) => {
  const id = ['simple', 'extended', 'prepared'].indexOf(protocol) + 1;

  it('skip: the origin answers, and nothing is stored', async () => {
    const client = await proxy.session();
    const skipped = query('/* pgfresh: skip */', id + 10);
    await proxy.warm(() => client.query(query('', id)));
    expect(await rose('statement.skipped', () => client.query(skipped))).toBe(1);
    for (let i = 0; i < 5; i++) await client.query(skipped);
    const before = await proxy.hits();
    await client.query(query('', id + 10));
    expect(await proxy.hits()).toBe(before);
    // The same key from now on, whatever the hint.
    await proxy.warm(() => client.query(query('', id + 10)));
    expect(await rose('statement.skipped', () => client.query(skipped))).toBe(1);
    await proxy.warm(() => client.query(query('/* pgfresh: max_staleness=60s */', id + 10)));
  });

  it('max_staleness: a tighter one is met by a newer round, not by an older answer', async () => {
    const client = await proxy.session();
    const tight = query('/* pgfresh: max_staleness=0ms */', id);
    await proxy.warm(() => client.query(query('', id)));
    await waitFor('an answer that is too old', async () => (await rose('cache.stale', () => client.query(tight))) > 0);
    await proxy.warm(() => client.query(query('/* pgfresh: max_staleness=1s */', id)));
  });

  it('pin: the answer is marked, whoever stored it first, and changes remove it as ever', async () => {
    const client = await proxy.session();
    const pinned = query('/* pgfresh: pin */', id + 20);
    const isPinned = async () => (await proxy.pgfresh.status()).cache.pinnedEntries > 0;
    await proxy.warm(() => client.query(query('', id + 20)));
    await run(proxy.originUrl, 'UPDATE t SET v = -1 WHERE id BETWEEN 20 AND 40');
    await waitFor('a pinned answer', async () => {
      await client.query(pinned);
      return isPinned();
    });
    await proxy.warm(() => client.query(pinned));
    await client.query(`UPDATE t SET v = 7 WHERE id = ${id + 20}`);
    expect((await client.query(pinned)).rows).toEqual([[7]]);
    // Corrected in place, or asked for anew: pinned again.
    await proxy.warm(() => client.query(pinned));
    await waitFor('it to be counted as pinned', isPinned);
    await client.query('TRUNCATE t');
    await waitFor('no pinned answer', async () => !(await isPinned()));
    await client.query('INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g');
  });

  it('an unknown hint is as if there were none, and counted', async () => {
    const client = await proxy.session();
    await proxy.warm(() => client.query(query('', id)));
    const odd = query('/* pgfresh: time_bucket=1min */', id);
    expect(await rose('statement.unknownHint', () => proxy.warm(() => client.query(odd)))).toBeGreaterThan(0);
  });
});

it('consistency: bounded hits behind a fence, strong waits for the write in a bounded session', async () => {
  const [client, writer] = [await proxy.session(), await proxy.session()];
  const read = 'SELECT v FROM t WHERE id = $1';
  const bounded = `/* pgfresh: consistency=bounded */ ${read}`;
  const strong = `/* pgfresh: consistency=strong */ ${read}`;
  const off = `/* pgfresh: consistency=off */ ${read}`;
  await proxy.warm(() => ask(client, read, [50]));
  expect(await rose('cache.off', () => ask(client, off, [50]))).toBe(1);
  await ask(client, 'SET pgfresh.consistency = bounded');
  for (let i = 1; i <= 20; i++) {
    await ask(writer, 'UPDATE t SET v = $1 WHERE id = 50', [i]);
    expect(await ask(client, strong, [50])).toEqual([[i]]);
    await proxy.warm(() => ask(client, strong, [50]));
  }
  await ask(client, 'RESET pgfresh.consistency');
  // A write whose table is unknown fences everything; who reads `bounded` does not mind.
  const fencedButServed = async () => {
    await proxy.warm(() => ask(client, read, [51]));
    await ask(writer, 'DO $$ BEGIN PERFORM 1 FROM unseen; END $$');
    const before = await proxy.hits();
    expect(await ask(client, bounded, [51])).toEqual([[0]]);
    return (await proxy.hits()) - before;
  };
  await expect.poll(fencedButServed, { timeout: 15_000 }).toBe(1);
  expect(await askOnce(proxy.url, bounded, [51])).toEqual([[0]]);
});

it('a scan many times the size of the store leaves what is pinned', async () => {
  const { pinnedEntries } = (await small.pgfresh.status()).cache;
  expect(pinnedEntries).toBe(0);
  const client = await small.session();
  const pinned = (id: number) => client.query(`/* pgfresh: pin */ SELECT v FROM item WHERE id = ${id}`);
  const pinAll = async () => {
    for (let id = 1; id <= 20; id++) await small.warm(() => pinned(id));
  };
  const scan = async (from: number) => {
    // Each twice: what is asked for once is hardly kept.
    for (let id = from; id < from + 1_500; id++)
      for (let i = 0; i < 2; i++) await ask(client, 'SELECT v FROM item WHERE id = $1', [id]);
  };
  const attempt = async (from: number): Promise<boolean> => {
    await pinAll();
    const before = emptied();
    await scan(from);
    // Roles are the whole server's: other test files empty the cache by making some.
    if (emptied() !== before) return false;
    expect((await small.pgfresh.status()).cache.evicted).toBeGreaterThan(0);
    const hits = await small.hits();
    for (let id = 1; id <= 20; id++) await pinned(id);
    expect((await small.hits()) - hits).toBe(20);
    return true;
  };
  for (let from = 1_000; !(await attempt(from)); from += 1_500);
  const metrics = await (await fetch(`${small.pgfresh.adminUrl}/metrics`)).text();
  expect(metrics).toMatch(/^pgfresh_cache_pinned_entries (?:[2-9]\d|20)/m);
  expect(metrics).toMatch(/^pgfresh_cache_pinned_bytes [1-9]/m);
});
