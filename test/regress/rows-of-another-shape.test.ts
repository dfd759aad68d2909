// C7: a statement whose Parse and description were answered here, so that the origin has never seen it, and then DDL that changes its columns or parameters.
// Its client goes by the description that it was told: it gets what a server that had the statement would say, and no rows of another shape.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { useProxy } from '../support/fixture.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, type Frame, type RawClient, rows, serialize, sqlState, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

interface Case {
  readonly what: string;
  /** About the table t. */
  readonly ddl: string;
  readonly text?: string;
  /** '': the unnamed statement. */
  readonly name?: string;
  /** Told with the portal of an answer instead of by itself. */
  readonly byPortal?: boolean;
  /** Sent behind the DDL, and so many ReadyForQuery to wait for. */
  readonly send: (name: string) => readonly Buffer[];
  readonly ready: number;
  /** Waits until pgfresh knows of the DDL: a description is an answer like others, and may be as old. */
  readonly noticed?: true;
  /** DDL behind that, and the same again. */
  readonly back?: string;
}

const bound = (name: string, value = '2') =>
  Buffer.concat([serialize.bind({ statement: name, values: [value] }), serialize.execute({})]);
const sync = serialize.sync();
const query = (text: string) => serialize.query(text);
const addColumn = 'ALTER TABLE t ADD COLUMN w int DEFAULT 7';

const cases: readonly Case[] = [
  { what: 'a column more', ddl: addColumn, send: (s) => [bound(s), sync, bound(s), sync], ready: 2 },
  { what: 'the unnamed statement', name: '', ddl: addColumn, send: () => [bound(''), sync, bound(''), sync], ready: 2 },
  { what: 'told with an answer', byPortal: true, ddl: addColumn, send: (s) => [bound(s), sync], ready: 1 },
  {
    what: 'a column more, and it goes away again',
    ddl: addColumn,
    back: 'ALTER TABLE t DROP COLUMN w',
    send: (s) => [bound(s), sync],
    ready: 1,
  },
  {
    what: 'another type of the same width, in binary format',
    ddl: 'ALTER TABLE t ALTER COLUMN v TYPE real',
    send: (s) => [serialize.bind({ statement: s, values: ['2'], binary: true }), serialize.execute({}), sync],
    ready: 1,
  },
  {
    what: 'columns that have changed places by name',
    ddl: 'ALTER TABLE t RENAME v TO x; ALTER TABLE t RENAME u TO v; ALTER TABLE t RENAME x TO u',
    send: (s) => [bound(s), sync],
    ready: 1,
  },
  {
    what: 'a column that it names is gone',
    text: 'SELECT v FROM t WHERE id = $1',
    ddl: 'ALTER TABLE t DROP COLUMN v',
    send: (s) => [bound(s), sync, query('SELECT 1')],
    ready: 2,
  },
  {
    what: 'a column that it names is gone, in a block',
    text: 'SELECT v FROM t WHERE id = $1',
    ddl: 'ALTER TABLE t DROP COLUMN v',
    send: (s) => [query('BEGIN'), bound(s), sync, query('SELECT 1'), query('ROLLBACK'), bound(s), sync],
    ready: 5,
  },
  {
    what: 'in a block',
    ddl: addColumn,
    send: (s) => [query('BEGIN'), query('SELECT now() IS NULL'), bound(s), sync, query('SELECT 1'), query('COMMIT')],
    ready: 5,
  },
  {
    what: 'behind a write in one pipeline, which is undone',
    ddl: addColumn,
    send: (s) => [
      ...[statement("INSERT INTO t VALUES (50, 1, 1) RETURNING 'in'"), bound(s), sync],
      query('SELECT count(*) FROM t WHERE id = 50'),
    ],
    ready: 2,
  },
  {
    what: 'Describe of it',
    ddl: addColumn,
    noticed: true,
    send: (s) => [serialize.describe({ type: 'S', name: s }), sync, serialize.close({ type: 'S', name: s }), sync],
    ready: 2,
  },
  {
    what: 'made anew under its name',
    ddl: addColumn,
    send: (s) => [serialize.close({ type: 'S', name: s }), statement('SELECT 5', [], s), sync, bound(s, ''), sync],
    ready: 2,
  },
  {
    what: 'with a parameter that is sent in pieces',
    text: 'SELECT * FROM t WHERE id = length($1)',
    ddl: addColumn,
    send: (s) => [bound(s, 'x'.repeat(300_000)), sync, bound(s, 'xx'), sync],
    ready: 2,
  },
  {
    what: 'seen by SQL twice in one batch',
    ddl: addColumn,
    send: (s) => [statement('PREPARE p1 AS SELECT 1'), statement('PREPARE p2 AS SELECT 2'), sync, bound(s), sync],
    ready: 2,
  },
  {
    what: 'DDL that leaves the answer as it is',
    ddl: 'ALTER TABLE t ADD CHECK (u > -5); CREATE INDEX ON t (u)',
    send: (s) => [bound(s), sync, query('BEGIN'), bound(s, '3'), sync, query('COMMIT')],
    ready: 4,
  },
];

/** Without what a server says of the parameters before it finds that the columns are others: we find it first. */
const told = (frames: readonly Frame[]): string[] =>
  frames
    .filter(({ code }, i) => !(code === 't' && frames[i + 1]?.code === 'E'))
    .map((frame) => (frame.code === 'E' ? `E ${sqlState(frame)}` : `${frame.code} ${frame.body.toString('hex')}`));

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const tables = cases.map(
    (_, i) => `CREATE TABLE t${i} (id int PRIMARY KEY, v int, u int);
    INSERT INTO t${i} SELECT g, g, -1 FROM generate_series(1, 9) AS g;`,
  );
  const others = ['migrated', 'described', 'between', 'compared'].map(
    (name) => `CREATE TABLE ${name} (id int PRIMARY KEY, v int);
    INSERT INTO ${name} SELECT g, g FROM generate_series(1, 9) AS g;`,
  );
  const proxy = useProxy([...tables, ...others].join('\n'), { origin });

  async function prepare(url: string, each: Case, text: string): Promise<RawClient> {
    const { name = 's', byPortal = false } = each;
    const client = await connectRaw(url);
    client.send(serialize.parse({ name, text, types: [] }));
    if (!byPortal) client.send(serialize.describe({ type: 'S', name }));
    client.send(sync);
    client.send(
      ...[serialize.bind({ statement: name, values: ['1'] }), serialize.describe({ type: 'P', name: '' })],
      ...[serialize.execute({}), sync],
    );
    await client.until('Z', 2);
    return client;
  }

  it.each(cases.map((each, i) => ({ ...each, i })))('$what', async (each) => {
    const own = (sql: string) => sql.replaceAll(/\bt\b/g, `t${each.i}`);
    const text = own(each.text ?? 'SELECT * FROM t WHERE id = $1');
    const send = each.send(each.name ?? 's').map((bytes) => {
      const sql = bytes.toString('latin1');
      return / t /.test(sql) ? rewritten(bytes, ` t${each.i} `) : bytes;
    });
    await proxy.warm(async () => (await prepare(proxy.url, each, text)).close());
    for (let i = 0; i < 10; i++) (await prepare(proxy.url, each, text)).close();
    const [direct, through] = [await prepare(proxy.originUrl, each, text), await prepare(proxy.url, each, text)];
    const same = async (what: string) => {
      direct.send(...send);
      const expected = told(await direct.until('Z', each.ready));
      through.send(...send);
      expect({ what, told: told(await through.until('Z', each.ready)) }).toEqual({ what, told: expected });
    };
    const session = await proxy.session();
    await run(proxy.originUrl, own(each.ddl));
    if (each.noticed) await proxy.warm(() => session.query(own('SELECT * FROM t WHERE id = 9')), 'the new catalog');
    await same('at once');
    await same('again');
    if (each.back !== undefined) {
      await run(proxy.originUrl, own(each.back));
      await same('as it was');
    }
    for (const client of [direct, through]) client.close();
  });

  it('a statement that the origin has, in the middle of a migration', async () => {
    let delayMs = 0;
    const stream = await startDelayedStream(proxy.originUrl, { delayMs: () => delayMs, answerMs: () => delayMs });
    const pgfresh = await startPgfresh({ upstream: proxy.originUrl, args: ['--cdc-url', stream.url] });
    const hits = async () => (await pgfresh.status()).cache.hits;
    const text = 'SELECT * FROM migrated WHERE id = $1';
    const through = await prepare(pgfresh.url, cases[0]!, text);
    const use = async (value: string, client = through) => {
      client.send(bound('s', value), sync);
      const frames = await client.until('Z');
      return sqlState(frames.find(({ code }) => code === 'E')) ?? rows(frames);
    };
    const warm = async (work: () => Promise<unknown>) => {
      const before = await hits();
      await waitFor('a hit', async () => {
        await work();
        return (await hits()) > before;
      });
    };
    await warm(() => use('1'));
    expect(await use('2')).toEqual([['2', '2']]);
    await run(proxy.originUrl, 'CREATE TABLE first_step (id int PRIMARY KEY)');
    const session = await proxy.session(pgfresh.url);
    await warm(() => session.query('SELECT v FROM migrated WHERE id = 9'));
    // Its verdict under the catalog of now is asked for; then another session fills what this one hits, without another Parse.
    await use('1');
    const other = await prepare(pgfresh.url, cases[0]!, text);
    await warm(() => use('1', other));
    await warm(() => use('1'));
    delayMs = 2_000;
    await run(proxy.originUrl, 'ALTER TABLE migrated ADD COLUMN w int DEFAULT 7');
    expect(await use('3')).toBe('0A000');
    delayMs = 0;
    await run(proxy.originUrl, 'ALTER TABLE migrated DROP COLUMN w');
    expect(await use('4')).toEqual([['4', '4']]);
    for (const client of [through, other]) client.close();
    await session.end();
    await pgfresh.stop();
    await stream.close();
  });

  it('a statement that the origin described, where an answer lies of before', async () => {
    let delayMs = 0;
    const stream = await startDelayedStream(proxy.originUrl, { delayMs: () => delayMs, answerMs: () => delayMs });
    const pgfresh = await startPgfresh({ upstream: proxy.originUrl, args: ['--cdc-url', stream.url] });
    const text = 'SELECT * FROM described WHERE id = $1';
    const client = await connectRaw(pgfresh.url);
    const used = async () => {
      const { hits } = (await pgfresh.status()).cache;
      client.send(bound('s', '1'), sync);
      const answer = rows(await client.until('Z'));
      return { answer, isHit: (await pgfresh.status()).cache.hits > hits };
    };
    client.send(serialize.parse({ name: 's', text, types: [] }), sync);
    await client.until('Z');
    await waitFor('a hit', async () => (await used()).isHit);
    delayMs = 2_000;
    await run(proxy.originUrl, 'ALTER TABLE described ADD COLUMN w int DEFAULT 7');
    const anew = serialize.parse({ name: 's', text, types: [] });
    client.send(serialize.close({ type: 'S', name: 's' }), anew, serialize.describe({ type: 'S', name: 's' }), sync);
    const columns = (await client.until('Z')).find(({ code }) => code === 'T')!.body.readInt16BE(0);
    expect({ columns, ...(await used()) }).toEqual({ columns: 3, answer: [['1', '1', '7']], isHit: false });
    delayMs = 0;
    await waitFor('a hit again', async () => {
      const { answer, isHit } = await used();
      expect(answer).toEqual([['1', '1', '7']]);
      return isHit;
    });
    client.close();
    await pgfresh.stop();
    await stream.close();
  });

  describe('between two catalogs', () => {
    let delayMs = 0;
    let stream: DelayedStream;
    let pgfresh: Pgfresh;
    const clients: RawClient[] = [];
    beforeAll(async () => {
      stream = await startDelayedStream(proxy.originUrl, { delayMs: () => delayMs, answerMs: () => delayMs });
      pgfresh = await startPgfresh({ upstream: proxy.originUrl, args: ['--cdc-url', stream.url, '--workers', '1'] });
    });
    afterEach(() => {
      delayMs = 0;
      for (const client of clients.splice(0)) client.close();
    });
    afterAll(async () => {
      await pgfresh?.stop();
      await stream?.close();
    });

    const textOf = (table: string) => `SELECT * FROM ${table} WHERE id = $1`;

    /** A client that has hit as its statement `s`. @param describes whether it was told the columns */
    async function connect(table: string, describes: boolean): Promise<RawClient> {
      const client = await connectRaw(pgfresh.url);
      clients.push(client);
      // What a statement of unknown meaning writes is no reason to wait.
      client.send(query('SET pgfresh.consistency = bounded'));
      await client.until('Z');
      const description = describes ? [serialize.describe({ type: 'S', name: 's' })] : [];
      client.send(serialize.parse({ name: 's', text: textOf(table), types: [] }), ...description, sync);
      await client.until('Z');
      await waitFor('a hit', async () => (await used(client)).isHit);
      return client;
    }

    async function used(client: RawClient): Promise<{ answer: unknown; isHit: boolean }> {
      const { hits } = (await pgfresh.status()).cache;
      client.send(bound('s', '1'), sync);
      const frames = await client.until('Z');
      const answer = sqlState(frames.find(({ code }) => code === 'E')) ?? rows(frames);
      return { answer, isHit: (await pgfresh.status()).cache.hits > hits };
    }

    /** Runs the statements, and waits until pgfresh knows of them. */
    async function alter(sql: string, table: string): Promise<void> {
      await run(proxy.originUrl, `${sql}; CREATE TABLE ${table} (id int PRIMARY KEY)`);
      delayMs = 0;
      const session = await proxy.session(pgfresh.url);
      await waitFor('the new catalog', async () => {
        const { hits } = (await pgfresh.status()).cache;
        await session.query(`SELECT id FROM ${table}`);
        return (await pgfresh.status()).cache.hits > hits;
      });
      await session.end();
    }

    it('in which it means the same, the origin described a statement', async () => {
      const [client, other] = [await connect('between', false), await connect('between', false)];
      delayMs = 2_000;
      await run(proxy.originUrl, 'ALTER TABLE between ADD COLUMN w int DEFAULT 7');
      const anew = serialize.parse({ name: 's', text: textOf('between'), types: [] });
      client.send(serialize.close({ type: 'S', name: 's' }), anew, serialize.describe({ type: 'S', name: 's' }), sync);
      expect((await client.until('Z')).find(({ code }) => code === 'T')!.body.readInt16BE(0)).toBe(3);
      await alter('ALTER TABLE between DROP COLUMN w', 'between_noticed');
      await waitFor('a hit of another', async () => {
        const { answer, isHit } = await used(other);
        expect(answer).toEqual([['1', '1']]);
        return isHit;
      });
      for (let i = 0; i < 3; i++) expect(await used(client)).toEqual({ answer: '0A000', isHit: false });
    });

    it('in which it differs, a statement was found to be the same as one made then', async () => {
      const client = await connect('compared', true);
      await alter('ALTER TABLE compared ADD COLUMN w int DEFAULT 7', 'compared_noticed');
      const other = await connect('compared', true);
      delayMs = 2_000;
      await run(proxy.originUrl, 'ALTER TABLE compared DROP COLUMN w');
      for (let i = 0; i < 5; i++) {
        expect(await used(client)).toEqual({ answer: [['1', '1']], isHit: false });
        // An answer of the catalog with the column lies there.
        expect(await used(other)).toEqual({ answer: [['1', '1', '7']], isHit: true });
      }
    });
  });
});

/** The table of the case, in a message whose only length is that of the frame. */
function rewritten(bytes: Buffer, table: string): Buffer {
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    const code = bytes.subarray(at, at + 1);
    const body = Buffer.from(bytes.toString('latin1', at + 5, end).replaceAll(' t ', table), 'latin1');
    const length = Buffer.alloc(4);
    length.writeInt32BE(4 + body.length);
    messages.push(code, length, body);
    at = end;
  }
  return Buffer.concat(messages);
}
