/**
 * Which worker gets a new connection: the next live one in turn. Connections that find no worker ready wait here,
 * unread, in order; beyond `connectionsMax` they are refused as PostgreSQL does (53300).
 */
import type { Incoming, Lane } from './handoff.ts';
import { refuse } from './refuse.ts';

export interface DispatcherPorts {
  /** Sessions open in all workers. */
  sessionsOpen(): number;
  /** Runs `task` in a while; used to try the waiting again. */
  later(task: () => void): void;
  warn(message: string, error: unknown): void;
}

export class Dispatcher {
  readonly #lanes = new Map<number, Lane>();
  #order: readonly number[] = [];
  readonly #waiting: Incoming[] = [];
  readonly #ports: DispatcherPorts;
  readonly #connectionsMax: number;
  #next = 0;
  #retrying = false;
  #closed = false;
  accepted = 0;
  refused = 0;

  constructor(connectionsMax: number, ports: DispatcherPorts) {
    this.#connectionsMax = connectionsMax;
    this.#ports = ports;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** A worker that takes connections from now on. */
  add(workerSlot: number, lane: Lane): void {
    this.#lanes.set(workerSlot, lane);
    this.#order = [...this.#lanes.keys()].sort((a, b) => a - b);
    this.#sendWaiting();
  }

  remove(workerSlot: number): void {
    this.#lanes.delete(workerSlot);
    this.#order = [...this.#lanes.keys()].sort((a, b) => a - b);
  }

  dispatch(incoming: Incoming): void {
    this.accepted++;
    if (this.#closed) {
      this.#refuse(incoming, '57P03', 'the database system is shutting down');
    } else if (this.#connections() >= this.#connectionsMax) {
      this.#refuse(incoming, '53300', 'sorry, too many clients already (pgfresh limits.max_connections)');
    } else if (this.#waiting.length > 0 || !this.#send(incoming)) {
      this.#waiting.push(incoming);
      this.#retryLater();
    }
  }

  /** Refuses what waits and what comes. */
  close(): void {
    this.#closed = true;
    for (const incoming of this.#waiting.splice(0)) {
      this.#refuse(incoming, '57P03', 'the database system is shutting down');
    }
  }

  #connections(): number {
    let inFlight = this.#waiting.length;
    for (const lane of this.#lanes.values()) inFlight += lane.inFlight();
    return inFlight + this.#ports.sessionsOpen();
  }

  #refuse(incoming: Incoming, sqlState: string, message: string): void {
    this.refused++;
    refuse(incoming.socket, sqlState, message);
  }

  /** False when every lane is full, or there is none. */
  #send(incoming: Incoming): boolean {
    for (let tried = 0; tried < this.#order.length; tried++) {
      const slot = this.#order[this.#next % this.#order.length]!;
      this.#next = (this.#next + 1) % this.#order.length;
      try {
        if (this.#lanes.get(slot)!.send(incoming)) return true;
      } catch (error) {
        this.#ports.warn('a connection could not be handed to a worker', error);
        incoming.socket.destroy();
        return true;
      }
    }
    return false;
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#send(this.#waiting[0]!)) this.#waiting.shift();
  }

  #retryLater(): void {
    if (this.#retrying) return;
    this.#retrying = true;
    this.#ports.later(() => {
      this.#retrying = false;
      this.#sendWaiting();
      if (this.#waiting.length > 0) this.#retryLater();
    });
  }
}
