/**
 * The connection to one client, encrypted or not. TLS begins here, in the worker, over the socket that was handed over:
 *
 *   raw socket ──bytes──▶ session          (the worker's read buffer, no allocation per read)
 *   raw socket ⇄ TLSSocket ──bytes──▶ session   (decrypted chunks are copied into the same read buffer)
 */
import net from 'node:net';
import tls from 'node:tls';
import type { Arrival, ClientSocket } from '../shared/handoff.ts';
import { Limits } from '../shared/limits.ts';
import { RelaySocket } from '../shared/relay-socket.ts';
import type { TlsServer } from './tls-server.ts';

export interface ClientEvents {
  /** `count` bytes are in the read buffer. */
  bytes(count: number): void;
  drained(): void;
  ended(): void;
  closed(): void;
  /** The handshake is done. */
  secured(socket: tls.TLSSocket): void;
  /** The handshake failed; the connection closes. */
  handshakeFailed(error: Error): void;
}

export class ClientLink {
  /** What is written to: the raw socket, or TLS over it. */
  socket: ClientSocket;
  /** As the kernel says, or the load balancer in front. */
  peer: string;
  readonly transport: 'tcp' | 'unix';
  private readonly readBuffer: Buffer;
  private readonly events: ClientEvents;
  /** Hash of the certificate that this client was shown (a reload may have changed the server's since). */
  endPoint: Buffer | null = null;
  private handshaking = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(arrival: Arrival, readBuffer: Buffer, events: ClientEvents) {
    this.peer = arrival.peer;
    this.transport = arrival.transport;
    this.readBuffer = readBuffer;
    this.events = events;
    const callback = (count: number) => {
      events.bytes(count);
      return true;
    };
    this.socket = arrival.open({ allowHalfOpen: true, onread: { buffer: readBuffer, callback } });
    this.socket.setNoDelay(true);
    this.listen(this.socket);
  }

  /** Null while the client speaks in the clear. */
  get secured(): tls.TLSSocket | null {
    return this.socket instanceof tls.TLSSocket && !this.handshaking ? this.socket : null;
  }

  /** Everything written must be on its way. `first`: bytes of the handshake that were read already. */
  startTls(server: TlsServer, first: Buffer | null): void {
    this.endPoint = server.endPoint;
    const raw = this.socket;
    for (const event of ['drain', 'end', 'close', 'error', 'data']) raw.removeAllListeners(event);
    raw.on('error', () => raw.destroy());
    if (raw instanceof RelaySocket) raw.becomePlain();
    if (first !== null) {
      raw.pause(); // a flowing stream would throw away what nobody listens to
      raw.unshift(first);
    }
    const secure = new tls.TLSSocket(raw as unknown as net.Socket, server.options);
    this.handshaking = true;
    this.socket = secure;
    // 'secure' is what tls.Server itself listens to; `secureConnect` is for clients only.
    secure.once('secure', () => {
      this.handshaking = false;
      this.events.secured(secure);
    });
    secure.on('data', (chunk: Buffer) => this.decrypted(chunk));
    this.listen(secure);
    if (!(raw instanceof net.Socket)) raw.on('close', () => secure.destroy());
  }

  private decrypted(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += this.readBuffer.length) {
      const end = Math.min(chunk.length, at + this.readBuffer.length);
      chunk.copy(this.readBuffer, 0, at, end);
      this.events.bytes(end - at);
    }
  }

  private listen(socket: ClientSocket): void {
    const { events } = this;
    socket.on('drain', () => events.drained());
    socket.on('end', () => {
      if (!this.handshaking) events.ended();
    });
    socket.on('error', (error) => {
      if (this.handshaking) events.handshakeFailed(error);
      this.handshaking = false;
      socket.destroy();
    });
    socket.on('close', () => {
      clearTimeout(this.timer);
      events.closed();
    });
  }

  /** Sends what was written, then closes; a client that never closes its end is not waited for. */
  close(): void {
    if (this.handshaking) {
      this.socket.destroy();
      return;
    }
    this.socket.end();
    this.socket.resume();
    this.socket.once('finish', () => {
      this.timer = setTimeout(() => this.socket.destroy(), Limits.lingerMsMax);
    });
  }
}
