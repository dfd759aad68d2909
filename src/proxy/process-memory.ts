/** Memory that the process holds without using it, of all threads. ADR-021. */
import { setFlagsFromString } from 'node:v8';
import { loadFunction } from '../shared/libc.ts';
import { Limits } from '../shared/limits.ts';
import { releaseProgramPages } from './program-pages.ts';

/** When every thread has loaded what it needs: V8's cache of compiled code is for the flags of then, and without it a thread takes 13 MiB more. */
const settledMs = 5_000;

/** Heaps grow by less before they are collected, from their next full collection on (shared/settled-heap.ts), and what only starting needed goes. */
export function whenSettled(): void {
  setTimeout(() => {
    setFlagsFromString(`--heap-growing-percent=${Limits.heapGrowingPercent}`);
    releaseProgramPages();
  }, settledMs).unref();
}

/**
 * What was freed goes back to the system: glibc keeps it for the thread that had it, and each of V8's compiling threads had megabytes for a moment.
 * malloc_trim(3); other C libraries have none, and nothing happens.
 */
export function trimRegularly(): void {
  const trim = loadFunction<(pad: number) => number>('int malloc_trim(size_t pad)');
  if (trim !== null) setInterval(() => trim(0), Limits.trimEveryMs).unref();
}
