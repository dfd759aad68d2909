import type net from 'node:net';
import { setImmediate as eventLoopRound } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ClientSocket } from '../../src/shared/handoff.ts';
import { Limits } from '../../src/shared/limits.ts';
import { Balance } from '../../src/worker/balance.ts';

class FakeSocket {
  writableLength = 0;
  isRead = true;

  pause(): void {
    this.isRead = false;
  }

  resume(): void {
    this.isRead = true;
  }
}

const full = Limits.readBufferBytes;

function bench() {
  const [client, origin] = [new FakeSocket(), new FakeSocket()];
  let turns = 0;
  const update = (clientBytes = 0, holdsClient = false, isLive = true, originBytes = 0) => {
    const sockets = [client as unknown as ClientSocket, origin as unknown as net.Socket] as const;
    balance.update(...sockets, holdsClient, isLive, clientBytes, originBytes);
    return [client.isRead, origin.isRead];
  };
  const balance = new Balance(() => {
    turns++;
    update();
  });
  return { client, origin, update, turns: () => turns };
}

it('does not read who is ahead of the other', () => {
  const { client, origin, update } = bench();
  origin.writableLength = Limits.peerQueueBytesMax + 1;
  expect(update()).toEqual([false, true]);
  client.writableLength = Limits.peerQueueBytesMax + 1;
  origin.writableLength = 0;
  expect(update()).toEqual([true, false]);
  client.writableLength = 0;
  expect(update(0, true)).toEqual([false, true]);
  expect(update(0, true, false)).toEqual([true, true]);
});

it('lets others have their turn after two reads that filled the buffer', async () => {
  const { update, turns } = bench();
  expect(update(full)).toEqual([true, true]);
  expect(update(full - 1)).toEqual([true, true]);
  expect(update(full)).toEqual([false, true]);
  expect(update()).toEqual([false, true]);
  await eventLoopRound();
  expect([turns(), ...update()]).toEqual([1, true, true]);
  expect(update(full)).toEqual([true, true]);
  expect(update(full)).toEqual([false, true]);
  await eventLoopRound();
  expect([turns(), ...update()]).toEqual([2, true, true]);
});

it('counts the reads of each by themselves', async () => {
  const { update, turns } = bench();
  const fromOrigin = () => update(0, false, true, full);
  update(full);
  expect(fromOrigin()).toEqual([true, true]);
  expect(fromOrigin()).toEqual([true, false]);
  expect(update(full)).toEqual([false, false]);
  await eventLoopRound();
  expect([turns(), ...update()]).toEqual([2, true, true]);
});

it('goes on to hold who is ahead when others had their turn', async () => {
  const { origin, update } = bench();
  origin.writableLength = Limits.peerQueueBytesMax + 1;
  expect(update(full)).toEqual([false, true]);
  expect(update(full)).toEqual([false, true]);
  await eventLoopRound();
  expect(update()).toEqual([false, true]);
  origin.writableLength = 0;
  expect(update()).toEqual([true, true]);
});
