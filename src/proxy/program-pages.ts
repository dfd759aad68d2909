/**
 * Pages of the program's file that nothing has used since the start. Node reads through most of its own code and data to start four threads, and runs a third
 * of it afterwards; as long as memory is plenty the kernel counts all of it as resident. ADR-021.
 */
import { readFileSync } from 'node:fs';
import { loadFunction } from '../shared/libc.ts';

export interface Mapping {
  readonly start: number;
  readonly bytes: number;
}

/** madvise(2) */
const MADV_DONTNEED = 4;

/**
 * Mappings of the file that may not be written and in which every page is the file's own: what is let go of them comes back from the file as it was.
 * In others a page that was changed (relocated, while the program was loaded) would be lost.
 * @param smaps of proc(5)
 */
export function unchangedMappings(smaps: string, file: string): Mapping[] {
  const found: Mapping[] = [];
  for (const mapping of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const header = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +(.*)$/m.exec(mapping);
    if (header?.[3] !== file || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const start = Number.parseInt(header[1]!, 16);
    found.push({ start, bytes: Number.parseInt(header[2]!, 16) - start });
  }
  return found;
}

/** Lets go of them all: what is in use comes back, page by page, from the system's cache of the file. Linux only; elsewhere nothing happens. */
export function releaseProgramPages(): void {
  const madvise = loadFunction<(start: number, bytes: number, advice: number) => number>(
    'int madvise(uintptr_t start, size_t bytes, int advice)',
  );
  if (madvise === null || process.platform !== 'linux') return;
  for (const { start, bytes } of unchangedMappings(readSmaps(), process.execPath)) madvise(start, bytes, MADV_DONTNEED);
}

/** Empty where it may not be read. */
function readSmaps(): string {
  try {
    return readFileSync('/proc/self/smaps', 'latin1');
  } catch {
    return '';
  }
}
