// Issue 5 item 4, ADR-019: a hot answer that a change took out is asked for again, so that the next reader hits; by a session of the very
// same role and settings, which notices nothing.
import type pg from 'pg';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { ask, askOnce, useProxy } from '../support/fixture.ts';
import { run } from '../support/postgres.ts';
import { codes, connectRaw, rows, serialize } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const schema = `
  CREATE TABLE t (id int PRIMARY KEY, g int, v text, n numeric);
  INSERT INTO t SELECT i, i % 5, 'v' || i, i * 1.5 FROM generate_series(1, 100) i;
  CREATE TABLE other (id int PRIMARY KEY, v int); INSERT INTO other VALUES (1, 1), (2, 2);
  CREATE TABLE guarded (id int PRIMARY KEY, owner text, v int);`;
const on = { args: ['--workers', '1', '--cache-refresh-ahead', 'on', '--cache-in-place', 'off'] };

type Question = pg.QueryArrayConfig & { readonly binary?: boolean };
const raw = { rowMode: 'array', types: { getTypeParser: () => (value: unknown) => value } } as const;

async function answerOf(client: pg.Client, question: Question): Promise<unknown> {
  const { rows, command, rowCount, fields } = await client.query(question);
  return { rows, command, rowCount, fields };
}

describe.each(['pg15roles', 'pg18roles'] as const)('on %s', (origin) => {
  const proxy = useProxy(schema, { ...on, origin });
  const suffix = `${origin}_${Math.floor(performance.timeOrigin % 1e9)}`;
  const roles = [`reader_a_${suffix}`, `reader_b_${suffix}`] as const;
  afterAll(async () => {
    for (const role of roles) await run(proxy.originUrl, `DROP OWNED BY ${role}`).catch(() => undefined);
    await run(inject(origin), `DROP ROLE IF EXISTS ${roles.join(', ')}`).catch(() => undefined);
  });

  const refreshed = async () => (await proxy.pgfresh.status()).cache.refreshed;
  const counted = async (reason: string) => (await proxy.pgfresh.status()).reasons[reason] ?? 0;
  const sent = async () =>
    Number(/^pgfresh_refreshes_total\{outcome="sent"\} (\d+)$/m.exec(await proxy.pgfresh.metrics())![1]);

  /** Hot: read twice from the cache since it was admitted. */
  async function heat(read: () => Promise<unknown>): Promise<void> {
    await proxy.warm(read);
    await proxy.warm(read);
  }

  /** Has the answer go hot, changes it past pgfresh, and waits until it is back. Other tests' roles may empty the cache meanwhile. */
  async function refresh(read: () => Promise<unknown>, write: (attempt: number) => Promise<unknown>): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt++) {
      await heat(read);
      const { invalidated, refreshed: before } = (await proxy.pgfresh.status()).cache;
      await write(attempt);
      await proxy.pgfresh.waitForStatus('the change', ({ cache }) => cache.invalidated > invalidated);
      const isBack = waitFor('the answer', async () => (await refreshed()) > before, 3_000).then(() => true);
      if (await isBack.catch(() => false)) return;
    }
    throw new Error(`never refreshed: ${JSON.stringify(await proxy.pgfresh.status())}`);
  }

  const questions: readonly (readonly [string, Question])[] = [
    ['simple protocol', { ...raw, text: 'SELECT g, count(*), sum(n) FROM t WHERE g = 1 GROUP BY g' }],
    ['extended protocol', { ...raw, text: 'SELECT id, v FROM t WHERE g = $1 ORDER BY id', values: [2] }],
    ['a prepared statement', { ...raw, name: 'p', text: 'SELECT * FROM t WHERE g = $1 ORDER BY v', values: ['3'] }],
    ['binary format', { ...raw, text: 'SELECT id, g, v FROM t WHERE g = $1 ORDER BY 1', values: [4], binary: true }],
  ];

  it.each(questions)('the next reader hits, with the bytes of the origin: %s', async (_, question) => {
    const [session, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
    const g = /g = (\d)/.exec(question.text)?.[1] ?? question.values![0];
    /** How many misses it took until the answer was read from the cache. */
    const readBack = async () => {
      await refresh(
        () => answerOf(session, question),
        (attempt) => direct.query(`UPDATE t SET v = 'changed ${attempt}', n = n + 1 WHERE g = ${g}`),
      );
      const expected = await answerOf(direct, question);
      const { misses } = (await proxy.pgfresh.status()).cache;
      let answer: unknown;
      // Other answers may be confirmed by a later round than this one: the read that hits is the one that counts.
      await proxy.warm(async () => {
        answer = await answerOf(session, question);
      });
      expect(answer).toEqual(expected);
      return (await proxy.pgfresh.status()).cache.misses - misses;
    };
    // A role that another test creates may have emptied the cache in between.
    let missed = await readBack();
    for (let again = 0; again < 4 && missed > 0; again++) missed = await readBack();
    expect(missed).toBe(0);
  });

  it('a transaction of many changes costs one', async () => {
    const [session, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
    const sql = 'SELECT sum(n) FROM t WHERE g = 0';
    let before = 0;
    await refresh(
      () => ask(session, sql),
      async () => {
        before = await sent();
        await direct.query('BEGIN');
        for (let i = 0; i < 50; i++) await direct.query('UPDATE t SET n = n + 1 WHERE g = 0');
        await direct.query('COMMIT');
      },
    );
    expect((await sent()) - before).toBe(1);
    expect(await ask(session, sql)).toEqual(await ask(direct, sql));
  });

  it('who is cold is left to the next miss', async () => {
    const [session, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
    const cold = 'SELECT v FROM t WHERE id = 50 AND g = 0';
    const hot = 'SELECT max(v) FROM t WHERE id = 50';
    await ask(session, cold);
    await refresh(
      () => ask(session, hot),
      () => direct.query('UPDATE t SET v = v || 1 WHERE id = 50'),
    );
    const { hits } = (await proxy.pgfresh.status()).cache;
    expect(await ask(session, cold)).toEqual(await ask(direct, cold));
    expect((await proxy.pgfresh.status()).cache.hits).toBe(hits);
  });

  it("the session's own state is as before: unnamed statement, timeouts, pipelines in order", async () => {
    const [client, direct] = [await connectRaw(proxy.url), await proxy.session(proxy.originUrl)];
    const parse = serialize.parse({ text: 'SELECT $1::int + 1', types: [] });
    const [bind, execute] = [serialize.bind({ values: ['41'] }), serialize.execute({ portal: '', rows: 0 })];
    const query = async (text: string) => {
      client.send(serialize.query(text));
      return rows(await client.until('Z'));
    };
    await query("SET statement_timeout = '12345ms'");
    client.send(parse, serialize.sync());
    await client.until('Z');
    const reading = [serialize.parse({ name: 'mine', text: 'SELECT count(*) FROM t WHERE g < 3', types: [] })];
    client.send(...reading, serialize.sync());
    await client.until('Z');
    const read = async () => {
      client.send(serialize.bind({ statement: 'mine' }), execute, serialize.sync());
      return rows(await client.until('Z'));
    };
    await refresh(read, () => direct.query('UPDATE t SET g = g WHERE id < 5'));
    client.send(bind, execute, serialize.sync());
    const frames = await client.until('Z');
    expect([codes(frames), rows(frames)]).toEqual(['2DCZ', [['42']]]);
    expect(await query('SHOW statement_timeout')).toEqual([['12345ms']]);
    expect(await query('SHOW lock_timeout')).toEqual([['0']]);
    expect(await ask(direct, 'SELECT state FROM pg_stat_activity WHERE pid = $1', [client.processId])).toEqual([
      ['idle'],
    ]);
    client.close();
  });

  it('nobody but the very role and settings is asked for', async () => {
    const [a, b] = roles;
    await run(
      proxy.originUrl,
      `CREATE ROLE ${a} LOGIN PASSWORD 'pw'; CREATE ROLE ${b} LOGIN PASSWORD 'pw'; GRANT SELECT ON guarded TO ${a}, ${b};
       INSERT INTO guarded VALUES (1, '${a}', 1), (2, '${b}', 2); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
       CREATE POLICY own ON guarded USING (owner = current_user)`,
    );
    const sql = 'SELECT owner, v FROM guarded WHERE v < 1000 ORDER BY id';
    const direct = await proxy.session(proxy.originUrl);
    const [asA, asB] = [await proxy.session(proxy.as(a, 'pw')), await proxy.session(proxy.as(b, 'pw'))];
    await heat(() => ask(asB, sql));
    await refresh(
      () => ask(asA, sql),
      () => direct.query('UPDATE guarded SET v = v + 1'),
    );
    expect(await ask(asA, sql)).toEqual(await askOnce(proxy.as(a, 'pw', true), sql));
    expect(await ask(asB, sql)).toEqual(await askOnce(proxy.as(b, 'pw', true), sql));
    // With another time zone it is another context, though the answer would be the same.
    await heat(() => ask(asA, sql));
    await asA.query("SET TimeZone = 'Asia/Tokyo'");
    await waitFor('nobody', async () => {
      const before = await counted('refresh.noSession');
      const of = await proxy.session(proxy.as(a, 'pw'));
      await heat(() => ask(of, sql));
      await of.end();
      await direct.query('UPDATE guarded SET v = v + 1');
      return waitFor('the refusal', async () => (await counted('refresh.noSession')) > before, 2_000).then(
        () => true,
        () => false,
      );
    });
    expect(await ask(asA, sql)).toEqual(await askOnce(proxy.as(a, 'pw', true), sql));
    expect(await ask(asB, sql)).toEqual(await askOnce(proxy.as(b, 'pw', true), sql));
  });
});
