// Issue 5, bad input: what the WAL sender says does not fit. The stream ends with the reason shown, the store is emptied, and the next stream begins anew;
// the change that was lost on the way is never missed in an answer.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const maxStalenessMs = 300;
/** In a CopyData message: header 5, then XLogData's own 25, then the pgoutput message. */
const messageAt = 30;

let database: Awaited<ReturnType<typeof createDatabase>>;
let stream: DelayedStream;
let pgfresh: Pgfresh;
let spoil: ((message: Buffer) => Buffer | null) | null = null;

beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)',
  );
  stream = await startDelayedStream(database.url, { spoil: (message) => (spoil === null ? message : spoil(message)) });
  pgfresh = await startPgfresh({
    upstream: database.url,
    args: ['--cdc-url', stream.url, '--cache-max-staleness', `${maxStalenessMs}ms`],
  });
});
afterEach(() => {
  spoil = null;
});
afterAll(async () => {
  await pgfresh?.stop();
  await stream?.close();
  await database?.drop();
});

/** Spoils the first message of this type, or the second. */
function once(type: string, how: (message: Buffer) => Buffer | null, which = 1): (message: Buffer) => Buffer | null {
  let seen = 0;
  return (message) => {
    if (message[messageAt] !== type.charCodeAt(0) || message[5] !== 'w'.charCodeAt(0)) return message;
    return ++seen === which ? how(message) : message;
  };
}

const changed = (at: number, bytes: readonly number[]) => (message: Buffer) => {
  message.set(bytes, messageAt + at);
  return message;
};

function shorter(message: Buffer): Buffer {
  const short = Buffer.from(message.subarray(0, message.length - 3));
  short.writeUInt32BE(short.length - 1, 1);
  return short;
}

const read = () => rowsOf(pgfresh.url, 'SELECT v FROM t WHERE id = 1');
const hits = async () => (await pgfresh.status()).cache.hits;

async function untilHit(expected: number): Promise<void> {
  const before = await hits();
  await waitFor('a hit', async () => {
    expect(await read()).toEqual([[expected]]);
    return (await hits()) > before;
  });
}

it.each([
  ['a message of no known type', 'unknown message type', once('U', changed(0, ['?'.charCodeAt(0)]))],
  ['a change of a relation that was never described', 'never described', once('U', changed(1, [0x7f, 0, 0, 1]))],
  ['a value of no known kind', 'column value of kind', once('U', changed(8, ['x'.charCodeAt(0)]))],
  ['a message that is cut short', 'message ends too early', once('U', shorter)],
  ['a gap: a commit that never comes', 'Begin inside a transaction', once('C', () => null)],
  [
    'a gap: the commit of another transaction',
    'Commit of another transaction',
    once('C', changed(2, [0, 0, 0, 0, 0, 0, 0, 1])),
  ],
  ['a position that goes back', 'from before the one read last', once('B', changed(1, [0, 0, 0, 0, 0, 0, 0, 1]), 2)],
] as const)('%s ends the stream and no stale answer is given', async (_what, reason, how) => {
  const [[version]] = (await rowsOf(database.url, 'SELECT v FROM t WHERE id = 1')) as [[number]];
  await untilHit(version);
  const ended = () => pgfresh.lines.filter((line) => line.includes('change stream ended')).length;
  const before = ended();
  spoil = how;
  await run(database.url, `UPDATE t SET v = ${version + 1} WHERE id = 1`);
  await delay(maxStalenessMs + 5);
  expect(await read()).toEqual([[version + 1]]);
  // A commit that never comes shows with the next transaction.
  await run(database.url, `UPDATE t SET v = ${version + 2} WHERE id = 1`);
  await waitFor('the stream to end', () => ended() > before);
  expect(pgfresh.lines.findLast((line) => line.includes('change stream ended'))).toContain(reason);
  await delay(maxStalenessMs + 5);
  expect(await read()).toEqual([[version + 2]]);
  await untilHit(version + 2);
});
