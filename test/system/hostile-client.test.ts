/** Garbage in every state, half messages, impossible lengths: that session ends with 08P01, others go on, memory stays bounded. */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { frame } from '../model/protocol/message.ts';
import { announceSeed, seededRandom } from '../model/random.ts';
import { startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { connectRaw, type RawClient, rows, serialize, sqlState, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { addressOf, startWorker, type TestWorker, testConfig } from '../support/worker.ts';

let worker: TestWorker;
let database: Awaited<ReturnType<typeof createDatabase>>;
let bystander: RawClient;

beforeAll(async () => {
  database = await createDatabase(inject('pg18'), 'CREATE TABLE t (id int PRIMARY KEY, v text)');
  worker = await startWorker(testConfig(addressOf(database.url)));
  bystander = await connectRaw(worker.url(database.url));
});

afterAll(async () => {
  bystander.close();
  await worker.stop();
  await database.drop();
});

/** Each leaves a session in a state of its own. */
const states: Record<string, { readonly say: readonly Buffer[]; readonly until: string | null }> = {
  idle: { say: [], until: null },
  'inside a transaction': { say: [serialize.query('BEGIN')], until: 'Z' },
  'inside a pipeline': { say: [statement('SELECT 1'), serialize.flush()], until: 'C' },
  'after an error, before Sync': {
    say: [serialize.parse({ text: 'SELEC', types: [] }), serialize.flush()],
    until: 'E',
  },
  'inside COPY': { say: [serialize.query('COPY t FROM STDIN')], until: 'G' },
  'while an answer is owed': { say: [serialize.query('SELECT pg_sleep(0.05)')], until: null },
};

const garbage: Record<string, Buffer> = {
  'an unknown message type': Buffer.from('~\0\0\0\x04'),
  'a message of the server': Buffer.from('Z\0\0\0\x05I'),
  'a length below its own size': frame('Q', [Buffer.from('SELECT 1\0')], 3),
  'a negative length': frame('B', [], -1),
  'a length of two gigabytes': frame('P', [Buffer.from('s\0SELECT 1\0')], 0x7fffffff),
  'a startup packet': Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]),
  'an HTTP request': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
};

describe.each(Object.entries(states))('%s', (_state, { say, until }) => {
  it.each(Object.entries(garbage))('%s ends the session with 08P01', async (_what, bytes) => {
    const before = worker.count('protocolErrors');
    const client = await connectRaw(worker.url(database.url));
    client.send(...say);
    if (until !== null) await client.until(until);
    client.send(bytes);
    const frames = await client.rest();
    const last = frames.at(-1);
    expect(last?.code).toBe('E');
    expect(sqlState(last)).toBe('08P01');
    expect(worker.count('protocolErrors')).toBe(before + 1);
    bystander.send(serialize.query("SELECT 'still here'"));
    expect(rows(await bystander.until('Z'))).toEqual([['still here']]);
  });
});

it('random bytes at random moments never hang a session, and never touch another', async () => {
  const random = seededRandom(announceSeed('hostile client'));
  for (let i = 0; i < 120; i++) {
    const client = await connectRaw(worker.url(database.url));
    client.send(...Array.from({ length: random.below(3) }, () => statement('SELECT 1')));
    const noise = Buffer.from(Array.from({ length: 1 + random.below(300) }, () => random.below(256)));
    client.send(noise);
    // What is too short to be wrong is ended by the client.
    client.socket.end();
    await client.rest();
  }
  bystander.send(serialize.query('SELECT 1'));
  expect(rows(await bystander.until('Z'))).toEqual([['1']]);
  await waitFor('the sessions to end', () => worker.count('sessionsOpen') === 1);
  expect(worker.count('originConnections')).toBe(1);
});

it('random bytes instead of a startup packet end that connection', async () => {
  const random = seededRandom(announceSeed('hostile startup'));
  const before = worker.count('originConnections');
  for (let i = 0; i < 100; i++) {
    const noise = Buffer.from(Array.from({ length: 4 + random.below(100) }, () => random.below(256)));
    await new Promise<void>((resolve) => {
      const socket = net.connect(worker.port, '127.0.0.1', () => socket.end(noise));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.resume();
    });
  }
  await waitFor('the connections to end', () => worker.count('sessionsOpen') === 1);
  expect(worker.count('originConnections')).toBe(before);
});

it('a message that claims 800 MB is not kept', async () => {
  const pgfresh = await startPgfresh({ upstream: database.url, workers: 1 });
  const client = await connectRaw(pgfresh.url);
  const before = residentBytes(pgfresh.pid);
  client.send(frame('Q', [Buffer.from("SELECT 'x")], 0x30000000));
  const piece = Buffer.alloc(1 << 20, 0x78);
  for (let i = 0; i < 160; i++) {
    if (!client.socket.write(piece)) await waitFor('the socket to drain', () => !client.socket.writableNeedDrain);
  }
  expect(residentBytes(pgfresh.pid) - before).toBeLessThan(80 << 20);
  client.close();
  await pgfresh.stop();
});

/** Memory of a process (Linux). */
function residentBytes(pid: number): number {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}
