// Lessons 22 and 23: protocol 3.2 has cancel keys of up to 256 bytes, and a server that knows less says so with NegotiateProtocolVersion. Both
// pass through as they are, and so does the CancelRequest with such a key.
import net from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type FakeOrigin, ready, reply, startFakeOrigin } from '../support/fake-origin.ts';
import { waitFor } from '../support/wait.ts';
import { startWorker, type TestWorker, testConfig } from '../support/worker.ts';

let origin: FakeOrigin | undefined;
let worker: TestWorker | undefined;

afterEach(async () => {
  await worker?.stop();
  await origin?.close();
});

const key = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const negotiate = reply('v', Buffer.concat([Buffer.from([0, 3, 0, 2, 0, 0, 0, 1]), Buffer.from('_pq_.unknown\0')]));
const greeting = Buffer.concat([
  negotiate,
  reply('R', Buffer.alloc(4)),
  reply('K', Buffer.concat([Buffer.from([0, 0, 0, 7]), key])),
  ready,
]);

function packet(code: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, body]);
}

/** Sends a first packet and collects what comes back until `isDone` or the end. */
async function exchange(bytes: Buffer, isDone: (received: Buffer) => boolean): Promise<Buffer> {
  let received: Buffer = Buffer.alloc(0);
  let closed = false;
  const socket = net.connect(worker!.port, '127.0.0.1', () => socket.write(bytes));
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  await waitFor('the answer', () => closed || isDone(received));
  socket.destroy();
  return received;
}

it('the key of 256 bytes comes to the client, and the cancel with it to the origin', async () => {
  origin = await startFakeOrigin([], { bytes: greeting });
  worker = await startWorker(testConfig({ host: '127.0.0.1', port: origin.port }));
  const startup = packet((3 << 16) | 2, Buffer.from('user\0u\0database\0d\0_pq_.unknown\0x\0\0'));
  const received = await exchange(startup, (bytes) => bytes.length >= greeting.length);
  expect(received).toEqual(greeting);
  expect(origin.firstPackets).toEqual([startup]);
  const cancel = packet(80877102, Buffer.concat([Buffer.from([0, 0, 0, 7]), key]));
  // A cancel has no answer but the end.
  void exchange(cancel, () => false);
  await waitFor('the cancel to arrive', () => origin!.firstPackets.length === 2);
  expect(origin.firstPackets[1]).toEqual(cancel);
  await origin.close();
});
