/** Processor time and memory of process trees, from /proc (proc(5)); elsewhere than on Linux nothing is known and null is said. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: Linux shows times to user space in hundredths of a second on every architecture that Node runs on. */
const ticksPerSecond = 100;

interface Process {
  readonly parent: number;
  /** Its own time and that of its children that have ended and been waited for. */
  readonly ticks: number;
}

export type CpuSnapshot = ReadonlyMap<number, Process>;

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null; // it ended between two looks
  }
}

/** Fields of /proc/PID/stat from the state on; the name before them may hold spaces and brackets. */
const fieldsOf = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

/** All processes as they are now; null without /proc. */
export function cpuSnapshot(): CpuSnapshot | null {
  if (process.platform !== 'linux') return null;
  const found = new Map<number, Process>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readText(`/proc/${pid}/stat`) : null;
    if (stat === null) continue;
    const fields = fieldsOf(stat);
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    found.set(pid, { parent: Number(fields[1]), ticks });
  }
  return found;
}

/** `pid` and all that descend from it. */
export function familyOf(snapshot: CpuSnapshot, pid: number): number[] {
  const family = [pid];
  for (let i = 0; i < family.length; i++) {
    for (const [child, { parent }] of snapshot) if (parent === family[i]) family.push(child);
  }
  return family;
}

/** Processor seconds that the tree of `pid` used between two snapshots; never negative. */
export function cpuSeconds(before: CpuSnapshot, after: CpuSnapshot, pid: number): number {
  const sum = (snapshot: CpuSnapshot): number =>
    familyOf(snapshot, pid).reduce((ticks, each) => ticks + (snapshot.get(each)?.ticks ?? 0), 0);
  return Math.max(0, sum(after) - sum(before)) / ticksPerSecond;
}

/** Processor seconds of this process's children that ended so far: what pgbench used is the difference over its run. */
export function endedChildrenCpuSeconds(): number {
  const stat = readText('/proc/self/stat');
  if (stat === null) return Number.NaN;
  const fields = fieldsOf(stat);
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

/**
 * Processor seconds that the whole machine spent working so far, time stolen by a hypervisor included: what is left of it after
 * those who were measured went to programs that have nothing to do with it.
 */
export function machineCpuSeconds(): number {
  const fields = readText('/proc/stat')?.split('\n')[0]?.trim().split(/\s+/).slice(1, 9).map(Number);
  if (fields === undefined) return Number.NaN;
  const [idle, waiting] = [fields[3]!, fields[4]!];
  return (fields.reduce((sum, each) => sum + each, 0) - idle - waiting) / ticksPerSecond;
}

/** Memory of the tree of `pid` in KiB, shared pages counted in proportion (Pss); null when it cannot be read. */
export function memoryKib(pid: number): number | null {
  const snapshot = cpuSnapshot();
  if (snapshot === null) return null;
  let sum = 0;
  for (const each of familyOf(snapshot, pid)) {
    const line = /^Pss:\s+(\d+) kB/m.exec(readText(`/proc/${each}/smaps_rollup`) ?? '');
    sum += line === null ? 0 : Number(line[1]);
  }
  return sum === 0 ? null : sum;
}
