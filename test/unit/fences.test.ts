import { beforeEach, describe, expect, it } from 'vitest';
import { type ControlWords, createControl, openControl, raise, wantRound } from '../../src/shared/memory/control.ts';
import { countReason, createCounters, openCounters } from '../../src/shared/memory/counters.ts';
import {
  databaseHash,
  entryFenceSlots,
  entryFresh,
  entryRound,
  fencedTable,
  fenceSlotAll,
  fenceSlotNotPoint,
  fenceSlotPoint,
  raiseDatabaseFence,
  raiseFences,
  raisePointFences,
} from '../../src/shared/memory/fences.ts';
import { Counter, databaseFenceWord, FENCE_COUNT, FENCES } from '../../src/shared/memory/layout.ts';
import { reasonCodes, reasonIndex } from '../../src/shared/reasons.ts';
import { createStore, numberedEntry } from '../support/store.ts';

let control: ControlWords;
beforeEach(() => {
  control = openControl(createControl());
});

const ORDERS = 16_500;
const ITEMS = 16_600;
const DB = databaseHash('shop');
const value = Buffer.from('12345');
const point = fenceSlotPoint(ORDERS, value, 0, value.length);

/** The round that an entry with these slots needs. */
function roundOf(...slots: number[]): number {
  const { store } = createStore({ memoryBytes: 64 * 1024, control });
  return entryRound(control, store.reader, store.insert(numberedEntry(1, 1, 20, slots)), databaseFenceWord(DB));
}

describe('fences', () => {
  it('of a table hold back every entry that read it, pointed or not, and no other', () => {
    raiseFences(control, [ORDERS], 5);
    expect(roundOf(...entryFenceSlots([ORDERS]))).toBe(5);
    expect(roundOf(...entryFenceSlots([ITEMS, ORDERS]))).toBe(5);
    expect(roundOf(point, fenceSlotAll(ORDERS))).toBe(5);
    expect(roundOf(...entryFenceSlots([ITEMS]))).toBe(0);
    expect(roundOf()).toBe(0);
  });

  it('of a point hold back that point and what is no point', () => {
    raisePointFences(control, ORDERS, point, 5);
    const other = Buffer.from('x12346y');
    expect(roundOf(point, fenceSlotAll(ORDERS))).toBe(5);
    expect(roundOf(...entryFenceSlots([ORDERS]))).toBe(5);
    expect(roundOf(fenceSlotPoint(ORDERS, other, 1, 6), fenceSlotAll(ORDERS))).toBe(0);
    expect(roundOf(fenceSlotPoint(ITEMS, value, 0, 5), fenceSlotAll(ITEMS))).toBe(0);
  });

  it('of a database hold back nothing of another one', () => {
    const other = databaseHash('other');
    raiseDatabaseFence(control, other, 6);
    raiseFences(control, [fencedTable(other, ORDERS)], 6);
    expect(roundOf(...entryFenceSlots([fencedTable(DB, ORDERS)]))).toBe(0);
    expect(roundOf(...entryFenceSlots([fencedTable(other, ORDERS)]))).toBe(6);
  });

  it('of unknown tables hold back everything', () => {
    raiseDatabaseFence(control, DB, 6);
    expect(roundOf()).toBe(6);
    expect(roundOf(...entryFenceSlots([ITEMS]))).toBe(6);
  });

  it('only rise', () => {
    raiseFences(control, [ORDERS], 9);
    raiseFences(control, [ORDERS], 4);
    raiseDatabaseFence(control, DB, 3);
    raiseDatabaseFence(control, DB, 2);
    expect(roundOf(...entryFenceSlots([ORDERS]))).toBe(9);
    expect(control[databaseFenceWord(DB)]).toBe(3);
  });

  it('let an entry answer from its round on, and the session floor counts too', () => {
    raiseFences(control, [ORDERS], 5);
    const { store } = createStore({ memoryBytes: 64 * 1024, control });
    const block = store.insert(numberedEntry(1, 1, 20, entryFenceSlots([ORDERS])));
    const fresh = (freshRound: number, floor: number) =>
      entryFresh(control, store.reader, block, databaseFenceWord(DB), freshRound, floor);
    expect([fresh(4, 0), fresh(5, 0), fresh(5, 5), fresh(5, 6), fresh(6, 6)]).toEqual([false, true, true, false, true]);
  });

  it('stay inside their memory and spread over it', () => {
    const used = new Set<number>();
    for (let relation = 16_384; relation < 16_384 + 4096; relation++) {
      for (const slot of [...entryFenceSlots([relation]), fenceSlotPoint(relation, value, 0, 5)]) used.add(slot);
    }
    expect(Math.min(...used)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...used)).toBeLessThan(FENCE_COUNT);
    // 12,288 slots thrown into 65,536 words hit 11,200 different ones when evenly spread.
    expect(used.size).toBeGreaterThan(11_000);
    expect(fenceSlotAll(ORDERS)).not.toBe(fenceSlotNotPoint(ORDERS));
    raise(control, FENCES + FENCE_COUNT - 1, 1);
  });
});

describe('raising a word', () => {
  it('tells whether it rose', () => {
    expect([raise(control, 0, 3), raise(control, 0, 3), raise(control, 0, 2), raise(control, 0, 4)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    const { store } = createStore({ memoryBytes: 64 * 1024, control });
    expect([wantRound(store.words, 1, 7), wantRound(store.words, 1, 7)]).toEqual([true, false]);
    expect(wantRound(store.words, 0, 7)).toBe(true);
  });

  it('refuses memory of another size', () => {
    expect(() => openControl(new SharedArrayBuffer(64))).toThrow(RangeError);
  });
});

describe('counters', () => {
  it('are seen by whoever opens the same memory, each reason in a place of its own', () => {
    const memory = createCounters();
    const worker = openCounters(memory);
    worker[Counter.hits] = 2 ** 40 + 5;
    for (const reason of reasonCodes) countReason(worker, reason);
    countReason(worker, 'cache.stale');
    const main = openCounters(memory);
    expect(main[Counter.hits]).toBe(2 ** 40 + 5);
    expect(main[Counter.reasons + reasonIndex['cache.stale']]).toBe(2);
    expect(main.reduce((sum, count) => sum + count)).toBe(2 ** 40 + 5 + reasonCodes.length + 1);
  });
});
