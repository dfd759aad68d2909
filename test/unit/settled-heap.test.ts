// Issue 6, "Memory": what a thread needed only to start does not stay in its heap (ADR-026).
import { expect, it, vi } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { collectWhenSettled } from '../../src/shared/settled-heap.ts';

it('what is garbage once a thread has loaded what it needs goes then', () => {
  vi.useFakeTimers();
  try {
    collectWhenSettled();
    // Large enough to be in no young generation, so that nothing but a full collection takes it.
    let garbage: unknown[] | null = Array.from({ length: 64 }, (_, i) => new Array(2 ** 17).fill(i));
    const before = process.memoryUsage().heapUsed;
    expect(garbage).toHaveLength(64);
    garbage = null;
    vi.advanceTimersByTime(Limits.heapSettledMs);
    expect(before - process.memoryUsage().heapUsed).toBeGreaterThan(32 * 2 ** 20);
  } finally {
    vi.useRealTimers();
  }
});
