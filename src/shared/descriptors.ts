/**
 * `dup(2)` of the process's own C library, through koffi: a system call that Node does not offer and that the hand-over
 * of sockets needs. Where koffi has no build for the platform, `loadDescriptors` says so and main relays bytes instead.
 */
import { closeSync, fstatSync } from 'node:fs';
import { loadFunction } from './libc.ts';

export interface Descriptors {
  /** A second number for the same socket. @throws Error when the process has no free descriptor (EMFILE). */
  dup(fd: number): number;
  close(fd: number): void;
  /** Inode behind the number, or null when it names nothing: tells whether it is still the same socket. */
  inode(fd: number): bigint | null;
}

/** Null where there is no koffi. */
export function loadDescriptors(): Descriptors | null {
  const dup = loadFunction<(fd: number) => number>('int dup(int fd)');
  if (dup === null) return null;
  return {
    dup(fd) {
      const copy = dup(fd);
      if (copy < 0) throw new Error(`dup(${fd}) failed: out of file descriptors (raise ulimit -n)`);
      return copy;
    },
    close: (fd) => closeSync(fd),
    inode: (fd) => {
      try {
        return fstatSync(fd, { bigint: true }).ino;
      } catch {
        return null; // EBADF: the number names nothing
      }
    },
  };
}
