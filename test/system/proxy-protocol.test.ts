/** Behind a load balancer that says where connections come from: header, TLS, log lines, and nobody else may say so. */
import net from 'node:net';
import tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createAuthority, keyFolder } from '../support/certificates.ts';
import { ask, useProxy } from '../support/fixture.ts';
import { proxyHeader } from '../support/proxy-header.ts';
import { type Frame, sqlState } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const { cert, key } = createAuthority(keyFolder(), 'balanced').issue('localhost');
const tlsArgs = ['--tls-cert', cert, '--tls-key', key];
const balanced = useProxy('CREATE TABLE t (id int)', {
  unix: true,
  args: ['--proxy-protocol', '127.0.0.0/8', '--proxy-protocol', '::1', '--max-connections', '3', ...tlsArgs],
});
const elsewhere = useProxy('CREATE TABLE t (id int)', { args: ['--proxy-protocol', '192.0.2.0/24'] });

const header = proxyHeader('203.0.113.9', 4711);
const wrongPassword = (): Buffer => startup('nobody_of_that_name');

function startup(user: string): Buffer {
  const body = Buffer.from(`\0\x03\0\0user\0${user}\0database\0${balanced.database}\0\0`, 'latin1');
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.length);
  return Buffer.concat([length, body]);
}

/** What the other side said until it closed, or until `enough` bytes came. */
async function say(socket: net.Socket, bytes: readonly Buffer[], enough = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  for (const each of bytes) {
    socket.write(each);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const length = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  await waitFor('an answer, or the end', () => socket.closed || length() >= enough);
  return Buffer.concat(chunks);
}

const toBalanced = (): net.Socket => net.connect(balanced.pgfresh.port, '127.0.0.1');
const logged = (...parts: readonly string[]): Promise<void> =>
  waitFor(`a log line with ${parts.join(', ')}`, () =>
    balanced.pgfresh.lines.some((line) => parts.every((part) => line.includes(part))),
  );
const firstFrame = (bytes: Buffer): Frame => ({ code: String.fromCharCode(bytes[0]!), body: bytes.subarray(5) });

describe('from a trusted load balancer', () => {
  it('the header is taken off, whole or byte by byte, and the client logs in', async () => {
    for (const pieces of [
      [Buffer.concat([header, startup('postgres')])],
      [...header].map((byte) => Buffer.from([byte])),
    ]) {
      const socket = toBalanced();
      const isWhole = pieces.length === 1;
      const answer = await say(socket, isWhole ? pieces : [...pieces, startup('postgres')], 9);
      expect(firstFrame(answer).code).toBe('R');
      socket.destroy();
    }
  });

  it('TLS follows it, asked for or direct, and log lines name the client', async () => {
    const asked = toBalanced();
    expect(String(await say(asked, [header, Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])], 1))).toBe('S');
    asked.removeAllListeners('data');
    const inside = tls.connect({ socket: asked, rejectUnauthorized: false });
    expect(firstFrame(await say(inside, [startup('postgres')], 9)).code).toBe('R');
    inside.destroy();
    const direct = toBalanced();
    direct.write(header);
    const options = { socket: direct, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
    await say(tls.connect(options), []);
    await logged('203.0.113.9:4711', 'TLS handshake failed');
  });

  it('a health check of its own (LOCAL) is served as what it is', async () => {
    const socket = toBalanced();
    const local = proxyHeader('203.0.113.9', 4711, { command: 0x20 });
    expect(firstFrame(await say(socket, [local, startup('postgres')], 9)).code).toBe('R');
    socket.destroy();
  });

  it.each<[string, Buffer]>([
    ['a client without a header', Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])],
    ['version 1', Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 4711 5432\r\n')],
    ['a header that is cut off', Buffer.concat([header.subarray(0, 15), Buffer.from([2]), Buffer.alloc(40)])],
  ])('%s: closed without a word, with a log line', async (_what, bytes) => {
    const before = balanced.pgfresh.lines.filter((line) => line.includes('PROXY protocol')).length;
    expect(await say(toBalanced(), [bytes])).toEqual(Buffer.alloc(0));
    await waitFor(
      'a line for it',
      () => balanced.pgfresh.lines.filter((line) => line.includes('PROXY protocol')).length > before,
    );
  });

  it('too many of them are told so behind their header', async () => {
    const open: net.Socket[] = [];
    for (let i = 0; i < 3; i++) {
      open.push(toBalanced());
      await say(open[i]!, [header, startup('postgres')], 9);
    }
    const answer = await say(toBalanced(), [header, startup('postgres')]);
    expect(sqlState(firstFrame(answer))).toBe('53300');
    for (const socket of open) socket.destroy();
  });
});

it('the Unix socket is not trusted unless it is named', async () => {
  // The connections of the test before may not be counted out yet.
  await waitFor('a login', async () => {
    const socket = net.connect(`${balanced.pgfresh.unixDirectory}/.s.PGSQL.${balanced.pgfresh.port}`);
    const answer = firstFrame(await say(socket, [startup('postgres')], 9));
    socket.destroy();
    if (answer.code !== 'R') expect(sqlState(answer)).toBe('53300');
    return answer.code === 'R';
  });
});

it('nobody else may say where it comes from: a header is garbage there, and clients need none', async () => {
  const answer = await say(net.connect(elsewhere.pgfresh.port, '127.0.0.1'), [header, wrongPassword()]);
  expect(sqlState(firstFrame(answer))).toBe('08P01');
  expect(await ask(await elsewhere.session(), 'SELECT 1')).toEqual([[1]]);
});
