/** Hits of a worker alone: a real origin, a real store, and a stand-in for the cache thread that admits what is offered. */
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { StoreState } from '../../src/shared/memory/layout.ts';
import { attachFakeCache, type FakeCache } from '../support/fake-cache.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { codes, connectRaw, rows, serialize, sqlState, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { cachedConfig, startWorker, type TestWorker } from '../support/worker.ts';

const setup = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g`;

describe('hits', () => {
  let worker: TestWorker;
  let cache: FakeCache;
  let database: { url: string; drop(): Promise<void> };
  let url: string;

  beforeAll(async () => {
    database = await createDatabase(inject('pg18'), setup);
  });
  afterAll(() => database.drop());

  beforeEach(async () => {
    const config = cachedConfig(inject('pg18'));
    worker = await startWorker(config);
    cache = attachFakeCache(worker.runtime);
    url = worker.url(database.url);
    return async () => {
      cache.store.check();
      expect(worker.count('hits') + worker.count('misses') + worker.count('passthrough')).toBe(
        worker.count('statements'),
      );
      await worker.stop();
    };
  });

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Asks until the answer came from the store, and gives the last one. */
  async function untilHit<T>(ask: () => Promise<T>): Promise<T> {
    const before = worker.count('hits');
    let last: T | undefined;
    await waitFor('a hit', async () => {
      last = await ask();
      return worker.count('hits') > before;
    });
    return last!;
  }

  /** How many of the statements that `act` runs hit. */
  async function hitsOf(act: () => Promise<unknown>): Promise<number> {
    const before = worker.count('hits');
    await act();
    return worker.count('hits') - before;
  }

  const byText = 'SELECT v FROM t WHERE id = 5';
  const byParameter = { text: 'SELECT v FROM t WHERE id = $1', values: [6] };
  const byName = { name: 'byName', text: 'SELECT v FROM t WHERE id = $1', values: [7] };

  it('come in the simple, the extended and the prepared protocol, equal to the answer of the origin', async () => {
    const client = await connect();
    expect((await untilHit(() => client.query(byText))).rows).toEqual([{ v: 'v5' }]);
    expect((await untilHit(() => client.query(byParameter))).rows).toEqual([{ v: 'v6' }]);
    expect((await untilHit(() => client.query(byName))).rows).toEqual([{ v: 'v7' }]);
    expect((await untilHit(() => client.query({ ...byName, values: [8] }))).rows).toEqual([{ v: 'v8' }]);
    await client.end();
  });

  it('come to postgres.js, which describes first', async () => {
    const ask = async () => {
      const sql = postgres(url, { max: 1 });
      const answer = await sql`SELECT v FROM t WHERE id = ${9}`;
      await sql.end();
      return [...answer];
    };
    expect(await untilHit(ask)).toEqual([{ v: 'v9' }]);
    expect(
      cache.offers.some(
        ({ rowDescriptionBytes, keyBytes, bytes }) => rowDescriptionBytes === 0 && bytes[keyBytes] === 0x74,
      ),
    ).toBe(true);
  });

  it('are shared by sessions with equal settings, and by no other', async () => {
    const [one, two, other] = [await connect(), await connect(), await connect()];
    await untilHit(() => one.query(byText));
    expect(await hitsOf(() => two.query(byText))).toBe(1);
    await other.query("SET timezone = 'Asia/Tokyo'");
    expect(await hitsOf(() => other.query(byText))).toBe(0);
    await Promise.all([one.end(), two.end(), other.end()]);
  });

  it('do not split over trace comments', async () => {
    const client = await connect();
    await untilHit(() => client.query(byText));
    expect(await hitsOf(() => client.query(`${byText} /*traceparent='00-abc-1'*/`))).toBe(1);
    await client.end();
  });

  it.each([
    ['a constant that looks like a comment', "SELECT v FROM t WHERE v <> '--' AND id = 1"],
    ['letters beyond ASCII', "SELECT v FROM t WHERE v <> 'größer' AND id = 1"],
    ['a comment in the middle', 'SELECT v /* größer */ FROM t WHERE id = 1'],
  ])('are found again by a text with %s', async (_what, text) => {
    const client = await connect();
    await untilHit(() => client.query(text));
    expect(await hitsOf(() => client.query(text))).toBe(1);
    await client.end();
  });

  it('answer a batch as one, and give way to the origin when one part is missing', async () => {
    const client = await connectRaw(url);
    const ask = async (...ids: string[]) => {
      client.send(...ids.map((id) => statement('SELECT v FROM t WHERE id = $1', [id])), serialize.sync());
      return client.until('Z');
    };
    await untilHit(() => ask('1'));
    await untilHit(() => ask('2'));
    expect(await hitsOf(() => ask('1', '2'))).toBe(2);
    let mixed = '';
    expect(await hitsOf(async () => (mixed = codes(await ask('1', '50', '2'))))).toBe(0);
    expect(mixed).toBe('12TDC12TDC12TDCZ');
    client.close();
  });

  it('replay a Parse answered here when the origin needs the statement', async () => {
    const first = await connectRaw(url);
    const parse = (name: string) => serialize.parse({ name, text: 'SELECT v FROM t WHERE id = $1', types: [23] });
    const bind = (name: string, id: string) =>
      Buffer.concat([
        serialize.bind({ statement: name, values: [id] }),
        serialize.execute({ portal: '', rows: 0 }),
        serialize.sync(),
      ]);
    await untilHit(async () => {
      first.send(parse(''), bind('', '3'));
      return first.until('Z');
    });
    first.close();

    const second = await connectRaw(url);
    await waitFor('the context', async () => {
      second.send(parse(''), bind('', '3'));
      const before = worker.count('hits');
      await second.until('Z');
      return worker.count('hits') >= before && worker.count('hits') > 1;
    });
    const hits = await hitsOf(async () => {
      second.send(parse('kept'), bind('kept', '3'));
      expect(codes(await second.until('Z'))).toBe('12DCZ');
    });
    expect(hits).toBe(1);
    second.send(bind('kept', '44'));
    const missed = await second.until('Z');
    expect(codes(missed)).toBe('2DCZ');
    expect(rows(missed)).toEqual([['v44']]);
    second.send(serialize.query('SELECT count(*) FROM pg_prepared_statements'));
    expect(rows(await second.until('Z'))).toEqual([['1']]);
    second.close();
  });

  it('make a Bind fail whose unnamed statement a hit has destroyed', async () => {
    const client = await connectRaw(url);
    await untilHit(async () => {
      client.send(serialize.query(byText));
      return client.until('Z');
    });
    client.send(
      serialize.parse({ name: '', text: 'SELECT 12', types: [] }),
      serialize.sync(),
      serialize.query('SELECT 13 WHERE random() < 2'),
    );
    client.send(serialize.parse({ name: '', text: 'SELECT 12', types: [] }), serialize.sync());
    await client.until('Z', 3);
    expect(
      await hitsOf(async () => {
        client.send(serialize.query(byText));
        await client.until('Z');
      }),
    ).toBe(1);
    client.send(serialize.bind({}), serialize.execute({ portal: '', rows: 0 }), serialize.sync());
    expect(sqlState((await client.until('Z')).find(({ code }) => code === 'E'))).toBe('26000');
    client.close();
  });

  it('keep the order of a pipeline: a hit waits for what is owed before it', async () => {
    const client = await connectRaw(url);
    await untilHit(async () => {
      client.send(serialize.query(byText));
      return client.until('Z');
    });
    client.send(serialize.query('SELECT pg_sleep(0.1)'), serialize.query(byText), serialize.query("SELECT 'last'"));
    expect(rows(await client.until('Z', 3))).toEqual([[''], ['v5'], ['last']]);
    client.close();
  });

  it('answers EXPLAIN (PGFRESH) in the end though the cache thread says nothing, and in order', async () => {
    const client = await connectRaw(url);
    await untilHit(async () => {
      client.send(serialize.query(byText));
      return client.until('Z');
    });
    client.send(serialize.query('EXPLAIN (PGFRESH) SELECT 1'), serialize.query("SELECT 'last'"));
    const answered = rows(await client.until('Z', 2)).flat();
    expect(answered).toContain('cacheable');
    expect(answered.at(-1)).toBe('last');
    client.close();
  });

  it('are not waited for after DDL when the cache thread has died over its look at the publication', async () => {
    const client = await connect();
    cache.ignoreLooks();
    await client.query('ALTER TABLE t ALTER v SET STATISTICS 50');
    // Each would be held back for as long as the first, which is longer in all than a test may take.
    for (let i = 0; i < 100; i++) await client.query(`SELECT 'next', ${i}`);
    await client.end();
  });

  it('stop for a fenced table until a round has passed the write, in every session', async () => {
    const [writer, reader] = [await connect(), await connect()];
    await untilHit(() => reader.query(byText));
    cache.followNudges(false);
    await writer.query("UPDATE t SET v = 'changed' WHERE id = 99");
    await waitFor('the verdict', () => cache.analysed.some(({ text }) => text.startsWith('UPDATE')));
    expect(await hitsOf(() => reader.query(byText))).toBe(0);
    cache.round();
    expect(await hitsOf(() => reader.query(byText))).toBe(1);
    await Promise.all([writer.end(), reader.end()]);
  });

  it('wait under session only for the writes of their own session', async () => {
    const [writer, reader] = [await connect(), await connect()];
    for (const client of [writer, reader]) {
      await client.query('SET pgfresh.consistency = session');
      await untilHit(() => client.query(byText));
    }
    cache.followNudges(false);
    await writer.query("UPDATE t SET v = 'again' WHERE id = 98");
    expect(await hitsOf(() => reader.query(byText))).toBe(1);
    expect(await hitsOf(() => writer.query(byText))).toBe(0);
    await Promise.all([writer.end(), reader.end()]);
  });

  it('fence a transaction at its end, not before, and pass its statements through', async () => {
    const [writer, reader] = [await connect(), await connect()];
    await untilHit(() => reader.query(byText));
    for (const warm of ['BEGIN', "UPDATE t SET v = 'x' WHERE id = 97", 'COMMIT']) await writer.query(warm);
    await untilHit(() => writer.query(byText));
    cache.followNudges(false);
    expect(
      await hitsOf(async () => {
        await writer.query('BEGIN');
        await writer.query("UPDATE t SET v = 'x' WHERE id = 97");
        await writer.query(byText);
      }),
    ).toBe(0);
    expect(await hitsOf(() => reader.query(byText))).toBe(1);
    await writer.query('COMMIT');
    expect(await hitsOf(() => reader.query(byText))).toBe(0);
    cache.followNudges(true);
    await Promise.all([writer.end(), reader.end()]);
  });

  it('end at once when the cache is down, and come back when it lives', async () => {
    const client = await connect();
    await untilHit(() => client.query(byText));
    cache.setState(StoreState.down);
    expect(await hitsOf(() => client.query(byText))).toBe(0);
    cache.setState(StoreState.live);
    await untilHit(() => client.query(byText));
    await client.end();
  });

  it('end with another catalog version, whose context is asked for again', async () => {
    const client = await connect();
    await untilHit(() => client.query(byName));
    cache.setCatalogVersion(2);
    const asked = cache.contextRows.length;
    await client.query(byName);
    await waitFor('the context of the new version', () => cache.contextRows.length > asked);
    await client.end();
  });

  it('are off under off, and the level is kept per session', async () => {
    const client = await connect();
    await untilHit(() => client.query(byText));
    await client.query("SET pgfresh.consistency = 'off'");
    expect(await hitsOf(() => client.query(byText))).toBe(0);
    expect((await client.query('SHOW pgfresh.consistency')).rows).toEqual([{ 'pgfresh.consistency': 'off' }]);
    await expect(client.query('SET pgfresh.consistency = sometimes')).rejects.toMatchObject({ code: '22023' });
    await client.query('RESET pgfresh.consistency');
    expect(await hitsOf(() => client.query(byText))).toBe(1);
    await client.end();
  });

  it('are not filled by partial answers, answers with notices, large ones, or from within a transaction', async () => {
    const client = await connectRaw(url);
    await untilHit(async () => {
      client.send(serialize.query(byText));
      return client.until('Z');
    });
    const offered = cache.offers.length;
    for (let i = 0; i < 3; i++) {
      client.send(
        serialize.parse({ name: '', text: 'SELECT id FROM t ORDER BY id LIMIT 9', types: [] }),
        serialize.bind({}),
      );
      client.send(serialize.execute({ portal: '', rows: 2 }), serialize.sync());
      await client.until('Z');
      client.send(serialize.query(`SELECT repeat('x', 200000)`));
      await client.until('Z');
      client.send(serialize.query('SELECT v FROM t WHERE id = 1/0'));
      await client.until('Z');
      client.send(
        serialize.query('BEGIN'),
        serialize.query('SELECT v FROM t WHERE id = 31'),
        serialize.query('COMMIT'),
      );
      await client.until('Z', 3);
    }
    expect(cache.offers.length).toBe(offered);
    client.close();
  });

  it('never hold an acknowledgement back for long, should its analysis not come', async () => {
    const client = await connect();
    await untilHit(() => client.query(byText));
    cache.hold(true);
    expect((await client.query('SELECT v FROM t WHERE id = 61')).rows).toEqual([{ v: 'v61' }]);
    cache.hold(false);
    await client.end();
  });

  it('survive a read whose analysis comes late: its acknowledgement waits for that, in order', async () => {
    const [other, reader] = [await connectRaw(url), await connect()];
    await untilHit(() => reader.query(byText));
    cache.followNudges(false);
    let unique = 0;
    const survives = async () => {
      cache.round();
      cache.hold(true);
      const analysed = cache.analysed.length;
      other.send(serialize.query(`SELECT 1 AS a${++unique}`), serialize.query(`SELECT 2 AS a${++unique}`));
      await waitFor('the analysis', () => cache.analysed.length > analysed);
      cache.hold(false);
      expect(rows(await other.until('Z', 2))).toEqual([['1'], ['2']]);
      return hitsOf(() => reader.query(byText));
    };
    // The second statement was sent while the settings were in doubt: a pipeline of unknown statements counts as a write.
    expect(await survives()).toBe(0);
    const single = async () => {
      cache.round();
      cache.hold(true);
      const analysed = cache.analysed.length;
      other.send(serialize.query(`SELECT 1 AS a${++unique}`));
      await waitFor('the analysis', () => cache.analysed.length > analysed);
      cache.hold(false);
      await other.until('Z');
      return hitsOf(() => reader.query(byText));
    };
    await expect.poll(single, { timeout: 15_000 }).toBe(1);
    cache.followNudges(true);
    other.close();
    await reader.end();
  });

  it('survive a statement that nobody knows: its writes fence everything', async () => {
    const [writer, reader] = [await connect(), await connect()];
    await untilHit(() => reader.query(byText));
    cache.followNudges(false);
    await writer.query('DO $$ BEGIN UPDATE t SET v = v WHERE id = 1; END $$');
    expect(await hitsOf(() => reader.query(byText))).toBe(0);
    await Promise.all([writer.end(), reader.end()]);
    await run(database.url, 'SELECT 1');
  });
});
