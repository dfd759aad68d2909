/** The most memory that a process had resident, exactly: the kernel keeps the mark, and lets us set it back. Linux only; proc(5). */
import { readFileSync, writeFileSync } from 'node:fs';

/** What it has resident now, in MiB; the mark begins anew from there. Null where the kernel does not say. */
export function resetPeak(pid: number): number | null {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    return null; // no /proc, or not ours
  }
  return residentMib(pid, 'VmRSS');
}

/** The most since `resetPeak`, in MiB. */
export const peakMib = (pid: number): number => residentMib(pid, 'VmHWM');

function residentMib(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? Number.NaN) / 1024;
}
