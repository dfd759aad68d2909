/**
 * Takes every connection that a listener accepts: refuses it as PostgreSQL does (53300) when there are too many clients, or too many waiting,
 * and else gives it to the placement of its transport's model of concurrency.
 */
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { Plan } from './concurrency.ts';
import type { Incoming, Lane, LaneNotice } from './handoff.ts';
import {
  type Placement,
  type Send,
  StealingPlacement,
  ThreadPlacement,
  type ThreadSource,
  TurnPlacement,
} from './placement.ts';
import { refuse } from './refuse.ts';
import { type WaitReport, WaitTimes } from './waiting.ts';

export interface DispatcherPorts {
  readonly clock: Clock;
  /** Sessions open in all workers. */
  sessionsOpen(): number;
  /** Runs `task` in a while; used to try the waiting again. */
  later(task: () => void): void;
  warn(message: string, error: unknown): void;
  /** For the model per-connection. */
  readonly threads: ThreadSource;
}

export interface DispatcherOptions {
  readonly connectionsMax: number;
  /** Connections that wait for a worker. */
  readonly queueDepthMax: number;
  /** How long a thread without a connection stays (per-connection). */
  readonly threadIdleMsMax: number;
  readonly plan: Plan;
}

export function dispatcherOptions({ limits, concurrency }: Config, plan: Plan): DispatcherOptions {
  const { queueDepthMax, threadIdleMs } = concurrency;
  return { connectionsMax: limits.connectionsMax, queueDepthMax, threadIdleMsMax: threadIdleMs, plan };
}

export interface QueueReport {
  readonly waiting: number;
  readonly waitingMax: number;
  readonly stolen: number;
  readonly wait: WaitReport;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #ports: DispatcherPorts;
  readonly #lanes = new Map<number, Lane>();
  readonly #placements: Readonly<Record<Incoming['transport'], Placement>>;
  /** Those of the transports, each once. */
  readonly #distinct: readonly Placement[];
  readonly #acceptedMs = new WeakMap<Incoming, number>();
  readonly #waits = new WaitTimes();
  #waitingMax = 0;
  #retrying = false;
  #closed = false;
  accepted = 0;
  refused = 0;

  constructor(options: DispatcherOptions, ports: DispatcherPorts) {
    this.#options = options;
    this.#ports = ports;
    const { tcp, unix } = options.plan;
    const placement = this.#placementOf(tcp);
    this.#placements = { tcp: placement, unix: unix === tcp ? placement : this.#placementOf(unix) };
    this.#distinct = [...new Set(Object.values(this.#placements))];
  }

  get waiting(): number {
    return this.#distinct.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  queue(): QueueReport {
    const stolen = this.#distinct.reduce((sum, placement) => sum + placement.stolen, 0);
    return { waiting: this.waiting, waitingMax: this.#waitingMax, stolen, wait: this.#waits.report() };
  }

  /** A worker that takes connections from now on. */
  add(slot: number, lane: Lane): void {
    this.#lanes.set(slot, lane);
    for (const placement of this.#of(slot)) placement.add(slot, lane);
  }

  remove(slot: number): void {
    this.#lanes.delete(slot);
    for (const placement of this.#of(slot)) placement.remove(slot);
    this.#retryLater();
  }

  /** What a worker says about its connections. */
  noticed(slot: number, notice: Extract<LaneNotice, string>): void {
    for (const placement of this.#of(slot)) {
      if (notice === 'took') placement.took(slot);
      else placement.ended(slot);
    }
  }

  dispatch(incoming: Incoming): void {
    this.accepted++;
    const placement = this.#placements[incoming.transport];
    this.#acceptedMs.set(incoming, this.#ports.clock.nowMs());
    if (this.#closed) {
      this.#refuse(incoming, '57P03', 'the database system is shutting down');
    } else if (this.#connections() >= this.#options.connectionsMax) {
      this.#refuse(incoming, '53300', 'sorry, too many clients already (pgfresh limits.max_connections)');
    } else if (!placement.offer(incoming)) {
      this.#hold(incoming, placement);
    }
  }

  /** Refuses what waits and what comes. */
  close(): void {
    this.#closed = true;
    for (const incoming of this.#distinct.flatMap((placement) => placement.release())) {
      this.#refuse(incoming, '57P03', 'the database system is shutting down');
    }
  }

  #hold(incoming: Incoming, placement: Placement): void {
    if (this.waiting >= this.#options.queueDepthMax) {
      const why = 'sorry, too many clients are waiting for a worker already (pgfresh concurrency.max_queue_depth)';
      this.#refuse(incoming, '53300', why);
      return;
    }
    placement.hold(incoming);
    this.#waitingMax = Math.max(this.#waitingMax, this.waiting);
    this.#retryLater();
  }

  /** async has the first slot of the pool, pool and work-stealing all of them, per-connection those behind. */
  *#of(slot: number): Generator<Placement> {
    const { plan } = this.#options;
    for (const placement of this.#distinct) {
      const model = placement === this.#placements.tcp ? plan.tcp : plan.unix;
      const isThread = slot >= plan.poolSlots;
      if (model === 'per-connection' ? isThread : !isThread && (model !== 'async' || slot === 0)) yield placement;
    }
  }

  #placementOf(model: Plan['tcp']): Placement {
    const send: Send = (incoming, _slot, lane) => this.#send(incoming, lane);
    if (model === 'work-stealing') return new StealingPlacement(send);
    if (model !== 'per-connection') return new TurnPlacement(send);
    return new ThreadPlacement(send, this.#ports.threads, this.#options.threadIdleMsMax);
  }

  #send(incoming: Incoming, lane: Lane): 'sent' | 'full' | 'gone' {
    try {
      const result = lane.send(incoming);
      const acceptedMs = this.#acceptedMs.get(incoming);
      if (result === 'sent' && acceptedMs !== undefined) this.#waits.add(this.#ports.clock.nowMs() - acceptedMs);
      return result;
    } catch (error) {
      this.#ports.warn('a connection could not be handed to a worker', error);
      incoming.socket.destroy();
      return 'gone';
    }
  }

  #connections(): number {
    let inFlight = this.waiting;
    for (const lane of this.#lanes.values()) inFlight += lane.inFlight();
    return inFlight + this.#ports.sessionsOpen();
  }

  #refuse(incoming: Incoming, sqlState: string, message: string): void {
    this.refused++;
    refuse(incoming.socket, sqlState, message, incoming.proxied === true);
  }

  #retryLater(): void {
    if (this.#retrying || this.#closed || this.waiting === 0) return;
    this.#retrying = true;
    this.#ports.later(() => {
      this.#retrying = false;
      for (const placement of this.#distinct) placement.retry();
      this.#retryLater();
    });
  }
}
