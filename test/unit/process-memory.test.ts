// Issue 6, "Memory": what was freed does not count as the process's for ever (ADR-021).
import { expect, it, vi } from 'vitest';
import { trimRegularly } from '../../src/proxy/process-memory.ts';
import { loadFunction } from '../../src/shared/libc.ts';
import { Limits } from '../../src/shared/limits.ts';

const residentMib = (): number => process.memoryUsage.rss() / 2 ** 20;
/** Below the size from which glibc maps a piece by itself, and gives it back by itself. */
const [pieces, pieceBytes] = [1_500, 64 * 1024];

it('what is freed between two pieces in use goes back to the system in time', () => {
  // Other C libraries than glibc keep less, and have no such function.
  const hasTrim = loadFunction('int malloc_trim(size_t pad)') !== null;
  const malloc = loadFunction<(bytes: number) => unknown>('void *malloc(size_t bytes)')!;
  const memset = loadFunction<(at: unknown, byte: number, bytes: number) => void>(
    'void memset(void *at, int byte, size_t bytes)',
  )!;
  const free = loadFunction<(at: unknown) => void>('void free(void *at)')!;
  vi.useFakeTimers();
  try {
    const held = Array.from({ length: pieces }, () => malloc(pieceBytes));
    for (const at of held) memset(at, 1, pieceBytes);
    const last = held.pop();
    for (const at of held) free(at);
    const freedMib = residentMib();
    trimRegularly();
    vi.advanceTimersByTime(Limits.trimEveryMs);
    if (hasTrim) expect(freedMib - residentMib()).toBeGreaterThan((pieces * pieceBytes) / 2 ** 21);
    free(last);
  } finally {
    vi.useRealTimers();
  }
});
