/** Functions of the process's own C library that Node does not offer, through koffi. */
import { createRequire } from 'node:module';

interface Koffi {
  load(library: null): { func(prototype: string): unknown };
}

/** @param prototype in C, with types of a fixed width where that matters
 * @returns null where there is no such function, or no build of koffi for this platform */
export function loadFunction<F>(prototype: string): F | null {
  if (process.platform === 'win32') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    return koffi.load(null).func(prototype) as F; // null: the symbols of this process, libc among them
  } catch {
    return null;
  }
}
