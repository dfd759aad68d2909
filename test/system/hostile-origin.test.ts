/** An origin that truncates, reorders, dies in mid-message: its client gets an error or the end of the connection; never a hang, never a wrong answer. */
import { afterEach, describe, expect, it } from 'vitest';
import { attachFakeCache } from '../support/fake-cache.ts';
import { type Act, done, type FakeOrigin, ready, reply, row, startFakeOrigin } from '../support/fake-origin.ts';
import { codes, connectRaw, rows, serialize, sqlState, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { startWorker, type TestWorker, testConfig } from '../support/worker.ts';

let origin: FakeOrigin | undefined;
let worker: TestWorker | undefined;

afterEach(async () => {
  await worker?.stop();
  await origin?.close();
  [worker, origin] = [undefined, undefined];
});

async function start(script: readonly Act[], greeting?: Act): Promise<string> {
  origin = await startFakeOrigin(script, greeting);
  worker = await startWorker(testConfig({ host: '127.0.0.1', port: origin.port }));
  return worker.url('postgres://postgres:secret@127.0.0.1/postgres');
}

const join = (...parts: Buffer[]): Act => ({ bytes: Buffer.concat(parts) });
const description = reply('T', Buffer.concat([Buffer.from([0, 1]), Buffer.from('x\0'), Buffer.alloc(18)]));
const answer = Buffer.concat([description, row('right'), done, ready]);
const badLength = (length: number): Buffer => {
  const bytes = Buffer.from('D\0\0\0\0rest');
  bytes.writeInt32BE(length, 1);
  return bytes;
};

describe('what does not fit is a protocol error, and the end of that session', () => {
  it.each<[string, Act]>([
    ['ReadyForQuery twice', join(answer, ready)],
    ['a row before it was asked for', join(answer, row('wrong'))],
    ['ParseComplete for a Query', join(reply('1'))],
    ['CopyData outside of COPY', join(description, reply('d', 'x'))],
    ['an error that nothing asked for', join(answer, reply('E', 'SERROR\0VERROR\0C22012\0Mnobody asked\0\0'))],
    ['an unknown message type', join(Buffer.from('~\0\0\0\x04'))],
    ['a length below its own size', { bytes: badLength(3) }],
    ['a negative length', { bytes: badLength(-5) }],
    ['a length of two gigabytes', { bytes: badLength(0x7fffffff) }],
    ['a ReadyForQuery without status', join(description, done, reply('Z'))],
    ['a second login', join(reply('R', Buffer.alloc(4)))],
  ])('%s', async (_what, act) => {
    const client = await connectRaw(await start([act]));
    client.send(serialize.query('SELECT 1'));
    const frames = await client.rest();
    expect(frames.at(-1)!.code).toBe('E');
    expect(sqlState(frames.at(-1))).toBe('08P01');
    expect(
      rows(frames)
        .flat()
        .filter((text) => text !== 'right'),
    ).toEqual([]);
    expect(worker!.count('protocolErrors')).toBe(1);
  });

  it('replies of the extended protocol in another order', async () => {
    const client = await connectRaw(await start([join(reply('2'), reply('1'), answer)]));
    client.send(statement('SELECT 1'), serialize.sync());
    const frames = await client.rest();
    expect(codes(frames)).toBe('E');
    expect(sqlState(frames[0])).toBe('08P01');
  });

  it('rows in the middle of a login', async () => {
    const url = await start([], join(reply('R', Buffer.alloc(4)), row('wrong')));
    await expect(connectRaw(url)).rejects.toThrow(/rows before authentication/);
  });
});

describe('an origin that goes away', () => {
  const ways = ['close', 'reset'] as const;
  const row2 = row('x'.repeat(5000));

  it.each(ways.flatMap((end) => [0, 1, 4, 5, 9, 20].map((bytes) => [end, bytes] as const)))(
    '%s after %d bytes of an answer: FATAL 08006',
    async (end, bytes) => {
      const client = await connectRaw(await start([{ bytes: answer.subarray(0, bytes), end }]));
      client.send(serialize.query('SELECT 1'), serialize.query('SELECT 2'));
      const frames = await client.rest();
      expect(sqlState(frames.at(-1))).toBe('08006');
      expect(rows(frames)).toEqual([]);
    },
  );

  it.each(ways)('%s in the middle of a row: the rest of the row is not made of our own words', async (end) => {
    // The row lacks fewer bytes than our message would have.
    const cut = Buffer.concat([description, row2]);
    const client = await connectRaw(await start([{ bytes: cut.subarray(0, cut.length - 20), end }]));
    client.send(serialize.query('SELECT 1'));
    const frames = await client.rest();
    expect(rows(frames)).toEqual([]);
    expect(codes(frames).replace('T', '')).toBe('');
  });

  it.each(ways)('%s in the middle of a login', async (end) => {
    await expect(connectRaw(await start([], { bytes: reply('R', Buffer.alloc(4)), end }))).rejects.toThrow();
  });
});

describe('what the cache gets of a second answer to a statement that is cacheable', () => {
  // To the question for the session's settings: one column, the process that the login named.
  const context = join(reply('3'), reply('1'), reply('2'), row('1'), done, reply('3'), ready);
  const notice = reply('N', 'SNOTICE\0VNOTICE\0C00000\0Mby the way\0\0');
  const failure = reply('E', 'SERROR\0VERROR\0C22012\0Mdivision by zero\0\0');
  const half = Buffer.concat([description, row('half')]);

  it.each<[string, Act, number]>([
    ['the whole', join(answer), 1],
    ['nothing when it ends in the middle', { bytes: half, end: 'close' }, 0],
    ['nothing when it is torn in the middle', { bytes: half, end: 'reset' }, 0],
    ['nothing when it ends after its last row', { bytes: Buffer.concat([half, done]), end: 'close' }, 0],
    ['nothing when it fails after a row', join(half, failure, ready), 0],
    ['nothing when a notice comes with it', join(description, notice, row('right'), done, ready), 0],
  ])('%s', async (_what, act, offers) => {
    const url = await start([context, join(answer), act]);
    const cache = attachFakeCache(worker!.runtime);
    const client = await connectRaw(url);
    const ask = (): void => client.send(serialize.query('SELECT v FROM t'));
    ask();
    await client.until('Z');
    // The first answer came before the statement was judged.
    await waitFor('the verdict', () => cache.analysed.length > 0);
    expect(cache.offers).toEqual([]);
    ask();
    await (act.end === undefined ? client.until('Z') : client.rest());
    await waitFor(
      'the session to be done with it',
      () => origin!.received[0]!.filter((code) => code === 'Q').length === 2,
    );
    expect(cache.offers).toHaveLength(offers);
    client.close();
  });
});

it('others are not touched', async () => {
  const url = await start([join(answer), join(reply('1')), join(answer)]);
  const [good, bad] = [await connectRaw(url), await connectRaw(url)];
  for (const client of [good, bad]) {
    client.send(serialize.query('SELECT 1'));
    expect(rows(await client.until('Z'))).toEqual([['right']]);
  }
  bad.send(serialize.query('SELECT 2'));
  expect(sqlState((await bad.rest()).at(-1))).toBe('08P01');
  good.send(serialize.sync());
  expect(codes(await good.until('Z'))).toBe('Z');
  good.close();
});
