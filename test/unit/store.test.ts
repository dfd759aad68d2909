import { afterEach, describe, expect, it } from 'vitest';
import { writeBlock } from '../../src/cache/block.ts';
import { IndexSlots } from '../../src/cache/index-slots.ts';
import { enterEpoch, leaveEpoch } from '../../src/shared/memory/epochs.ts';
import { StoreReader } from '../../src/shared/memory/index-reader.ts';
import { BUCKET_SLOTS, epochWord, Store, StoreState } from '../../src/shared/memory/layout.ts';
import {
  clearStore,
  createStore,
  hashOf,
  numberedEntry,
  numberedKey,
  readFrames,
  type TestStore,
} from '../support/store.ts';

const open: TestStore[] = [];

function make(options: Parameters<typeof createStore>[0]): TestStore {
  const made = createStore(options);
  open.push(made);
  return made;
}

afterEach(() => {
  for (const { store } of open.splice(0)) store.check();
});

const KB = 1024;
const find = ({ store }: TestStore, id: number): number => store.find(hashOf(numberedKey(id)), numberedKey(id));

describe('entries', () => {
  it('are found by prefix and tail wherever the key is split', () => {
    const { store } = make({ memoryBytes: 64 * KB });
    const key = Buffer.from('context:SELECT a FROM b WHERE a long enough text to be compared natively = $1|42');
    const frames = Buffer.from('TTTTDDDDDDDC');
    const block = store.insert({
      hash: hashOf(key),
      key,
      frames,
      rowDescriptionBytes: 4,
      filledRound: 9,
      fenceSlots: [3, 4, 5, 6],
    });
    const padded = Buffer.concat([Buffer.from('xx'), key, Buffer.from('yyy')]);
    for (let cut = 0; cut <= key.length; cut++) {
      const found = store.reader.find(hashOf(key), key.subarray(0, cut), padded, 2 + cut, 2 + key.length);
      expect(found, `cut at ${cut}`).toBe(block);
    }
    expect(store.reader.filledRound(block)).toBe(9);
    expect(store.reader.fenceSlots(block)).toBe(4);
    expect([0, 1, 2, 3].map((i) => store.reader.fenceSlot(block, i))).toEqual([3, 4, 5, 6]);
    expect(readFrames(store, block).toString()).toBe('TTTTDDDDDDDC');
    expect(readFrames(store, block, false).toString()).toBe('DDDDDDDC');
    const short = Buffer.alloc(8, 0x2e);
    expect(store.reader.copyFrames(block, short, 1, false)).toBe(0);
    expect(short.toString()).toBe('........');
  });

  it('are found and copied where Buffer offsets no longer fit 32 bits', () => {
    // Address space alone: pages never written do not exist. Offsets of blocks: below, across and beyond 4 GiB.
    const memory = new SharedArrayBuffer(9 * 2 ** 30);
    const words = new Int32Array(memory);
    words[Store.BUCKETS] = 2;
    const slots = new IndexSlots(words);
    const reader = new StoreReader(memory);
    for (const [id, offset] of [2 ** 30 - 64, 2 ** 32 - 128, 2 ** 32 + 64, 9 * 2 ** 30 - 1024].entries()) {
      const entry = numberedEntry(id + 70, 1, 400, [1, 2]);
      const block = offset / 64;
      writeBlock(reader, block, entry);
      slots.link(slots.freeSlot(entry.hash), entry.hash, block);
      expect(reader.find(entry.hash, Buffer.alloc(0), entry.key, 0, entry.key.length)).toBe(block);
      expect(slots.slotOf(block)).toBeGreaterThanOrEqual(0);
      const target = Buffer.alloc(500);
      expect(reader.copyFrames(block, target, 7, true)).toBe(400);
      expect(target.subarray(7, 407).equals(entry.frames)).toBe(true);
      reader.markVisited(block);
      expect(slots.takeVisited(block)).toBe(true);
      expect(reader.fenceSlot(block, 1)).toBe(2);
    }
  });

  it('are never found by a key that differs in one byte, or is longer or shorter', () => {
    const { store } = make({ memoryBytes: 64 * KB });
    const none = Buffer.alloc(0);
    for (const length of [1, 63, 64, 65, 200]) {
      const key = Buffer.alloc(length, 7);
      const hash = hashOf(key);
      store.insert({ hash, key, frames: none, rowDescriptionBytes: 0, filledRound: 0, fenceSlots: [] });
      for (let i = 0; i < length; i++) {
        const other = Buffer.from(key);
        other[i] = 8;
        expect(store.find(hash, other)).toBe(0);
        expect(store.reader.find(hash, other.subarray(0, i), other, i, length)).toBe(0);
      }
      expect(store.find(hash, Buffer.concat([key, key]))).toBe(0);
      expect(store.find(hash, key.subarray(1))).toBe(0);
    }
  });

  it('with one hash and different keys live side by side', () => {
    const made = make({ memoryBytes: 64 * KB });
    const entries = Array.from({ length: 16 }, (_, id) => ({ ...numberedEntry(id, 1, 20), hash: 12345 }));
    const blocks = entries.map((entry) => made.store.insert(entry));
    expect(entries.map(({ key }) => made.store.find(12345, key))).toEqual(blocks);
    // A seventeenth has to take the place of one of them.
    expect(made.store.insert({ ...numberedEntry(99, 1, 20), hash: 12345 })).not.toBe(0);
    expect(made.store.statistics()).toMatchObject({ entries: 16, evicted: 1 });
  });

  it('give way to another with the same key', () => {
    const made = make({ memoryBytes: 64 * KB });
    const first = made.store.insert(numberedEntry(1, 1, 20));
    const second = made.store.insert(numberedEntry(1, 2, 500));
    expect(find(made, 1)).toBe(second);
    expect(made.removals).toEqual([{ block: first, cause: 'replaced' }]);
    expect(made.store.statistics()).toMatchObject({ entries: 1, evicted: 0 });
  });

  it('are gone once removed, and cannot be removed twice', () => {
    const made = make({ memoryBytes: 64 * KB });
    const block = made.store.insert(numberedEntry(1, 1, 20));
    made.store.remove(block);
    expect(find(made, 1)).toBe(0);
    expect(() => made.store.remove(block)).toThrow('is no entry');
    expect(made.removals).toEqual([{ block, cause: 'removed' }]);
  });

  it('are all gone after clear, and their memory serves new ones', () => {
    const made = make({ memoryBytes: 64 * KB });
    for (let id = 0; id < 50; id++) made.store.insert(numberedEntry(id, 1, 300));
    expect(clearStore(made.store)).toBe(50);
    expect(clearStore(made.store)).toBe(0);
    expect(made.removals.filter(({ cause }) => cause === 'cleared')).toHaveLength(50);
    expect(made.store.statistics()).toMatchObject({ entries: 0, bytes: 0 });
    for (let id = 0; id < 50; id++) expect(made.store.insert(numberedEntry(id, 2, 300))).not.toBe(0);
    expect(made.store.statistics()).toMatchObject({ entries: 50, evicted: 0 });
  });
});

describe('the bound', () => {
  it('refuses an entry larger than the store and leaves the others alone', () => {
    const made = make({ memoryBytes: 64 * KB });
    made.store.insert(numberedEntry(1, 1, 20));
    expect(made.store.insert(numberedEntry(2, 1, 64 * KB))).toBe(0);
    expect(find(made, 1)).not.toBe(0);
  });

  it('admits an entry of nearly the whole store by evicting the rest', () => {
    const made = make({ memoryBytes: 256 * KB });
    for (let id = 0; id < 1000; id++) made.store.insert(numberedEntry(id, 1, 100));
    const block = made.store.insert(numberedEntry(5000, 1, made.store.statistics().bytesMax - 200));
    expect(block).not.toBe(0);
    expect(
      readFrames(made.store, block).equals(numberedEntry(5000, 1, made.store.statistics().bytesMax - 200).frames),
    ).toBe(true);
  });

  it('makes room for a large entry among small ones at the cost of about its own size', () => {
    const made = make({ memoryBytes: 4096 * KB });
    for (let id = 0; id < 30_000; id++) made.store.insert(numberedEntry(id, 1, 100));
    const before = made.store.statistics();
    expect(made.store.insert(numberedEntry(1_000_000, 1, 256 * KB))).not.toBe(0);
    const lost = before.bytes - made.store.statistics().bytes + 256 * KB;
    expect(lost).toBeLessThan(2 * 256 * KB);
  });

  it('changes what sizes its memory serves when the sizes asked for change', () => {
    const made = make({ memoryBytes: 1024 * KB });
    const total = made.store.statistics().bytesMax;
    let id = 0;
    for (const size of [60, 3000, 200, 40_000, 60]) {
      for (let i = 0; i < (3 * total) / size; i++) expect(made.store.insert(numberedEntry(id++, 1, size))).not.toBe(0);
      made.store.check();
      // Index-bound at the smallest size, else most memory is in use (an entry here is up to 4 % of it).
      const { entries, bytes } = made.store.statistics();
      expect(entries * 200 > total || bytes > 0.85 * total, `size ${size}: ${entries} entries, ${bytes} bytes`).toBe(
        true,
      );
    }
  });

  it.each([
    ['each as much as itself', () => 200],
    ['each ten times as much as itself', () => 2_000],
    ['some a thousand times as much', (id: number) => (id % 100 === 0 ? 200_000 : 100)],
  ])('counts what is kept of its entries elsewhere: %s', (_, costOf) => {
    const costs = new Map<number, number>();
    const made = make({
      memoryBytes: 2048 * KB,
      removed: (block) => {
        made.store.books.bytes -= costs.get(block)!;
        costs.delete(block);
      },
    });
    const { bytesMax } = made.store.statistics();
    let least = Number.POSITIVE_INFINITY;
    for (let id = 0; id < 20_000; id++) {
      const block = made.store.insert(numberedEntry(id, 1, 100));
      // Whatever the one before cost, room was made for it.
      expect(made.store.statistics().bytes).toBeLessThanOrEqual(bytesMax);
      if (id > 19_000) least = Math.min(least, made.store.statistics().bytes);
      costs.set(block, costOf(id));
      made.store.books.bytes += costOf(id);
    }
    expect(least).toBeGreaterThan(0.75 * bytesMax);
    made.store.check();
    clearStore(made.store);
    expect([made.store.books.bytes, made.store.statistics().bytes]).toEqual([0, 0]);
  });

  it('holds when the index is full before the memory', () => {
    const made = make({ memoryBytes: 1024 * KB, buckets: 8 });
    for (let id = 0; id < 1000; id++) expect(made.store.insert(numberedEntry(id, id, 20))).not.toBe(0);
    const { entries, evicted } = made.store.statistics();
    expect(entries).toBeLessThanOrEqual(8 * BUCKET_SLOTS);
    expect(entries + evicted).toBe(1000);
    expect(made.removals).toHaveLength(evicted);
  });

  it('keeps the neighbours that are read when the index is full', () => {
    const made = make({ memoryBytes: 1024 * KB, buckets: 2 });
    const blocks = Array.from({ length: 16 }, (_, id) => made.store.insert(numberedEntry(id, id, 20)));
    const kept = blocks.filter((_, id) => id % 2 === 0);
    for (const block of kept) made.store.reader.markVisited(block);
    for (let id = 16; id < 24; id++) made.store.insert(numberedEntry(id, id, 20));
    expect(made.removals.map(({ block }) => block)).toEqual(blocks.filter((block) => !kept.includes(block)));
  });

  it('evicts entries nobody reads before entries that are read', () => {
    const made = make({ memoryBytes: 256 * KB });
    for (let id = 0; id < 5000; id++) {
      made.store.insert(numberedEntry(1_000_000 + id, 1, 300));
      if (id < 50) made.store.insert(numberedEntry(id, 1, 300));
      for (let hot = 0; hot < 50; hot++) {
        const block = find(made, hot);
        if (block !== 0) made.store.reader.markVisited(block);
      }
    }
    expect(Array.from({ length: 50 }, (_, hot) => find(made, hot)).every((block) => block !== 0)).toBe(true);
    expect(made.store.statistics().evicted).toBeGreaterThan(4000);
  });

  it('keeps what is read through a scan of entries of a quarter of the store each', () => {
    const made = make({ memoryBytes: 1024 * KB });
    const hotMax = 300;
    for (let id = 0; id < hotMax; id++) made.store.insert(numberedEntry(id, 1, 300));
    let lost = 0;
    for (let huge = 0; huge < 60; huge++) {
      expect(made.store.insert(numberedEntry(1_000_000 + huge, 1, 220 * KB))).not.toBe(0);
      for (let id = 0; id < hotMax; id++) {
        const block = find(made, id);
        if (block === 0) lost++;
        else made.store.reader.markVisited(block);
      }
    }
    expect(lost).toBe(0);
    expect(made.store.statistics().evicted).toBeGreaterThan(50);
    made.store.check();
  });

  it('refuses memory that could hold nothing', () => {
    expect(() => createStore({ memoryBytes: 1000 })).toThrow(RangeError);
    expect(() => createStore({ memoryBytes: Number.NaN })).toThrow(RangeError);
    expect(() => createStore({ memoryBytes: 64 * KB, buckets: 1024 })).toThrow(RangeError);
  });
});

describe('readers', () => {
  it('keep the memory they look at from being reused, however much is inserted', () => {
    const made = make({ memoryBytes: 128 * KB });
    for (let id = 0; id < 2000; id++) made.store.insert(numberedEntry(id, 1, 200));
    const held = find(made, 1999);
    enterEpoch(made.control, epochWord(63), made.store.words);
    const before = readFrames(made.store, held);
    made.store.remove(held);
    let refused = 0;
    for (let id = 0; id < 2000; id++) if (made.store.insert(numberedEntry(10_000 + id, 1, 200)) === 0) refused++;
    expect(refused).toBeGreaterThan(0);
    // A reader that stays does not make the writer empty the store for nothing.
    expect(made.store.statistics().entries).toBeGreaterThan(100);
    expect(readFrames(made.store, held).equals(before)).toBe(true);
    leaveEpoch(made.control, epochWord(63));
    for (let id = 0; id < 500; id++) expect(made.store.insert(numberedEntry(20_000 + id, 1, 200))).not.toBe(0);
  });

  it('see the words that the cache thread publishes', () => {
    const { store } = make({ memoryBytes: 64 * KB, generation: 7 });
    expect(store.reader.state()).toBe(StoreState.starting);
    store.publish(Store.STATE, StoreState.live);
    store.publish(Store.FRESH_ROUND, 11);
    store.publish(Store.FRESH_AS_OF_MS, -12);
    store.publish(Store.SETTLE_STAMP, 13);
    store.publish(Store.STREAM_EPOCH, 14);
    store.publish(Store.CATALOG_VERSION, 15);
    const { reader } = store;
    expect([reader.generation(), reader.state(), reader.freshRound(), reader.freshAsOfMs()]).toEqual([7, 1, 11, -12]);
    expect([reader.settleStamp(), reader.streamEpoch(), reader.catalogVersion()]).toEqual([13, 14, 15]);
  });
});
