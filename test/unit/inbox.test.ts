import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { Inbox } from '../../src/cache/inbox.ts';
import { Limits } from '../../src/shared/limits.ts';
import { consumedWord, STORE_HEADER_BYTES } from '../../src/shared/memory/layout.ts';
import type { Offer } from '../../src/shared/messages.ts';
import { waitFor } from '../support/wait.ts';

class FakePort extends EventEmitter {
  closed = false;
  close(): void {
    this.closed = true;
  }
}
const offer = (verdictId: number): Offer => ({ verdictId }) as Offer;
const offers = (count: number): Offer[] => Array.from({ length: count }, (_, i) => offer(i));

function makeInbox() {
  const words = new Int32Array(new SharedArrayBuffer(STORE_HEADER_BYTES));
  const admitted: Offer[] = [];
  let nudges = 0;
  const inbox = new Inbox({ words, admit: (one) => void admitted.push(one), nudged: () => nudges++ });
  const consumed = (slot: number): number => Atomics.load(words, consumedWord(slot));
  return { inbox, admitted, consumed, nudges: () => nudges };
}

it('counts every offer that it handled in the word of its worker', async () => {
  const { inbox, admitted, consumed } = makeInbox();
  const ports = [new FakePort(), new FakePort()];
  ports.forEach((port, slot) => void inbox.connect(slot, port as never));
  ports[0]!.emit('message', offers(500));
  ports[1]!.emit('message', offers(3));
  await waitFor('the inbox to be empty', () => inbox.depth === 0);
  expect([consumed(0), consumed(1), admitted.length]).toEqual([500, 3, 503]);
});

it('lets the event loop turn between slices, and each worker have its share', async () => {
  const { inbox, admitted, consumed } = makeInbox();
  const ports = [new FakePort(), new FakePort()];
  ports.forEach((port, slot) => void inbox.connect(slot, port as never));
  ports[0]!.emit('message', offers(10 * Limits.offersPerSliceMax));
  ports[1]!.emit('message', offers(1));
  expect(admitted).toHaveLength(0);
  await new Promise(setImmediate);
  expect([consumed(0), consumed(1)]).toEqual([Limits.offersPerSliceMax, 1]);
  await waitFor('the inbox to be empty', () => inbox.depth === 0);
});

it('takes an empty batch for a nudge', () => {
  const { inbox, nudges } = makeInbox();
  const port = new FakePort();
  inbox.connect(0, port as never);
  port.emit('message', []);
  expect(nudges()).toBe(1);
});

it('drops what a worker that is gone had offered', async () => {
  const { inbox, admitted } = makeInbox();
  const [old, fresh] = [new FakePort(), new FakePort()];
  inbox.connect(0, old as never);
  old.emit('message', offers(5));
  inbox.connect(0, fresh as never);
  expect(old.closed).toBe(true);
  old.emit('message', offers(5));
  fresh.emit('message', offers(1));
  await waitFor('the inbox to be empty', () => inbox.depth === 0);
  await new Promise(setImmediate);
  expect(admitted).toHaveLength(1);
});
