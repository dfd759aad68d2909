// C7 under pool.mode = transaction: what a client was told of a statement by an answer of ours, while the origin had the statement on the connection that it was
// lent. On the next one it may be somebody else's of after DDL: rows still have the columns that were told.
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { type Pgfresh, reusableLogins, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { connectRaw, type Frame, type RawClient, rows, serialize, sqlState } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const args = ['--pool-mode', 'transaction', '--pool-size', '1', '--workers', '1', ...reusableLogins];
const sync = serialize.sync();
const kinds = ['told', 'adopted'] as const;

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let stream: DelayedStream;
  let pgfresh: Pgfresh;
  let delayMs = 0;
  beforeAll(async () => {
    const tables = kinds.map(
      (kind) => `CREATE TABLE ${kind} (id int PRIMARY KEY, v int);
      INSERT INTO ${kind} SELECT g, g FROM generate_series(1, 9) AS g;`,
    );
    database = await createDatabase(inject(origin), tables.join('\n'));
    stream = await startDelayedStream(database.url, { delayMs: () => delayMs, answerMs: () => delayMs });
    pgfresh = await startPgfresh({ upstream: database.url, args: [...args, '--cdc-url', stream.url] });
  });
  afterAll(async () => {
    await pgfresh?.stop();
    await stream?.close();
    await database?.drop();
  });

  const opened: RawClient[] = [];
  afterEach(() => {
    delayMs = 0;
    for (const client of opened.splice(0)) client.close();
  });
  async function connect(): Promise<RawClient> {
    const client = await connectRaw(pgfresh.url);
    opened.push(client);
    return client;
  }

  async function say(client: RawClient, ...messages: readonly Buffer[]): Promise<Frame[]> {
    client.send(...messages);
    return client.until('Z');
  }
  const query = (client: RawClient, text: string) => say(client, serialize.query(text));
  const parse = (table: string, name: string) =>
    serialize.parse({ name, text: `SELECT * FROM ${table} WHERE id = $1`, types: [23] });
  const describeIt = (name: string) => serialize.describe({ type: 'S', name });
  const columns = (frames: readonly Frame[]) => frames.find(({ code }) => code === 'T')?.body.readInt16BE(0);

  async function use(client: RawClient, name: string): Promise<unknown> {
    const frames = await say(client, serialize.bind({ statement: name, values: ['2'] }), serialize.execute({}), sync);
    const error = frames.find(({ code }) => code === 'E');
    return error === undefined ? rows(frames) : sqlState(error);
  }

  /** Whether it was answered without the origin. */
  async function isAnsweredHere(work: () => Promise<unknown>): Promise<boolean> {
    const bytes = async () => /^pgfresh_hit_bytes_total\S* (\d+)$/m.exec(await pgfresh.metrics())![1];
    const before = await bytes();
    await work();
    return (await bytes()) !== before;
  }

  /** The description of the statement is in the cache. */
  async function warm(table: string): Promise<void> {
    const client = await connect();
    let n = 0;
    const prepare = () => say(client, parse(table, `warm${++n}`), describeIt(`warm${n}`), sync);
    await waitFor('an answer of ours', () => isAnsweredHere(prepare));
  }

  /** A block in which the session has the only connection. */
  async function begin(client: RawClient): Promise<void> {
    await query(client, 'BEGIN');
    await query(client, 'SELECT now() IS NULL');
  }

  const addColumn = (table: string) => run(database.url, `ALTER TABLE ${table} ADD COLUMN w int DEFAULT 7`);

  it('told while it had the connection, and lent it again behind DDL', async () => {
    await warm('told');
    const [client, other] = [await connect(), await connect()];
    await begin(client);
    let n = 0;
    // Its columns count from the round behind its Parse.
    await waitFor('a description of ours', async () => {
      await say(client, parse('told', `s${++n}`), sync);
      await new Promise((resolve) => setTimeout(resolve, 300));
      return isAnsweredHere(async () => expect(columns(await say(client, describeIt(`s${n}`), sync))).toBe(2));
    });
    await query(client, 'COMMIT');
    delayMs = 2_000;
    await addColumn('told');
    await say(other, parse('told', 'of_now'), sync);
    expect(columns(await say(other, describeIt('of_now'), sync))).toBe(3);
    expect(await use(other, 'of_now')).toEqual([['2', '2', '7']]);
    expect(await use(client, `s${n}`)).toBe('0A000');
  });

  it('found there what somebody has made behind DDL, and told by an answer of before', async () => {
    await warm('adopted');
    const [client, other] = [await connect(), await connect()];
    await say(client, parse('adopted', 's'), sync);
    await say(client, parse('adopted', 'another'), sync);
    // By then a round lies behind the Parse of both.
    await waitFor('a description of ours', () => isAnsweredHere(() => say(client, describeIt('another'), sync)));
    delayMs = 2_000;
    await addColumn('adopted');
    await say(other, parse('adopted', 'of_now'), sync);
    expect(await use(other, 'of_now')).toEqual([['2', '2', '7']]);
    await begin(client);
    expect(await use(client, 's')).toEqual([['2', '2', '7']]);
    expect(columns(await say(client, describeIt('s'), sync))).toBe(3);
    expect(await use(client, 's')).toEqual([['2', '2', '7']]);
    await query(client, 'COMMIT');
  });
});
