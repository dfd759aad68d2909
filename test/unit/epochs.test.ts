import { beforeEach, describe, expect, it } from 'vitest';
import { type ControlWords, createControl, openControl } from '../../src/shared/memory/control.ts';
import { enterEpoch, leaveEpoch, RetiredBlocks } from '../../src/shared/memory/epochs.ts';
import { epochWord, Store, WORKERS_MAX } from '../../src/shared/memory/layout.ts';

let control: ControlWords;
let store: Int32Array;
let retired: RetiredBlocks;

beforeEach(() => {
  control = openControl(createControl());
  store = new Int32Array(2048);
  store[Store.RECLAIM_EPOCH] = 1;
  retired = new RetiredBlocks(control, store, false);
});

function reclaimed(): number[] {
  const blocks: number[] = [];
  retired.reclaim((block) => void blocks.push(block));
  return blocks;
}

describe('a retired block', () => {
  it('is reclaimed at once when no worker reads', () => {
    for (const block of [10, 20, 30]) retired.push(block);
    expect(reclaimed()).toEqual([10, 20, 30]);
    expect(retired.count).toBe(0);
  });

  it.each([0, 31, WORKERS_MAX - 1])('waits for worker %i, which was reading when it was retired', (slot) => {
    enterEpoch(control, epochWord(slot), store);
    retired.push(10);
    expect(reclaimed()).toEqual([]);
    // The same worker reading anew, after it left, cannot have the block.
    leaveEpoch(control, epochWord(slot));
    enterEpoch(control, epochWord(slot), store);
    expect(reclaimed()).toEqual([10]);
  });

  it('does not wait for a worker that began to read after the next look', () => {
    retired.push(10);
    enterEpoch(control, epochWord(0), store);
    expect(reclaimed()).toEqual([]);
    enterEpoch(control, epochWord(1), store);
    leaveEpoch(control, epochWord(0));
    expect(reclaimed()).toEqual([10]);
  });

  it('waits while an older one waits', () => {
    enterEpoch(control, epochWord(0), store);
    retired.push(10);
    reclaimed();
    retired.push(20);
    expect(reclaimed()).toEqual([]);
    leaveEpoch(control, epochWord(0));
    expect(reclaimed()).toEqual([10, 20]);
  });

  it('is kept for a worker that slept between reading the epoch and storing it', () => {
    const early = store[Store.RECLAIM_EPOCH]!;
    retired.push(10);
    expect(reclaimed()).toEqual([10]);
    control[epochWord(5)] = early;
    retired.push(20);
    expect(reclaimed()).toEqual([]);
    leaveEpoch(control, epochWord(5));
    expect(reclaimed()).toEqual([20]);
  });

  it('is judged rightly when epochs wrap, and no epoch is 0', () => {
    store[Store.RECLAIM_EPOCH] = 0x7ffffffe;
    for (let i = 0; i < 4; i++) {
      enterEpoch(control, epochWord(0), store);
      retired.push(10 + i);
      expect(reclaimed()).toEqual([]);
      leaveEpoch(control, epochWord(0));
      expect(reclaimed()).toEqual([10 + i]);
    }
    store[Store.RECLAIM_EPOCH] = -1;
    retired.push(1);
    expect(reclaimed()).toEqual([1]);
    expect(store[Store.RECLAIM_EPOCH]).toBe(1);
  });

  it('is never lost among many more than the queue began with', () => {
    const expected: number[] = [];
    // The ring wraps before it grows.
    for (let i = 1; i <= 700; i++) retired.push(i);
    expect(reclaimed()).toHaveLength(700);
    enterEpoch(control, epochWord(0), store);
    for (let i = 1; i <= 5000; i++) {
      retired.push(i);
      expected.push(i);
    }
    expect(reclaimed()).toEqual([]);
    const waiting: number[] = [];
    retired.forEach((block) => void waiting.push(block));
    expect(waiting).toEqual(expected);
    leaveEpoch(control, epochWord(0));
    expect(reclaimed()).toEqual(expected);
  });
});
