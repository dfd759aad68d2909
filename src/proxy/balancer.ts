/**
 * Relieves a busy worker while another has time (work-stealing): once a second the busiest and the idlest are compared, and if they differ by much the
 * busiest is asked for some of its sessions. What it gives up goes to the idlest; a session whose way is barred ends, as if its worker had died.
 */
import type { MovingSession } from '../shared/baggage.ts';
import type { Descriptors } from '../shared/descriptors.ts';
import { Limits } from '../shared/limits.ts';
import type { WorkerControl } from '../shared/messages.ts';
import type { Plan } from './concurrency.ts';
import type { WorkerCounters } from './counters.ts';
import type { Lane } from './handoff.ts';
import type { Thread } from './thread.ts';

/** Busy, of the time; below it there is nothing to relieve. */
const BUSY_MIN = 0.7;
/** The idlest has at most this share of the busiest one's work. */
const IDLE_SHARE_MAX = 0.5;

const balanceMs = 1_000;

export interface BalancedWorker {
  readonly slot: number;
  readonly lane: Lane;
  readonly sessions: number;
  /** Share of the last interval in which its event loop was busy. */
  readonly busy: number;
}

export interface Relief {
  readonly from: BalancedWorker;
  readonly count: number;
}

/** Whom to relieve of how many sessions; null: nobody. Pure. */
export function reliefOf(workers: readonly BalancedWorker[]): Relief | null {
  const byLoad = [...workers].sort((a, b) => a.busy - b.busy);
  const [idlest, busiest] = [byLoad[0], byLoad.at(-1)];
  if (idlest === undefined || busiest === undefined || busiest.sessions < 2) return null;
  if (busiest.busy < BUSY_MIN || idlest.busy > busiest.busy * IDLE_SHARE_MAX) return null;
  const surplus = (busiest.busy - idlest.busy) / (2 * busiest.busy);
  const count = Math.min(Math.ceil(busiest.sessions * surplus), busiest.sessions - 1, Limits.movedSessionsMax);
  return { from: busiest, count };
}

export class Balancer {
  readonly #workers: () => readonly BalancedWorker[];
  readonly #descriptors: Descriptors;
  #timer: NodeJS.Timeout | undefined;
  moved = 0;
  lost = 0;

  constructor(workers: () => readonly BalancedWorker[], descriptors: Descriptors) {
    this.#workers = workers;
    this.#descriptors = descriptors;
  }

  start(): void {
    this.#timer = setInterval(() => {
      const relief = reliefOf(this.#workers());
      relief?.from.lane.release(relief.count);
    }, balanceMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks every worker for sessions, busy or not, for tests. Returns how many were asked. */
  releaseAll(): number {
    const workers = this.#workers();
    for (const { lane } of workers) lane.release(Limits.movedSessionsMax);
    return workers.length;
  }

  /** A session that a worker has given up: its descriptors are ours. */
  take(fromSlot: number, moving: MovingSession): void {
    const workers = this.#workers();
    const others = workers.filter(({ slot }) => slot !== fromSlot).sort((a, b) => a.busy - b.busy);
    const candidates = [...others, ...workers.filter(({ slot }) => slot === fromSlot)];
    if (candidates.some(({ lane }) => lane.sendSession(moving))) {
      this.moved++;
      return;
    }
    this.lost++;
    for (const fd of [moving.clientFd, moving.originFd]) this.#descriptors.close(fd);
  }
}

/** A slot of the pool as the supervisor has it. */
interface PoolSlot {
  readonly slot: number;
  readonly supervised: { readonly thread: Pick<Thread<WorkerControl>, 'load'> | undefined };
  readonly lane: Lane | undefined;
}

/** Null where no session moves: another model, one worker, or no way to duplicate descriptors. */
export function openBalancer(
  pool: readonly PoolSlot[],
  counters: Pick<WorkerCounters, 'of'>,
  { tcp, unix }: Plan,
  descriptors: Descriptors | null,
): Balancer | null {
  const isWanted = tcp === 'work-stealing' || unix === 'work-stealing';
  if (!isWanted || descriptors === null || pool.length < 2) return null;
  const workers = (): BalancedWorker[] =>
    pool.flatMap(({ slot, supervised: { thread }, lane }) => {
      if (thread === undefined || lane === undefined) return [];
      return [{ slot, lane, sessions: counters.of(slot, 'sessionsOpen'), busy: thread.load() }];
    });
  return new Balancer(workers, descriptors);
}
