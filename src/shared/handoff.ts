/**
 * How a client's socket gets from main (which accepted it) to a worker (which serves it). ADR-005.
 *
 * Main dups the file descriptor, records it under a ticket and posts the number. The descriptor always has exactly one
 * owner, named by the ticket's word in shared memory:
 *
 *     free ──main──▶ pending ──worker, CAS──▶ claimed ──worker──▶ confirmed ──main──▶ pending …
 *                      │                        │
 *      worker died:    └─ main closes it        └─ main closes it if the number still names the same inode
 *
 * Between claimed and confirmed lies only `new net.Socket({ fd })`; from then on Node's own teardown of the thread closes it.
 * Each incarnation of a worker has a ticket table of its own, so nothing a dead thread did can touch a live ticket.
 */
import { closeSync } from 'node:fs';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import type { MovingSession, SessionBaggage } from './baggage.ts';
import type { Handoff } from './messages.ts';
import { type ReadInto, RelaySocket } from './relay-socket.ts';

export const TicketState = { free: 0, pending: 1, claimed: 2, confirmed: 3 } as const;
export type TicketState = (typeof TicketState)[keyof typeof TicketState];

/** Sockets on their way to one worker. Beyond it the dispatcher turns to another worker, or waits. */
export const TICKETS_PER_WORKER = 1024;

/** What main posts on `WorkerInit.handoff`. `tickets` comes first, once; `notices` asks for `LaneNotice`s. */
export type HandoffMessage =
  | { readonly kind: 'notices' }
  | { readonly kind: 'tickets'; readonly table: Int32Array<SharedArrayBuffer> }
  | ({ readonly kind: 'fd' } & Handoff)
  /** Asks for sessions that can move; each comes back as a `MovingSession`. */
  | { readonly kind: 'release'; readonly count: number }
  /** A session of another worker: both descriptors, each under a ticket. */
  | ({ readonly kind: 'session'; readonly ticket: number; readonly originTicket: number } & MovingSession)
  | { readonly kind: 'relay'; readonly port: MessagePort; readonly transport: 'tcp' | 'unix'; readonly peer: string };

/** What a worker posts back where the model of concurrency needs it: it has taken a connection, a connection has ended, a session is given up. */
export type LaneNotice = 'took' | 'ended' | MovingSession;

/** What a worker does with sessions that move (work-stealing). */
export interface SessionMoves {
  /** Gives up sessions, each through `move`. */
  release(count: number, move: (moving: MovingSession) => void): void;
  /** Takes one in; `arrival` is its client. */
  receive(arrival: Arrival, originFd: number, baggage: SessionBaggage): void;
}

/** A client's connection: a real socket, or one whose bytes main relays (no koffi for this platform). */
export type ClientSocket = Duplex & {
  setNoDelay(noDelay?: boolean): unknown;
  setKeepAlive(enable?: boolean, initialDelay?: number): unknown;
};

export interface OpenOptions {
  readonly allowHalfOpen?: boolean;
  readonly onread?: ReadInto;
}

export interface Arrival {
  readonly transport: 'tcp' | 'unix';
  readonly peer: string;
  /** Takes the connection. Call it once, before the handler returns; an arrival not opened is closed. */
  open(options: OpenOptions): ClientSocket;
  /** To be called when the connection has ended, if it was opened. */
  readonly ended?: () => void;
}

export function createTickets(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(TICKETS_PER_WORKER * 4));
}

/** Worker side: true when the ticket's descriptor is now ours. */
function claimTicket(table: Int32Array, ticket: number): boolean {
  return Atomics.compareExchange(table, ticket, TicketState.pending, TicketState.claimed) === TicketState.pending;
}

/** Worker side: the descriptor is held by a handle that closes it when the thread ends. */
function confirmTicket(table: Int32Array, ticket: number): void {
  Atomics.store(table, ticket, TicketState.confirmed);
}

/** Worker side: hands every arriving connection to `accept`. Starts the port. */
export function receiveHandoffs(port: MessagePort, accept: (arrival: Arrival) => void, moves?: SessionMoves): void {
  let table: Int32Array | undefined;
  let notify: (notice: LaneNotice) => void = () => undefined;
  const taken: Taken = (open, transport, peer, take = accept) => {
    let opened = false;
    const arrival: Arrival = {
      transport,
      peer,
      open: (options) => {
        const socket = open(options);
        opened = true;
        return socket;
      },
      ended: () => notify('ended'),
    };
    try {
      take(arrival);
    } finally {
      if (take === accept) notify('took');
      if (!opened) notify('ended');
    }
    return opened;
  };
  port.on('message', (message: HandoffMessage) => {
    if (message.kind === 'tickets') table = message.table;
    else if (message.kind === 'notices') notify = (notice) => port.postMessage(notice);
    else if (message.kind === 'relay') acceptRelayed(message.port, message.transport, message.peer, taken);
    else if (message.kind === 'release') moves?.release(message.count, notify);
    else if (table === undefined) return;
    else if (message.kind === 'session') receiveSession(table, message, moves, taken);
    else if (claimTicket(table, message.ticket)) acceptClaimed(table, message, taken);
  });
}

/** Whether the connection was opened. */
type Taken = (
  open: Arrival['open'],
  transport: 'tcp' | 'unix',
  peer: string,
  take?: (arrival: Arrival) => void,
) => boolean;

function acceptRelayed(port: MessagePort, transport: 'tcp' | 'unix', peer: string, taken: Taken): void {
  if (!taken((options) => new RelaySocket(port, options), transport, peer)) port.close();
}

function acceptClaimed(table: Int32Array, handoff: Handoff, taken: Taken): void {
  let owned = true;
  const open = (options: OpenOptions): ClientSocket => {
    const socket = new net.Socket({ fd: handoff.fd, readable: true, writable: true, ...options });
    owned = false;
    confirmTicket(table, handoff.ticket);
    return socket;
  };
  try {
    taken(open, handoff.transport, handoff.peer);
  } finally {
    if (owned) {
      closeSync(handoff.fd);
      confirmTicket(table, handoff.ticket);
    }
  }
}

/** Both descriptors are ours, or main has closed both: it abandons a lane as a whole, after the thread's end. */
function receiveSession(
  table: Int32Array,
  message: Extract<HandoffMessage, { kind: 'session' }>,
  moves: SessionMoves | undefined,
  taken: Taken,
): void {
  const { originFd, originTicket, clientFd, ticket, transport, peer, baggage } = message;
  if (!claimTicket(table, originTicket)) return;
  let received = false;
  const take = (arrival: Arrival): void => {
    moves?.receive(arrival, originFd, baggage);
    received = moves !== undefined;
  };
  if (claimTicket(table, ticket)) {
    acceptClaimed(table, { fd: clientFd, ticket, transport, peer }, (open, how, who) => taken(open, how, who, take));
  }
  if (!received) closeSync(originFd);
  confirmTicket(table, originTicket);
}
