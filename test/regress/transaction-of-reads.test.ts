// Design §4, issue 4: in a READ COMMITTED transaction that has written nothing, reads hit and fill, and one that only hits never reaches the
// origin. What it writes it sees, and READ ONLY, errors, savepoints and chained transactions are the origin's own.
import type pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { ask, askOnce, useProxy } from '../support/fixture.ts';
import { openPool } from '../support/pool.ts';
import { run } from '../support/postgres.ts';
import { codes, connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const read = 'SELECT v FROM t WHERE id = $1';

const sqlstateOf = (body: Buffer) => /\0C([0-9A-Z]{5})\0/.exec(body.toString('latin1'))?.[1];

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(
    `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g;
     CREATE TABLE log (id serial PRIMARY KEY, note text)`,
    { origin },
  );
  const clients: { close(): void }[] = [];
  afterAll(() => {
    for (const client of clients) client.close();
  });

  /** When the session's server process got its last message, and what it said of itself then. */
  async function lastHeard(client: pg.Client): Promise<unknown> {
    const { processID } = client as unknown as { processID: number };
    const sql = 'SELECT query_start::text, state_change::text, state FROM pg_stat_activity WHERE pid = $1';
    return (await askOnce(proxy.originUrl, sql, [processID]))[0];
  }

  it('sends nothing to the origin for BEGIN, hits, COMMIT', async () => {
    const client = await proxy.session();
    await proxy.warm(() => ask(client, read, [1]));
    const transactions = async () => {
      const before = await lastHeard(client);
      for (const end of ['COMMIT', 'ROLLBACK', 'COMMIT']) {
        expect((await client.query('BEGIN')).command).toBe('BEGIN');
        for (let i = 0; i < 5; i++) expect(await ask(client, read, [1])).toEqual([[0]]);
        expect((await client.query(end)).command).toBe(end);
      }
      return JSON.stringify(before) === JSON.stringify(await lastHeard(client));
    };
    // On a busy machine a read may find the cache not fresh enough.
    await expect.poll(transactions, { timeout: 15_000 }).toBe(true);
  });

  it('says with each ReadyForQuery what the client expects', async () => {
    const client = await connectRaw(proxy.url);
    clients.push(client);
    await proxy.warm(() => askOnce(proxy.url, read, ['2']));
    const status = async (...messages: Buffer[]) => {
      client.send(...messages);
      const frames = await client.until('Z');
      return `${codes(frames)}${String.fromCharCode(frames.at(-1)!.body[0]!)}`;
    };
    const query = (text: string) => status(serialize.query(text));
    const extended = (text: string, values: string[] = []) => status(statement(text, values), serialize.sync());
    for (let i = 0; i < 3; i++) {
      expect(await query('BEGIN')).toBe('CZT');
      expect(await status(serialize.sync())).toBe('ZT');
      expect(await extended(read, ['2'])).toBe('12TDCZT');
      expect(await query('COMMIT')).toBe('CZI');
      expect(await extended('START TRANSACTION READ ONLY')).toBe('12nCZT');
      expect(await extended(read, ['2'])).toBe('12TDCZT');
      expect(await extended('ROLLBACK')).toBe('12nCZI');
      // JDBC sends BEGIN with the first statement.
      expect(await status(statement('BEGIN', [], '', false), statement(read, ['2']), serialize.sync())).toBe(
        '12C12TDCZT',
      );
      expect(await query('nonsense')).toBe('EZE');
      expect(await extended(read, ['2'])).toBe('EZE');
      expect(await query('COMMIT')).toBe('CZI');
      expect(await query('BEGIN')).toBe('CZT');
      expect(await query('BEGIN')).toBe('NCZT');
      expect(await query('COMMIT AND CHAIN')).toBe('CZT');
      expect(await query('ROLLBACK')).toBe('CZI');
      expect(await query('COMMIT')).toBe('NCZI');
      expect(await query('BEGIN; SELECT 1; COMMIT')).toBe('CTDCCZI');
    }
  });

  it('a prepared BEGIN is held back as well, and again after other statements', async () => {
    const client = await connectRaw(proxy.url);
    clients.push(client);
    await proxy.warm(() => askOnce(proxy.url, read, ['3']));
    client.send(
      serialize.parse({ name: 'b', text: 'BEGIN', types: [] }),
      serialize.describe({ type: 'S', name: 'b' }),
      serialize.sync(),
    );
    expect(codes(await client.until('Z'))).toBe('1tnZ');
    const begin = [serialize.bind({ statement: 'b' }), serialize.execute({ portal: '', rows: 0 })];
    for (let i = 1; i <= 5; i++) {
      client.send(...begin, statement(read, ['3']), serialize.sync());
      expect(rows(await client.until('Z'))).toHaveLength(1);
      client.send(statement('UPDATE t SET v = $1 WHERE id = 3', [String(i)]), serialize.sync());
      await client.until('Z');
      client.send(statement(read, ['3']), serialize.sync());
      expect(rows(await client.until('Z'))).toEqual([[String(i)]]);
      client.send(serialize.query('COMMIT'), statement(read, ['3']), serialize.sync());
      expect(rows(await client.until('Z', 2))).toEqual([[String(i)]]);
    }
  });

  it('fills the cache for an application that does everything in transactions', async () => {
    const client = await proxy.session();
    await proxy.warm(async () => {
      await client.query('BEGIN');
      await ask(client, read, [4]);
      await client.query('COMMIT');
    });
    const before = await proxy.hits();
    await client.query('BEGIN');
    await ask(client, read, [77]);
    await ask(client, read, [4]);
    await client.query('COMMIT');
    await proxy.warm(() => ask(client, read, [77]));
    expect(await proxy.hits()).toBeGreaterThan(before);
  });

  it('reads its own writes, rolled back ones included, and others read them after COMMIT only', async () => {
    const writer = await proxy.session();
    const reader = await proxy.session();
    for (let i = 1; i <= 30; i++) {
      await proxy.warm(() => ask(reader, read, [5]));
      const [[committed]] = (await ask(reader, read, [5])) as [[number]];
      await writer.query('BEGIN');
      expect(await ask(writer, read, [5])).toEqual([[committed]]);
      await writer.query('UPDATE t SET v = $1 WHERE id = 5', [i]);
      expect(await ask(writer, read, [5])).toEqual([[i]]);
      expect(await ask(reader, read, [5])).toEqual([[committed]]);
      const keeps = i % 3 !== 0;
      await writer.query(keeps ? 'COMMIT' : 'ROLLBACK');
      expect(await ask(writer, read, [5])).toEqual([[keeps ? i : committed]]);
      expect(await ask(reader, read, [5])).toEqual([[keeps ? i : committed]]);
    }
  });

  it('nothing that a transaction has not committed gets into the cache', async () => {
    const writer = await proxy.session();
    const fresh = () => askOnce(proxy.url, read, [6]);
    for (let i = 1; i <= 10; i++) {
      await writer.query('BEGIN');
      await writer.query('UPDATE t SET v = $1 WHERE id = 6', [1000 + i]);
      for (let j = 0; j < 3; j++) expect(await ask(writer, read, [6])).toEqual([[1000 + i]]);
      await writer.query('ROLLBACK');
      for (let j = 0; j < 3; j++) expect(await fresh()).toEqual([[0]]);
    }
  });

  it('sees in the middle of a transaction what others have committed', async () => {
    const client = await proxy.session();
    await proxy.warm(() => ask(client, read, [7]));
    await client.query('BEGIN');
    for (let i = 1; i <= 20; i++) {
      await run(proxy.url, `UPDATE t SET v = ${i} WHERE id = 7`);
      expect(await ask(client, read, [7])).toEqual([[i]]);
    }
    await client.query('COMMIT');
  });

  it('a transaction with a stricter level keeps its snapshot', async () => {
    const client = await proxy.session();
    await proxy.warm(() => ask(client, read, [8]));
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const [[first]] = (await ask(client, 'SELECT v FROM t WHERE id = 8')) as [[number]];
    await run(proxy.url, 'UPDATE t SET v = v + 1 WHERE id = 8');
    for (let i = 0; i < 10; i++) {
      expect(await ask(client, read, [8])).toEqual([[first]]);
      await askOnce(proxy.url, read, [8]);
    }
    await client.query('COMMIT');
    expect(await ask(client, read, [8])).toEqual([[first + 1]]);
    await client.query('BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await ask(client, 'SELECT count(*) FROM log');
    await run(proxy.url, 'UPDATE t SET v = v + 1 WHERE id = 8');
    await proxy.warm(() => askOnce(proxy.url, read, [8]));
    expect(await ask(client, read, [8])).toEqual([[first + 1]]);
    await client.query('COMMIT');
  });

  it('READ ONLY is enforced, and a write behind it rolls back with it', async () => {
    const client = await proxy.session();
    await proxy.warm(() => ask(client, read, [9]));
    await client.query('BEGIN READ ONLY');
    expect(await ask(client, read, [9])).toEqual([[0]]);
    await expect(client.query('UPDATE t SET v = 1 WHERE id = 9')).rejects.toMatchObject({ code: '25006' });
    await expect(ask(client, read, [9])).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
    expect(await ask(client, read, [9])).toEqual([[0]]);
  });

  it('SET LOCAL, savepoints and locks end the shortcut, not the transaction', async () => {
    const client = await proxy.session();
    await proxy.warm(() => ask(client, read, [10]));
    for (const step of [
      "SET LOCAL TimeZone = 'Asia/Tokyo'",
      'SAVEPOINT a',
      'SELECT v FROM t WHERE id = 10 FOR UPDATE',
    ]) {
      await client.query('BEGIN');
      await ask(client, read, [10]);
      await client.query(step);
      const before = await proxy.hits();
      await ask(client, read, [10]);
      expect(await proxy.hits()).toBe(before);
      await client.query('COMMIT');
      await proxy.warm(() => ask(client, read, [10]));
    }
  });

  it('the unnamed portal is the last one that the client bound, wherever that was answered', async () => {
    await proxy.warm(() => askOnce(proxy.url, read, ['12']));
    await proxy.warm(() => askOnce(proxy.url, 'SELECT v FROM t WHERE id = 12'));
    const again = [serialize.execute({ portal: '', rows: 0 }), serialize.sync()];
    const all = 'SELECT g FROM generate_series(1, 5) g';
    const suspended = [
      ...[
        serialize.parse({ text: all }),
        serialize.bind({}),
        serialize.execute({ portal: '', rows: 2 }),
        serialize.sync(),
      ],
    ];
    const simple = serialize.query('SELECT v FROM t WHERE id = 12');
    const extended = [statement(read, ['12']), serialize.sync()];
    const other = 'SELECT g, g AS h FROM generate_series(1, 5) g';
    const failing = [serialize.parse({ text: 'nonsense' }), serialize.bind({}), ...again];
    const described = [serialize.describe({ type: 'P', name: '' }), serialize.sync()];
    const closed = [serialize.close({ type: 'P', name: '' }), serialize.sync()];
    const begin = [statement('BEGIN', [], '', false), serialize.sync()];
    const rollback = [statement('ROLLBACK'), serialize.sync()];
    const prepared = (text: string) => [
      serialize.parse({ name: 'control', text }),
      serialize.bind({ statement: 'control' }),
      ...again,
    ];
    const exchanges: Buffer[][] = [
      ...[
        [serialize.query('BEGIN')],
        suspended,
        extended,
        again,
        extended,
        extended,
        again,
        [serialize.query('COMMIT')],
      ],
      ...[[serialize.query('BEGIN')], extended, again, [serialize.query('ROLLBACK')]],
      ...[[serialize.query('BEGIN')], suspended, [simple], again, [serialize.query('ROLLBACK')]],
      ...[[serialize.query('BEGIN')], [simple], suspended, again, [serialize.query('COMMIT')], extended, again],
      // What fails before it would have replaced the portal leaves the one of before, and a failed block tells whether there is one.
      ...[[serialize.query('BEGIN')], suspended, [simple], failing, again, [serialize.query('ROLLBACK')]],
      ...[[serialize.query('BEGIN')], suspended, [simple], [serialize.query('SELECT 1/0')], again, rollback],
      ...[[serialize.query('BEGIN')], extended, failing, again, [serialize.query('ROLLBACK')]],
      ...[[serialize.query('BEGIN')], extended, [serialize.query('nonsense')], again, described, rollback],
      ...[[serialize.query('BEGIN')], suspended, failing, again, [serialize.query('ROLLBACK')]],
      ...[begin, again, rollback],
      ...[begin, described, [simple], again, rollback],
      ...[[...begin.slice(0, -1), ...extended], again, rollback],
      ...[begin, extended, closed, again, rollback],
      // A failed block closes and describes a BEGIN that was prepared here.
      ...[prepared('BEGIN'), failing, [serialize.describe({ type: 'S', name: 'control' }), serialize.sync()]],
      ...[[serialize.close({ type: 'S', name: 'control' }), ...prepared('COMMIT')]],
      ...[[serialize.close({ type: 'S', name: 'control' }), ...prepared('BEGIN')], failing],
      ...[[serialize.close({ type: 'S', name: 'control' }), ...prepared('ROLLBACK')]],
      ...[[serialize.close({ type: 'S', name: 'control' }), serialize.sync()]],
      // The portal keeps its statement when the name is given to another.
      ...[begin, extended, [serialize.parse({ text: other }), serialize.sync()], described, again, rollback],
    ];
    const run = async (url: string) => {
      const client = await connectRaw(url);
      clients.push(client);
      const seen: string[] = [];
      for (const messages of exchanges) {
        client.send(...messages);
        const frames = await client.until('Z');
        const described = frames.filter(({ code }) => code === 'T').map(({ body }) => body.readInt16BE(0));
        const errors = frames.filter(({ code }) => code === 'E').map(({ body }) => sqlstateOf(body));
        const end = frames.at(-1)!.body.toString();
        seen.push(`${codes(frames)} ${JSON.stringify([rows(frames), described, errors])} ${end}`);
      }
      return seen;
    };
    const expected = await run(proxy.originUrl);
    for (let i = 0; i < 3; i++) expect(await run(proxy.url)).toEqual(expected);
  });

  it('every kind of transaction says what the origin says', async () => {
    await proxy.warm(() => askOnce(proxy.url, 'SELECT v FROM t WHERE id = 13'));
    const hit = 'SELECT v FROM t WHERE id = 13';
    const scripts = [
      ['BEGIN READ ONLY', hit, 'SHOW transaction_read_only', 'DELETE FROM log', hit, 'ROLLBACK', hit],
      ['BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE', hit, 'SHOW transaction_deferrable', 'COMMIT'],
      [
        'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE',
        hit,
        'SHOW transaction_isolation',
        'COMMIT AND CHAIN',
        hit,
        'COMMIT',
      ],
      ['BEGIN', hit, 'COMMIT AND CHAIN', hit, 'ROLLBACK AND CHAIN', hit, 'COMMIT', 'COMMIT AND CHAIN'],
      ['BEGIN', 'ROLLBACK', 'ROLLBACK', 'BEGIN', 'BEGIN', hit, 'BEGIN READ ONLY', hit, 'END'],
      ['BEGIN', "SET LOCAL TimeZone = 'Asia/Tokyo'", 'SHOW TimeZone', hit, 'ROLLBACK', 'SHOW TimeZone'],
      ['BEGIN', hit, 'SAVEPOINT a', 'nonsense', hit, 'ROLLBACK TO a', hit, 'RELEASE a', 'RELEASE a', 'COMMIT'],
      ['SAVEPOINT a', 'LOCK TABLE t', 'BEGIN', hit, 'LOCK TABLE t IN ACCESS SHARE MODE', hit, 'COMMIT'],
      ['BEGIN', hit, 'SET TRANSACTION READ ONLY', 'DELETE FROM log', 'ABORT'],
      [
        'BEGIN',
        hit,
        "PREPARE TRANSACTION 'two phases'",
        "ROLLBACK PREPARED 'two phases'",
        'COMMIT',
        `BEGIN; ${hit}; COMMIT`,
        `BEGIN; ${hit}`,
        hit,
        'COMMIT',
      ],
      ["SET default_transaction_isolation = 'serializable'", 'BEGIN', hit, 'SHOW transaction_isolation', 'COMMIT'],
      [
        'RESET default_transaction_isolation',
        'SET default_transaction_read_only = on',
        'BEGIN',
        hit,
        'DELETE FROM log',
        'END',
      ],
      [
        'RESET default_transaction_read_only',
        'BEGIN',
        hit,
        'SELECT now() = statement_timestamp() OR true',
        'COMMIT',
        hit,
      ],
      ['BEGIN', 'SELECT now() - now(), txid_current_if_assigned()', hit, 'SELECT pg_sleep(0.001)', hit, 'COMMIT'],
    ];
    const run = async (url: string) => {
      const client = await connectRaw(url);
      clients.push(client);
      const seen: string[] = [];
      for (const sql of scripts.flat()) {
        client.send(serialize.query(sql));
        const frames = await client.until('Z');
        const errors = frames.filter(({ code }) => code === 'E' || code === 'N').map(({ body }) => sqlstateOf(body));
        seen.push(`${sql}: ${codes(frames)} ${JSON.stringify([rows(frames), errors])} ${frames.at(-1)!.body}`);
      }
      return seen;
    };
    const expected = await run(proxy.originUrl);
    for (let i = 0; i < 2; i++) expect(await run(proxy.url)).toEqual(expected);
  });

  it('a long statement, COPY and a function call find the transaction open', async () => {
    const client = await connectRaw(proxy.url);
    clients.push(client);
    await proxy.warm(() => askOnce(proxy.url, read, ['11']));
    const isOpen = async () => {
      client.send(serialize.query('ROLLBACK'));
      await client.until('Z');
      return askOnce(proxy.originUrl, 'SELECT count(*)::int FROM log');
    };
    const begin = async () => {
      client.send(serialize.query('BEGIN'), statement(read, ['11']), serialize.sync());
      await client.until('Z', 2);
    };
    await begin();
    client.send(serialize.query(`INSERT INTO log (note) VALUES ('${'x'.repeat(200_000)}')`));
    expect(codes(await client.until('Z'))).toBe('CZ');
    expect(await isOpen()).toEqual([[0]]);
    await begin();
    client.send(
      serialize.query('COPY log (note) FROM STDIN'),
      serialize.copyData(Buffer.from('a\nb\n')),
      serialize.copyDone(),
    );
    expect(codes(await client.until('Z'))).toBe('GCZ');
    expect(await isOpen()).toEqual([[0]]);
  });

  it('a pool of drivers runs transactions of all kinds without a wrong answer', async () => {
    const pool = openPool(proxy.url, 6);
    const transfer = async (from: number, to: number) => {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query({ name: 'read', text: read, values: [from] });
        await client.query('UPDATE t SET v = v - 1 WHERE id = $1', [from]);
        await client.query('UPDATE t SET v = v + 1 WHERE id = $1', [to]);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        if ((error as { code?: string }).code !== '40P01') throw error;
      } finally {
        client.release();
      }
    };
    const before = await askOnce(proxy.originUrl, 'SELECT sum(v)::int FROM t WHERE id BETWEEN 50 AND 60');
    await Promise.all(Array.from({ length: 120 }, (_, i) => transfer(50 + (i % 11), 50 + ((i * 7 + 3) % 11))));
    expect(await askOnce(proxy.url, 'SELECT sum(v)::int FROM t WHERE id BETWEEN 50 AND 60')).toEqual(before);
    for (let id = 50; id <= 60; id++)
      expect(await askOnce(proxy.url, read, [id])).toEqual(await askOnce(proxy.originUrl, read, [id]));
    await pool.end();
  });
});
