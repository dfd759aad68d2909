// ADR-015: answers go past Node's streams, and nobody can tell: order, back-pressure, errors and encryption are as they were.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { loadDirectSend, SendMemory } from '../../src/worker/direct-send.ts';
import { OutBuffer, SpareSlabs } from '../../src/worker/out-buffer.ts';

const send = loadDirectSend();
const opened: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.destroy();
});

/** Both ends of a connection. */
async function pair(): Promise<[net.Socket, net.Socket]> {
  const server = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[net.Socket], unknown];
  server.close();
  for (const socket of [near, far]) socket.on('error', () => socket.destroy());
  opened.push(near, far);
  return [near, far];
}

describe('a plain socket', () => {
  it('gets every byte once and in order, whether its reader follows or not', async () => {
    const [near, far] = await pair();
    const counts = { direct: 0, queued: 0 };
    const spares = new SpareSlabs((socket, memory, start, end) => {
      const sent = send(socket, memory, start, end);
      counts[sent === end - start ? 'direct' : 'queued']++;
      return sent;
    });
    const out = new OutBuffer(Buffer.alloc(Limits.readBufferBytes), spares);
    const [written, received] = [createHash('sha256'), createHash('sha256')];
    let [writtenBytes, receivedBytes] = [0, 0];
    far.on('data', (chunk: Buffer) => {
      received.update(chunk);
      receivedBytes += chunk.length;
    });
    far.pause();
    for (let i = 0; i < 3_000; i++) {
      // Some need memory of their own.
      const bytes = Buffer.alloc(i % 1_000 === 999 ? 600_000 : 1 + ((i * 7919) % 20_000), `${i};`);
      written.update(bytes);
      writtenBytes += bytes.length;
      out.appendAll(bytes);
      out.flush(near);
      if (i % 500 === 0) far.pause();
      if (i % 500 === 250) far.resume();
      if (i % 50 === 0) await nextTurn();
    }
    far.resume();
    near.end();
    await once(far, 'end');
    expect(receivedBytes).toBe(writtenBytes);
    expect(received.digest('hex')).toBe(written.digest('hex'));
    expect(counts.direct).toBeGreaterThan(0);
    expect(counts.queued).toBeGreaterThan(0);
  });

  it('whose peer is gone says so itself, by its own error', async () => {
    const [near, far] = await pair();
    const memory = new SendMemory(13);
    memory.bytes.write('who is there?');
    far.resetAndDestroy();
    const failed = new Promise<Error>((resolve) => near.once('error', resolve));
    near.pause(); // it does not hear of the end by reading
    while (send(near, memory, 0, memory.bytes.length) > 0) await nextTurn();
    near.write(memory.bytes);
    expect(((await failed) as NodeJS.ErrnoException).code).toMatch(/EPIPE|ECONNRESET/);
  });

  it('is left to its stream while something waits there, and once it is closed', async () => {
    const [near] = await pair();
    const memory = new SendMemory(32 << 20);
    near.write(memory.bytes.fill(0));
    expect(near.writableLength).toBeGreaterThan(0);
    expect(send(near, memory, 0, 1)).toBe(0);
    near.destroy();
    expect(send(near, memory, 0, 1)).toBe(0);
  });
});

describe('anything else', () => {
  it('is never written to past its stream: not TLS, whose descriptor carries ciphertext', async () => {
    const [near, far] = await pair();
    const secure = tls.connect({ socket: near, rejectUnauthorized: false });
    secure.on('error', () => secure.destroy());
    opened.push(secure);
    far.resume();
    const memory = new SendMemory(6);
    expect(send(secure, memory, 0, 6)).toBe(0);
    expect(send(new PassThrough(), memory, 0, 6)).toBe(0);
  });
});
