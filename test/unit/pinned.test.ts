/** Entries that a hint pins: size pressure leaves them alone within their share, and nothing else does. */
import { afterEach, describe, expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { seededRandom } from '../model/random.ts';
import {
  clearStore,
  createStore,
  hashOf,
  numberedEntry,
  numberedKey,
  provenFrames,
  readFrames,
  type TestStore,
} from '../support/store.ts';

const MEMORY = 1 << 20;
let made: TestStore;

afterEach(() => {
  made.store.check();
});

const insert = (id: number, length: number, pin: boolean, version = 1): number =>
  made.store.insert({ ...numberedEntry(id, version, length), pin });
const isThere = (id: number): boolean => made.store.find(hashOf(numberedKey(id)), numberedKey(id)) !== 0;
const share = (): number => made.store.statistics().pinnedBytes / made.store.statistics().bytesMax;

describe('pinned entries', () => {
  it.each([[200], [3_000], [20_000]])('outlive a scan of ten times the store, answers of %i bytes', (length) => {
    made = createStore({ memoryBytes: MEMORY });
    const pinned = Array.from({ length: 20 }, (_, i) => i);
    for (const id of pinned) expect(insert(id, 1_000, true)).toBeGreaterThan(0);
    let stored = 0;
    for (let id = 1_000; stored < 10 * MEMORY; id++, stored += length) insert(id, length, false);
    expect(made.store.statistics().evicted).toBeGreaterThan(0);
    for (const id of pinned) expect({ id, isThere: isThere(id) }).toEqual({ id, isThere: true });
    expect(made.store.statistics().pinnedEntries).toBe(20);
  });

  it('take no more than their share: a store asked to pin everything goes on serving what is new', () => {
    made = createStore({ memoryBytes: MEMORY });
    for (let id = 0; id < 20_000; id++) {
      expect(insert(id, 200 + (id % 700), true)).toBeGreaterThan(0);
      expect(isThere(id)).toBe(true);
      if (id % 1_000 === 0) made.store.check();
    }
    expect(share()).toBeGreaterThan(0.9 * Limits.pinnedShareMax);
    expect(share()).toBeLessThanOrEqual(Limits.pinnedShareMax);
    // The first are those that found room.
    expect(isThere(0)).toBe(true);
  });

  it('leave when they are removed or cleared, and make room for others to be pinned', () => {
    made = createStore({ memoryBytes: MEMORY });
    for (let id = 0; id < 2_000; id++) insert(id, 500, true);
    const { pinnedEntries } = made.store.statistics();
    for (let id = 0; id < 100; id++) made.store.remove(made.store.find(hashOf(numberedKey(id)), numberedKey(id)));
    expect(made.store.statistics().pinnedEntries).toBe(pinnedEntries - 100);
    for (let id = 5_000; id < 5_050; id++) insert(id, 500, true);
    expect(made.store.statistics().pinnedEntries).toBe(pinnedEntries - 50);
    clearStore(made.store);
    expect(made.store.statistics()).toMatchObject({ pinnedEntries: 0, pinnedBytes: 0, entries: 0 });
  });

  it('are what the answer that takes their place asks for', () => {
    made = createStore({ memoryBytes: MEMORY });
    insert(1, 300, false);
    expect(made.store.statistics().pinnedEntries).toBe(0);
    const pinned = insert(1, 900, true, 2);
    expect([made.store.statistics().pinnedEntries, made.store.reader.isPinned(pinned)]).toEqual([1, true]);
    made.store.reader.markVisited(pinned);
    expect(made.store.reader.isPinned(pinned)).toBe(true);
    expect(made.store.reader.isPinned(insert(1, 300, false, 3))).toBe(false);
    expect(made.store.statistics()).toMatchObject({ pinnedEntries: 0, pinnedBytes: 0 });
  });

  it.each([5, 55, 555])('agree with a model through random use (seed %i)', (seed) => {
    const random = seededRandom(seed).next;
    made = createStore({ memoryBytes: MEMORY, buckets: 512 });
    const pinned = new Map<number, number>();
    for (let step = 0; step < 6_000; step++) {
      const id = Math.floor(random() * 3_000);
      const block = made.store.find(hashOf(numberedKey(id)), numberedKey(id));
      if (random() < 0.2) {
        if (block !== 0) made.store.remove(block);
        pinned.delete(id);
        continue;
      }
      const length = 50 + Math.floor(random() ** 4 * 30_000);
      const pin = random() < 0.1 && length < 2_000;
      const { pinnedEntries } = made.store.statistics();
      const wasPinned = pinned.delete(id);
      insert(id, length, pin, step);
      if (pin && made.store.statistics().pinnedEntries > pinnedEntries - (wasPinned ? 1 : 0)) pinned.set(id, step);
      if (step % 500 === 0) made.store.check();
    }
    expect(pinned.size).toBeGreaterThan(50);
    for (const id of pinned.keys()) {
      const block = made.store.find(hashOf(numberedKey(id)), numberedKey(id));
      expect({ id, found: block !== 0 }).toEqual({ id, found: true });
      const frames = readFrames(made.store, block);
      expect(provenFrames(id, frames, 0, frames.length)).toBe(true);
    }
  });
});
