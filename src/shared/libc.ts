/** Functions of the process's own C library that Node does not offer, through koffi. */
import { createRequire } from 'node:module';

interface Koffi {
  load(library: null): { func(prototype: string): unknown };
  address(memory: Uint8Array): bigint;
}

/** Null where there is no build of koffi for this platform. */
const koffi = ((): Koffi | null => {
  if (process.platform === 'win32') return null;
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return null;
  }
})();

/** @param prototype in C, with types of a fixed width where that matters
 * @returns null where there is no such function, or no koffi */
export function loadFunction<F>(prototype: string): F | null {
  try {
    return (koffi?.load(null).func(prototype) ?? null) as F | null; // null: the symbols of this process, libc among them
  } catch {
    return null;
  }
}

/** Where the bytes are, for a parameter of type `uintptr_t`; only for memory outside of V8's heap, which stays where it is while the buffer is
 * referenced. 0 where there is no koffi. */
export function addressOf(memory: Uint8Array): number {
  // User space has 47 bits, or 56: up to 2⁵³ a number is exact, and what lies beyond counts as not known.
  const address = Number(koffi?.address(memory) ?? 0n);
  return Number.isSafeInteger(address) ? address : 0;
}
