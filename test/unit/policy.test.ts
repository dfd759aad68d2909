import { describe, expect, it } from 'vitest';
import { Ghosts } from '../../src/cache/ghosts.ts';
import { S3Fifo } from '../../src/cache/policy.ts';
import { finishHash } from '../../src/shared/query-key.ts';
import { seededRandom } from '../model/random.ts';

function make(entriesMax: number) {
  const visited = new Set<number>();
  const hashes = new Map<number, number>();
  const sizes = new Map<number, number>();
  const policy = new S3Fifo(entriesMax, {
    takeVisited: (entry) => visited.delete(entry),
    hashOf: (entry) => hashes.get(entry) ?? finishHash(entry),
    sizeOf: (entry) => sizes.get(entry) ?? 1,
  });
  const members = (): number[] => {
    const entries: number[] = [];
    policy.check((entry) => void entries.push(entry));
    return entries;
  };
  const evict = (): number => {
    const entry = policy.victim();
    if (entry >= 0) policy.remove(entry);
    return entry;
  };
  return { visited, hashes, sizes, policy, members, evict };
}

describe('S3-FIFO', () => {
  it('evicts in order of arrival what nobody visits', () => {
    const { policy, evict } = make(8);
    for (const entry of [3, 1, 4, 5]) policy.admit(entry);
    expect([evict(), evict(), evict(), evict(), evict()]).toEqual([3, 1, 4, 5, -1]);
  });

  it('spares what was visited, once for each time that it was', () => {
    const { policy, visited, evict } = make(8);
    for (const entry of [0, 1, 2]) policy.admit(entry);
    visited.add(0);
    expect([evict(), evict()]).toEqual([1, 2]);
    visited.add(0);
    policy.admit(3);
    expect([evict(), evict(), evict()]).toEqual([3, 0, -1]);
  });

  it('keeps the entries that are read through a scan of any length', () => {
    const { policy, visited, hashes, evict, members } = make(64);
    for (let entry = 0; entry < 64; entry++) policy.admit(entry);
    for (let entry = 0; entry < 50; entry++) visited.add(entry);
    // What was read is spared once and never read again; what comes now is read by nobody and never comes back.
    for (let i = 0; i < 10_000; i++) {
      const gone = evict();
      expect(gone).toBeGreaterThanOrEqual(50);
      hashes.set(gone, finishHash(1_000_000 + i));
      policy.admit(gone);
    }
    expect(members().filter((entry) => entry < 50)).toHaveLength(50);
  });

  it('keeps them through a scan of a few huge entries, which take as much as all others together', () => {
    const { policy, visited, hashes, sizes, evict, members } = make(64);
    for (let entry = 0; entry < 50; entry++) {
      policy.admit(entry);
      visited.add(entry);
    }
    for (let i = 0; i < 1_000; i++) {
      const entry = 50 + (i % 2);
      sizes.set(entry, 25);
      hashes.set(entry, finishHash(1_000_000 + i));
      policy.admit(entry);
      if (i > 0) expect(evict()).toBe(50 + ((i - 1) % 2));
    }
    expect(members().filter((entry) => entry < 50)).toHaveLength(50);
  });

  it('knows the size of what took the place of another', () => {
    const { policy, sizes, members } = make(8);
    for (const entry of [0, 1]) policy.admit(entry);
    sizes.set(1, 30);
    expect(members).toThrow('entries take 31, 2 counted');
    policy.resized(1, 1, 30);
    expect(members()).toEqual([0, 1]);
  });

  it('recognises what it evicted too early', () => {
    const { policy, visited, hashes, evict } = make(64);
    for (let entry = 0; entry < 40; entry++) policy.admit(entry);
    for (let i = 0; i < 10; i++) visited.add(i);
    const gone = evict();
    expect(gone).toBe(10);
    hashes.set(60, finishHash(gone));
    policy.admit(60);
    for (let entry = 41; entry < 50; entry++) policy.admit(entry);
    // It is in the main queue: all other newcomers beyond their share go first.
    const order: number[] = [];
    for (let i = 0; i < 30; i++) order.push(evict());
    expect(order).not.toContain(60);
  });

  it('gives an answer in bounded time when readers mark faster than it clears', () => {
    let asked = 0;
    const policy = new S3Fifo(16_384, {
      takeVisited: () => ++asked > 0,
      hashOf: (entry) => entry,
      sizeOf: () => 1,
    });
    for (let entry = 0; entry < 10_000; entry++) policy.admit(entry);
    expect(policy.victim()).toBeGreaterThanOrEqual(0);
    expect(asked).toBeLessThan(10_000);
  });

  it.each([7, 77, 777])('agrees with a set through random use (seed %i)', (seed) => {
    const random = seededRandom(seed).next;
    const { policy, visited, members } = make(64);
    const model = new Set<number>();
    for (let step = 0; step < 5000; step++) {
      const entry = Math.floor(random() * 64);
      if (random() < 0.2 && model.size > 0) {
        const victim = policy.victim();
        expect(model).toContain(victim);
        expect(visited.has(victim)).toBe(false);
        policy.remove(victim);
        model.delete(victim);
      } else if (!model.has(entry)) {
        policy.admit(entry);
        model.add(entry);
      } else if (random() < 0.5) visited.add(entry);
      else {
        policy.remove(entry);
        visited.delete(entry);
        model.delete(entry);
      }
      expect(new Set(members())).toEqual(model);
    }
  });
});

describe('ghosts', () => {
  it.each([64, 65_536])('are remembered for about as many evictions as asked for (%i cells)', (cells) => {
    const ghosts = new Ghosts(cells);
    const remembered = (from: number, to: number) => {
      let count = 0;
      for (let i = from; i < to; i++) if (ghosts.remembers(finishHash(i), cells / 4)) count++;
      return count / (to - from);
    };
    for (let i = 1; i <= 4 * cells; i++) {
      ghosts.remember(finishHash(i));
      // As often as the store asks: it begins small, and doubles.
      ghosts.remembers(finishHash(-i), cells / 4);
    }
    // Of the last eighth nearly all, of those before the last quarter none but by accident.
    expect(remembered(4 * cells - cells / 8, 4 * cells)).toBeGreaterThan(0.8);
    expect(remembered(cells, 3 * cells)).toBeLessThan(0.05);
    expect(remembered(10 * cells, 12 * cells)).toBeLessThan(0.01);
  });

  it('are remembered when the table doubles', () => {
    const ghosts = new Ghosts(65_536);
    for (let i = 1; i <= 1_000; i++) ghosts.remember(finishHash(i));
    const known = () =>
      Array.from({ length: 1_000 }, (_, i) => finishHash(i + 1)).filter((h) => ghosts.remembers(h, 1_000));
    const before = known().length;
    expect(before).toBeGreaterThan(850);
    expect(ghosts.remembers(finishHash(5_000), 16_000)).toBe(false);
    expect(known().length).toBe(before);
  });
});
