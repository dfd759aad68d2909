import { describe, expect, it } from 'vitest';
import { Sieve } from '../../src/cache/policy.ts';
import { seededRandom } from '../support/store.ts';

function make(entriesMax: number) {
  const visited = new Set<number>();
  const policy = new Sieve(entriesMax, { takeVisited: (entry) => visited.delete(entry) });
  const order = (): number[] => {
    const entries: number[] = [];
    policy.check((entry) => void entries.push(entry));
    return entries;
  };
  const evict = (): number => {
    const entry = policy.victim();
    if (entry >= 0) policy.remove(entry);
    return entry;
  };
  return { visited, policy, order, evict };
}

describe('SIEVE', () => {
  it('evicts in order of insertion what nobody visits', () => {
    const { policy, evict } = make(8);
    for (const entry of [3, 1, 4, 5]) policy.admit(entry);
    expect([evict(), evict(), evict(), evict(), evict()]).toEqual([3, 1, 4, 5, -1]);
  });

  it('passes over the visited once, and goes on from where it stopped', () => {
    const { policy, visited, evict, order } = make(8);
    for (const entry of [0, 1, 2, 3, 4]) policy.admit(entry);
    visited.add(0).add(1);
    expect(evict()).toBe(2);
    policy.admit(5);
    // 0 and 1 lost their mark, but the hand is beyond them.
    expect([evict(), evict(), evict()]).toEqual([3, 4, 5]);
    expect(evict()).toBe(0);
    expect(order()).toEqual([1]);
  });

  it('starts over at the oldest when the hand has passed the newest', () => {
    const { policy, visited, evict } = make(4);
    for (const entry of [0, 1, 2]) policy.admit(entry);
    for (const entry of [0, 1, 2]) visited.add(entry);
    expect(evict()).toBe(0);
    visited.add(1);
    expect([evict(), evict()]).toEqual([2, 1]);
  });

  it('moves its hand on when the entry under it is removed', () => {
    const { policy, visited, order } = make(8);
    for (const entry of [0, 1, 2, 3]) policy.admit(entry);
    visited.add(0);
    expect(policy.victim()).toBe(1);
    policy.remove(1);
    expect(policy.victim()).toBe(2);
    for (const entry of [2, 3, 0]) policy.remove(entry);
    expect(policy.victim()).toBe(-1);
    expect(order()).toEqual([]);
  });

  it('gives an answer in bounded time when readers mark faster than the hand clears', () => {
    const policy = new Sieve(10_000, { takeVisited: () => true });
    for (let entry = 0; entry < 10_000; entry++) policy.admit(entry);
    const first = policy.victim();
    policy.remove(first);
    expect(policy.victim()).not.toBe(first);
  });

  it.each([7, 77, 777])('agrees with a list through random use (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const { policy, visited, order } = make(64);
    const model: number[] = [];
    for (let step = 0; step < 5000; step++) {
      const entry = Math.floor(random() * 64);
      const at = model.indexOf(entry);
      if (random() < 0.2 && model.length > 0) {
        const victim = policy.victim();
        expect(model).toContain(victim);
        expect(visited.has(victim)).toBe(false);
        policy.remove(victim);
        model.splice(model.indexOf(victim), 1);
      } else if (at < 0) {
        policy.admit(entry);
        model.push(entry);
      } else if (random() < 0.5) visited.add(entry);
      else {
        policy.remove(entry);
        visited.delete(entry);
        model.splice(at, 1);
      }
      expect(order()).toEqual(model);
    }
  });
});
