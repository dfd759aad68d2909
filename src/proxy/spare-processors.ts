/**
 * Tells the workers whether the machine has processor time that nobody wants: only then may they look for work instead of sleeping (ADR-023). The
 * time that they look counts as idle, or their looking would end itself.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import type { ConcurrencyConfig } from '../shared/config.ts';
import type { Plan } from './concurrency.ts';

const sampleMs = 100;
/** Processors that must be idle for each worker. Two clients that wait for each answer leave two processors so much, four do not. */
const IDLE_PER_WORKER = 0.5;

export interface SparePorts {
  readonly nowMs: () => number;
  /** Sum of the idle time of all processors since some point; null where the system does not say. */
  readonly idleMs: () => number | null;
  /** Sum of the time that workers have looked for work. */
  readonly lookedMs: () => number;
  readonly publish: (isSpare: boolean) => void;
}

export class SpareProcessors {
  readonly #ports: SparePorts;
  readonly #needed: number;
  #sampledMs: number;
  #idleMs: number | null;
  #lookedMs: number;

  /** @param workers that may look at the same time */
  constructor(ports: SparePorts, workers: number) {
    this.#ports = ports;
    this.#needed = IDLE_PER_WORKER * workers;
    this.#sampledMs = ports.nowMs();
    this.#idleMs = ports.idleMs();
    this.#lookedMs = ports.lookedMs();
  }

  /** Judges the time since the last call. */
  sample(): void {
    const { nowMs, idleMs, lookedMs, publish } = this.#ports;
    const before = { at: this.#sampledMs, idle: this.#idleMs, looked: this.#lookedMs };
    this.#sampledMs = nowMs();
    this.#idleMs = idleMs();
    this.#lookedMs = lookedMs();
    const idle = this.#idleMs === null || before.idle === null ? 0 : this.#idleMs - before.idle;
    const spareMs = idle + this.#lookedMs - before.looked;
    publish(spareMs >= this.#needed * Math.max(1, this.#sampledMs - before.at));
  }
}

/**
 * Not with one processor; nor where threads outnumber processors or are compared by how busy they are (ADR-016); nor where this process may use less
 * than the machine has (a quota, a set of processors): the machine's idleness says nothing of that.
 */
export function mayPoll(concurrency: ConcurrencyConfig, plan: Plan, usable: number, present: number): boolean {
  const { optimizeFor, pollUs } = concurrency;
  const isPool = [plan.tcp, plan.unix].every((model) => model === 'async' || model === 'pool');
  return pollUs > 0 && optimizeFor === 'latency' && usable > 1 && usable === present && isPool;
}

/** Samples until the returned function is called; null where workers are never to look. */
export function watchProcessors(
  concurrency: ConcurrencyConfig,
  plan: Plan,
  ports: Omit<SparePorts, 'idleMs'>,
): (() => void) | null {
  if (!mayPoll(concurrency, plan, availableParallelism(), cpus().length)) return null;
  const uptime = openUptime();
  if (uptime === null) return null;
  const spare = new SpareProcessors({ ...ports, idleMs: uptime.idleMs }, plan.poolSlots);
  const timer = setInterval(() => spare.sample(), sampleMs).unref();
  return () => {
    clearInterval(timer);
    uptime.close();
  };
}

/** The second figure of /proc/uptime, proc_uptime(5): seconds that processors were idle, in hundredths. Linux alone has it. */
function openUptime(): { idleMs(): number | null; close(): void } | null {
  try {
    const file = openSync('/proc/uptime', 'r');
    const text = Buffer.alloc(64);
    const idleMs = (): number | null =>
      parseUptime(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0)));
    return { idleMs, close: () => closeSync(file) };
  } catch {
    return null;
  }
}

export function parseUptime(text: string): number | null {
  const match = /^[\d.]+ ([\d.]+)\s*$/.exec(text);
  return match === null ? null : Number(match[1]) * 1_000;
}
