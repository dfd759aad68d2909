// A cancel that reached the origin while it answered a question of ours was lost: the client's statement behind it ran on.
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, it } from 'vitest';
import { LateCancel } from '../../src/worker/late-cancel.ts';
import { OriginTarget } from '../../src/worker/origin-tls.ts';
import { serialize } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { testConfig } from '../support/worker.ts';

const received: Buffer[] = [];
const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket.on('data', (bytes) => received.push(bytes)).on('error', () => undefined));
});
const keyData = Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 9]);
let late: LateCancel;

beforeEach(async () => {
  received.length = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  late = new LateCancel(new OriginTarget(testConfig({ host: '127.0.0.1', port }).upstream, 5_000, 0), Buffer.alloc(64));
  late.learn(keyData, 0, keyData.length);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const cancelArrives = () => waitFor('the cancel', () => Buffer.concat(received).equals(serialize.cancel(7, 9)));

it('is sent again at once when the statement is at the origin', async () => {
  late.missed('sent');
  await cancelArrives();
});

it('is sent again, once, when the statement that was held back goes to the origin', async () => {
  late.missed('held');
  late.forwarded();
  late.forwarded();
  await cancelArrives();
});

it('is not sent again to hit a later statement', async () => {
  late.missed('none');
  late.forwarded();
  late.missed('sent');
  await cancelArrives();
});
