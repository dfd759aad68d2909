/**
 * Main's side of the hand-over of sockets (protocol and ownership: src/shared/handoff.ts; measured: ADR-005).
 *
 *     accept ── dup ──▶ ticket pending ── post {fd, ticket} ──▶ worker
 *        └── main's own handle is closed: the duplicate keeps the connection
 */
import type { Socket } from 'node:net';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { MovingSession } from '../shared/baggage.ts';
import type { Descriptors } from '../shared/descriptors.ts';
import { toError } from '../shared/errors.ts';
import {
  createTickets,
  type HandoffMessage,
  type LaneNotice,
  TICKETS_PER_WORKER,
  TicketState,
} from '../shared/handoff.ts';
import { RelaySocket } from '../shared/relay-socket.ts';

export type { LaneNotice };

export interface Incoming {
  readonly socket: Socket;
  readonly transport: 'tcp' | 'unix';
  readonly peer: string;
  /** It begins with a header of the PROXY protocol. */
  readonly proxied?: boolean;
}

/** The way to one incarnation of a worker. */
export interface Lane {
  /** 'full' when no ticket is free: try another worker, or later; the socket is then still the caller's. 'gone': the client is. */
  send(incoming: Incoming): 'sent' | 'full' | 'gone';
  /** Asks the worker for sessions that can move. */
  release(count: number): void;
  /** Hands a session of another worker over, with both descriptors. False: no room; they are still the caller's. */
  sendSession(moving: MovingSession): boolean;
  /** Sockets posted and not yet confirmed. */
  inFlight(): number;
  /** After the worker's `exit`: closes what it never took. Returns how many descriptors that were. */
  abandon(): number;
}

export interface LaneEnds {
  readonly lane: Lane;
  /** `WorkerInit.handoff`, to be transferred. */
  readonly workerPort: MessagePort;
}

/** @param noticed called with what the worker says of its connections; null: it need not say anything */
export function openLane(
  descriptors: Descriptors | null,
  noticed: ((notice: LaneNotice) => void) | null = null,
): LaneEnds {
  const { port1, port2 } = new MessageChannel();
  if (noticed !== null) {
    port1.on('message', noticed);
    port1.postMessage({ kind: 'notices' } satisfies HandoffMessage);
  }
  port1.unref();
  return {
    lane: descriptors === null ? new RelayLane(port1) : new DescriptorLane(port1, descriptors, noticed),
    workerPort: port2,
  };
}

/** The file descriptor beneath a socket; -1 when it has been closed meanwhile. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}

class DescriptorLane implements Lane {
  readonly #port: MessagePort;
  readonly #descriptors: Descriptors;
  readonly #noticed: ((notice: LaneNotice) => void) | null;
  readonly #table = createTickets();
  readonly #fds = new Int32Array(TICKETS_PER_WORKER);
  readonly #inodes = new BigInt64Array(TICKETS_PER_WORKER);
  /** Tickets not seen confirmed yet; pruned when counted. */
  #outstanding: number[] = [];
  #next = 0;

  constructor(port: MessagePort, descriptors: Descriptors, noticed: ((notice: LaneNotice) => void) | null) {
    this.#port = port;
    this.#descriptors = descriptors;
    this.#noticed = noticed;
    this.#post({ kind: 'tickets', table: this.#table });
  }

  send({ socket, transport, peer }: Incoming): 'sent' | 'full' | 'gone' {
    const fd = descriptorOf(socket);
    if (fd < 0) {
      socket.destroy(); // nothing to hand over
      return 'gone';
    }
    const ticket = this.#freeTicket();
    if (ticket < 0) return 'full';
    const copy = this.#descriptors.dup(fd);
    this.#own(ticket, copy);
    this.#post({ kind: 'fd', fd: copy, ticket, transport, peer });
    socket.destroy(); // close(2), no shutdown(2): the connection lives on in the duplicate
    return 'sent';
  }

  release(count: number): void {
    this.#post({ kind: 'release', count });
  }

  sendSession(moving: MovingSession): boolean {
    const originTicket = this.#freeTicket();
    if (originTicket < 0) return false;
    this.#own(originTicket, moving.originFd);
    const ticket = this.#freeTicket();
    if (ticket < 0) {
      Atomics.store(this.#table, originTicket, TicketState.free);
      return false;
    }
    this.#own(ticket, moving.clientFd);
    this.#post({ kind: 'session', ticket, originTicket, ...moving });
    return true;
  }

  inFlight(): number {
    this.#outstanding = this.#outstanding.filter((ticket) => !this.#isFree(ticket));
    return this.#outstanding.length;
  }

  abandon(): number {
    // Sessions that it gave up before its end: their descriptors are in these messages.
    for (let last = receiveMessageOnPort(this.#port); last; last = receiveMessageOnPort(this.#port)) {
      this.#noticed?.(last.message as LaneNotice);
    }
    this.#port.close();
    let closed = 0;
    for (let ticket = 0; ticket < TICKETS_PER_WORKER; ticket++) {
      const state = Atomics.load(this.#table, ticket);
      const orphan = state === TicketState.pending || (state === TicketState.claimed && this.#isSameSocket(ticket));
      if (orphan) {
        this.#descriptors.close(this.#fds[ticket]!);
        closed++;
      }
      Atomics.store(this.#table, ticket, TicketState.free);
    }
    return closed;
  }

  /** The descriptor is under this ticket from now on. */
  #own(ticket: number, fd: number): void {
    this.#fds[ticket] = fd;
    this.#inodes[ticket] = this.#descriptors.inode(fd) ?? 0n;
    Atomics.store(this.#table, ticket, TicketState.pending);
    this.#outstanding.push(ticket);
  }

  #isFree(ticket: number): boolean {
    const state = Atomics.load(this.#table, ticket);
    return state === TicketState.free || state === TicketState.confirmed;
  }

  /** The thread's teardown closes what a handle held; the number may name another file by now. */
  #isSameSocket(ticket: number): boolean {
    return this.#descriptors.inode(this.#fds[ticket]!) === this.#inodes[ticket];
  }

  #freeTicket(): number {
    for (let tried = 0; tried < TICKETS_PER_WORKER; tried++) {
      const ticket = this.#next;
      this.#next = (ticket + 1) % TICKETS_PER_WORKER;
      if (this.#isFree(ticket)) return ticket;
    }
    return -1;
  }

  #post(message: HandoffMessage): void {
    this.#port.postMessage(message);
  }
}

/** Fallback: main keeps the socket and pumps its bytes through a channel of its own. */
class RelayLane implements Lane {
  readonly #port: MessagePort;
  readonly #open = new Set<Socket>();

  constructor(port: MessagePort) {
    this.#port = port;
  }

  send({ socket, transport, peer }: Incoming): 'sent' | 'full' | 'gone' {
    const { port1, port2 } = new MessageChannel();
    const relay = new RelaySocket(port1, { allowHalfOpen: true });
    this.#open.add(socket);
    const end = (error?: unknown): void => {
      this.#open.delete(socket);
      relay.destroy(error === undefined ? undefined : toError(error));
      socket.destroy();
    };
    socket.on('error', () => end()).on('close', () => end());
    relay.on('error', () => end()).on('close', () => end());
    socket.pipe(relay);
    relay.pipe(socket);
    const message: HandoffMessage = { kind: 'relay', port: port2, transport, peer };
    this.#port.postMessage(message, [port2]);
    return 'sent';
  }

  release(): void {
    // Relayed bytes have no descriptor to move.
  }

  sendSession(): boolean {
    return false;
  }

  inFlight(): number {
    return 0;
  }

  abandon(): number {
    this.#port.close();
    const count = this.#open.size;
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
    return count;
  }
}
