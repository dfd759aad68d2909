/**
 * `dup(2)` of the process's own C library, through koffi: a system call that Node does not offer and that the hand-over
 * of sockets needs. Where koffi has no build for the platform, `loadDup` says so and main relays bytes instead.
 */
import { closeSync, fstatSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface Descriptors {
  /** A second number for the same socket. @throws Error when the process has no free descriptor (EMFILE). */
  dup(fd: number): number;
  close(fd: number): void;
  /** Inode behind the number, or null when it names nothing: tells whether it is still the same socket. */
  inode(fd: number): bigint | null;
}

interface Koffi {
  load(library: string | null): { func(prototype: string): (fd: number) => number };
}

/** Null where there is no koffi. */
export function loadDescriptors(): Descriptors | null {
  const dup = loadDup();
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

function loadDup(): ((fd: number) => number) | null {
  if (process.platform === 'win32') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    return koffi.load(null).func('int dup(int fd)'); // null: the symbols of this process, libc among them
  } catch {
    return null; // no build of koffi for this platform: the relay takes over
  }
}
