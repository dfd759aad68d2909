/** The connection to the origin that belongs to one session: one socket, its life as a complete table. */
import net from 'node:net';
import path from 'node:path';
import type { Upstream } from '../shared/config.ts';
import { Limits } from '../shared/limits.ts';

export type OriginState = 'connecting' | 'open' | 'closed';
export type OriginEvent = 'connected' | 'ended';

const table: Record<OriginState, Record<OriginEvent, OriginState>> = {
  connecting: { connected: 'open', ended: 'closed' },
  open: { connected: 'open', ended: 'closed' },
  closed: { connected: 'closed', ended: 'closed' },
};

export function nextOrigin(state: OriginState, event: OriginEvent): OriginState {
  return table[state][event];
}

export interface OriginEvents {
  connected(): void;
  /** `count` bytes are in the read buffer. */
  bytes(count: number): void;
  /** Once: nothing more comes. `error` when it was not an orderly end. */
  ended(error: Error | null): void;
  drained(): void;
}

/** Where the origin listens, as node:net takes it. */
export function originAddress(upstream: Upstream): { path: string } | { host: string; port: number } {
  if (upstream.host.startsWith('/')) return { path: path.join(upstream.host, `.s.PGSQL.${upstream.port}`) };
  return { host: upstream.host, port: upstream.port };
}

export class Origin {
  readonly socket: net.Socket;
  private state: OriginState = 'connecting';
  private failure: Error | null = null;
  private readonly events: OriginEvents;

  constructor(upstream: Upstream, readBuffer: Buffer, connectTimeoutMs: number, events: OriginEvents) {
    this.events = events;
    const onread = {
      buffer: readBuffer,
      callback: (count: number) => {
        events.bytes(count);
        return true;
      },
    };
    this.socket = net.connect({ ...originAddress(upstream), noDelay: true, onread });
    const timer = setTimeout(() => this.socket.destroy(new Error('connection timed out')), connectTimeoutMs);
    this.socket.on('connect', () => {
      clearTimeout(timer);
      this.state = nextOrigin(this.state, 'connected');
      events.connected();
    });
    this.socket.on('drain', () => events.drained());
    this.socket.on('error', (error) => {
      this.failure = error;
    });
    this.socket.on('end', () => this.end());
    this.socket.on('close', () => {
      clearTimeout(timer);
      this.end();
    });
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /**
   * Sends what was written, then closes. What the origin still says is read and dropped for a while: closing over unread bytes would
   * reset the connection, and the origin might lose what it has not read yet.
   */
  close(): void {
    this.state = 'closed';
    if (this.socket.connecting) {
      this.socket.destroy();
      return;
    }
    this.socket.resume();
    this.socket.end();
    const timer = setTimeout(() => this.socket.destroy(), Limits.lingerMsMax);
    this.socket.once('close', () => clearTimeout(timer));
  }

  private end(): void {
    if (this.state === 'closed') return;
    this.state = nextOrigin(this.state, 'ended');
    this.events.ended(this.failure);
  }
}
