// pool.mode = transaction: a client's prepared statements have names of ours at the origin. Which one its name stands for may depend on replies that are on
// their way: a Close that is skipped behind an error has closed nothing. And a failed block takes no Parse on a connection that lacks one.
// Found by the protocol differential.
import { beforeAll, describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { connectRaw, serialize, transcript } from '../support/raw-client.ts';

const args = ['--pool-mode', 'transaction', '--pool-size', '2', '--faults', 'pool-roam', ...reusableLogins];
const sync = serialize.sync();
const parse = (text: string) => serialize.parse({ name: 's1', text, types: [23] });
const close = serialize.close({ type: 'S', name: 's1' });
const fails = serialize.bind({ statement: 'nobody', values: [] });
const use = Buffer.concat([serialize.bind({ statement: 's1', values: ['4'] }), serialize.execute({}), sync]);
const describes = Buffer.concat([serialize.describe({ type: 'S', name: 's1' }), sync]);
const first = 'SELECT id FROM t WHERE id = $1';
const second = 'SELECT id, id + 1 FROM t WHERE id = $1';

const fail = [serialize.query('BEGIN'), serialize.query('SELECT 1/0')];
const rollback = serialize.query('ROLLBACK');

const pipelines: readonly (readonly [string, readonly Buffer[]])[] = [
  ['closed behind an error', [parse(first), fails, close, sync, use, describes]],
  ['closed behind an error, used since', [parse(first), sync, use, fails, close, sync, use, describes]],
  ['made anew behind an error', [parse(first), sync, fails, close, parse(second), sync, use, describes]],
  ['made behind an error', [fails, parse(first), sync, use, parse(second), sync, use]],
  ['made twice', [parse(first), sync, parse(second), sync, use, close, sync, use, parse(second), sync, use]],
];

/** Behind its Parse, by which time the client has the other connection. */
const inFailedBlocks: readonly (readonly [string, readonly Buffer[]])[] = [
  ['used', [...fail, use, describes, rollback, use]],
  ['used behind another error', [...fail, serialize.execute({ portal: 'nobody' }), use, rollback, use]],
  ['named again', [...fail, parse(second), sync, close, sync, rollback]],
];

const readyOf = (send: readonly Buffer[]): number =>
  send.filter((bytes) => bytes.subarray(-5).equals(sync) || bytes[0] === 0x51).length;

/** Of the words that a failed block is refused with ours lack the place in the server's source. */
const withoutPlace = (lines: readonly string[]) =>
  lines.map((line) => (line.includes('C25P02') ? line.replace(/\0(F.*|\0)$/s, '') : line));

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 9)', {
    ...{ origin, args, workers: 1 },
  });

  // Its connection makes two: each statement meets the other one.
  beforeAll(() => proxy.session());

  it.each(pipelines)('%s: what PostgreSQL says', async (_, send) => {
    const told = async (url: string) => withoutPlace(await transcript(url, send, readyOf(send)));
    const expected = await told(proxy.originUrl);
    for (let i = 0; i < 4; i++) expect(await told(proxy.url)).toEqual(expected);
  });

  it.each(inFailedBlocks)('%s in a failed block: what PostgreSQL says', async (_, send) => {
    const told = async (url: string) => {
      const client = await connectRaw(url);
      client.send(parse(first), sync);
      await client.until('Z');
      client.send(...send);
      const frames = await client.until('Z', readyOf(send));
      client.close();
      return withoutPlace(frames.map(({ code, body }) => `${code} ${body.toString('latin1')}`));
    };
    const expected = await told(proxy.originUrl);
    for (let i = 0; i < 4; i++) expect(await told(proxy.url)).toEqual(expected);
  });
});
