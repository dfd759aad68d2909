/** The connection to the origin that belongs to one session: one socket, its life as a complete table. */
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import type { Upstream } from '../shared/config.ts';
import { assert, toError } from '../shared/errors.ts';
import { Limits } from '../shared/limits.ts';
import type { OriginAttempt } from '../shared/tls-origin.ts';
import { askForTls, notOffered, type OriginTarget, sslAnswer, startOriginTls } from './origin-tls.ts';

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
function originAddress(upstream: Upstream): { path: string } | { host: string; port: number } {
  if (upstream.host.startsWith('/')) return { path: path.join(upstream.host, `.s.PGSQL.${upstream.port}`) };
  return { host: upstream.host, port: upstream.port };
}

export class Origin {
  /** The raw socket, or TLS over it; another one after a fall-back. */
  socket!: net.Socket;
  private state: OriginState = 'connecting';
  private attempt = 0;
  private phase: 'reaching' | 'asking' | 'handshake' | 'done' = 'reaching';
  private failure: Error | null = null;
  private readonly target: OriginTarget;
  private readonly attempts: readonly OriginAttempt[];
  private readonly readBuffer: Buffer;
  private readonly events: OriginEvents;
  private timer: NodeJS.Timeout | undefined;

  /** @param fd of a connection that is logged in already; null: a new one is made */
  constructor(target: OriginTarget, readBuffer: Buffer, events: OriginEvents, fd: number | null = null) {
    this.target = target;
    this.attempts = target.attempts;
    this.readBuffer = readBuffer;
    this.events = events;
    if (fd === null) this.open();
    else this.adopt(fd);
  }

  private adopt(fd: number): void {
    const { keepaliveMs } = this.target;
    const callback = (count: number) => {
      this.received(count);
      return true;
    };
    this.phase = 'done';
    this.state = 'open';
    this.socket = new net.Socket({
      ...{ fd, readable: true, writable: true },
      onread: { buffer: this.readBuffer, callback },
    });
    this.socket.setNoDelay(true);
    if (keepaliveMs > 0) this.socket.setKeepAlive(true, keepaliveMs);
    this.watch(this.socket);
  }

  /** The connection goes on elsewhere: our handle is closed, and nothing is said. */
  detach(): void {
    this.state = 'closed';
    this.socket.destroy();
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  get isEncrypted(): boolean {
    return this.socket instanceof tls.TLSSocket;
  }

  /** The origin refused this way to connect: tries the next one that sslmode allows. False: there is none. */
  tryNext(): boolean {
    if (this.attempt + 1 >= this.attempts.length) return false;
    const refused = this.socket;
    this.attempt++;
    this.state = 'connecting';
    this.failure = null;
    this.open();
    refused.destroy();
    return true;
  }

  private open(): void {
    const { upstream, keepaliveMs, connectTimeoutMs } = this.target;
    const callback = (count: number) => {
      if (this.socket === raw) this.received(count);
      return true;
    };
    const raw = net.connect({
      ...originAddress(upstream),
      noDelay: true,
      keepAlive: keepaliveMs > 0,
      keepAliveInitialDelay: keepaliveMs,
      onread: { buffer: this.readBuffer, callback },
    });
    this.phase = 'reaching';
    this.socket = raw;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket.destroy(new Error('connection timed out')), connectTimeoutMs);
    raw.on('connect', () => {
      if (this.attempts[this.attempt] === false) {
        this.opened();
        return;
      }
      this.phase = 'asking';
      askForTls(raw);
    });
    this.watch(raw);
  }

  private watch(socket: net.Socket): void {
    const whenCurrent = (effect: () => void) => () => {
      if (this.socket === socket) effect();
    };
    socket.on('drain', () => this.events.drained());
    socket.on('error', (error) => {
      if (this.socket === socket) this.failure = error;
    });
    socket.on(
      'end',
      whenCurrent(() => this.end()),
    );
    socket.on(
      'close',
      whenCurrent(() => this.end()),
    );
  }

  private opened(): void {
    clearTimeout(this.timer);
    this.phase = 'done';
    this.state = nextOrigin(this.state, 'connected');
    this.events.connected();
  }

  private received(count: number): void {
    if (this.phase === 'done') this.events.bytes(count);
    else if (this.phase === 'asking') this.answered(this.readBuffer.subarray(0, count));
  }

  /** What the origin said to our request for TLS. */
  private answered(bytes: Buffer): void {
    const raw = this.socket;
    try {
      if (sslAnswer(bytes) === 'accepted') this.encrypt(raw);
      else if (this.attempts[this.attempt + 1] === false) this.continueInTheClear();
      else throw notOffered(this.target.upstream.sslmode);
    } catch (thrown) {
      raw.destroy(toError(thrown));
    }
  }

  private continueInTheClear(): void {
    this.attempt++;
    this.opened();
  }

  private encrypt(raw: net.Socket): void {
    const options = this.attempts[this.attempt];
    assert(typeof options === 'object', 'TLS without options');
    this.phase = 'handshake';
    const secure = startOriginTls(raw, options, this.readBuffer, (count) => {
      if (this.socket === secure) this.received(count);
    });
    this.socket = secure;
    secure.on('secureConnect', () => this.opened());
    this.watch(secure);
  }

  /**
   * Sends what was written, then closes. What the origin still says is read and dropped for a while: closing over unread bytes would
   * reset the connection, and the origin might lose what it has not read yet.
   */
  close(): void {
    const { isOpen } = this;
    this.state = 'closed';
    clearTimeout(this.timer);
    if (!isOpen) {
      this.socket.destroy();
      return;
    }
    this.socket.resume();
    this.socket.end();
    const timer = setTimeout(() => this.socket.destroy(), Limits.lingerMsMax);
    this.socket.once('close', () => clearTimeout(timer));
  }

  private end(): void {
    clearTimeout(this.timer);
    if (this.state === 'closed') return;
    // A handshake that fails is what `prefer` falls back for.
    if (this.phase === 'handshake' && this.tryNext()) return;
    this.state = nextOrigin(this.state, 'ended');
    this.events.ended(this.failure);
  }
}
