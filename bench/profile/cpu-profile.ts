/** What is read out of a .cpuprofile (V8's sampling profiler): where a thread spent its time. Idle time is left out everywhere. */

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Node that was on top at each sample, and microseconds since the one before. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** A function as it was called, with all that it called. */
export interface CallTree {
  /** "lookup worker/serve.ts:120". */
  readonly name: string;
  /** Its own, and with what it called, in microseconds. */
  readonly selfUs: number;
  readonly totalUs: number;
  /** The largest first. */
  readonly children: readonly CallTree[];
}

const idle = '(idle)';
/** The profiler itself. */
const profiler = 'node:inspector';

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const place = url === '' ? '' : ` ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`;
  return `${functionName || '(anonymous)'}${place}`;
}

/** By node, without those that are not the thread's own doing. */
function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): Map<number, number> {
  const others = nodes.filter(({ callFrame: { functionName, url } }) => functionName === idle || url === profiler);
  const left = new Set(others.map(({ id }) => id));
  const times = new Map<number, number>();
  samples.forEach((id, i) => {
    if (!left.has(id)) times.set(id, (times.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0));
  });
  return times;
}

/** Functions by their own time, the largest first, as shares of the time that the thread was busy. */
export function topFunctions(profile: CpuProfile, count: number): { name: string; share: number }[] {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  for (const [id, us] of selfTimes(profile)) {
    const name = names.get(id) ?? '?';
    times.set(name, (times.get(name) ?? 0) + us);
  }
  const busyUs = [...times.values()].reduce((sum, us) => sum + us, 0);
  return [...times]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([name, us]) => ({ name, share: us / busyUs }));
}

/** The root first. */
export function callTree(profile: CpuProfile): CallTree {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const times = selfTimes(profile);
  const build = (node: ProfileNode): CallTree => {
    const children = (node.children ?? [])
      .map((id) => nodes.get(id))
      .filter((child) => child !== undefined)
      .map(build)
      .filter(({ totalUs }) => totalUs > 0)
      .sort((a, b) => b.totalUs - a.totalUs);
    const selfUs = times.get(node.id) ?? 0;
    return {
      name: nameOf(node),
      selfUs,
      totalUs: children.reduce((sum, { totalUs }) => sum + totalUs, selfUs),
      children,
    };
  };
  const root = profile.nodes[0];
  if (root === undefined) throw new Error('a profile without a root');
  return build(root);
}
