/**
 * What a client may say before it logs in, and whether it has to be encrypted by then. Manual: Start-up, SSL Session
 * Encryption, Canceling Requests.
 *
 *   (header of the PROXY protocol, from trusted load balancers, in front of it all)
 *   ClientHello ─────────────▶ TLS ─▶┐
 *   GSSENCRequest ─▶ 'N' ─▶┐         ├─▶ StartupMessage, CancelRequest
 *   SSLRequest ─▶ 'S' ─▶ TLS ────────┤
 *             └─▶ 'N' ───────────────┘   (the last only where TLS is not required)
 *
 * Unix sockets are not encrypted and need not be, as in PostgreSQL; cancels are taken in the clear, as libpq sends them.
 */
import type tls from 'node:tls';
import { decodeProxyHeader } from '../shared/proxy-protocol.ts';
import type { ErrorToSend } from '../shared/wire/backend.ts';
import { WireError } from '../shared/wire/framer.ts';
import { REFUSED, unsupportedProtocol } from './last-words.ts';
import { StartupReader } from './startup.ts';
import { ACCEPTED, TLS_HANDSHAKE_RECORD, type TlsServer, tlsRequired, unencryptedData } from './tls-server.ts';

export interface EntranceEvents {
  say(bytes: Buffer): void;
  /** `first`: what was read of the handshake, null when it comes after 'S'. */
  startTls(first: Buffer | null): void;
  cancel(packet: Buffer): void;
  logIn(packet: Buffer, parameters: ReadonlyMap<string, string>): void;
  /** Where the client is, as the load balancer says. */
  comesFrom(peer: string): void;
  /** The connection ends, with `words` if they would be understood. */
  turnAway(why: string, words: ErrorToSend | null): void;
}

export class Entrance {
  private readonly reader = new StartupReader();
  private readonly server: TlsServer;
  private readonly mayEncrypt: boolean;
  private readonly mustEncrypt: boolean;
  private readonly events: EntranceEvents;
  private state: 'clear' | 'handshake' | 'encrypted' = 'clear';
  private direct = false;
  private untouched = true;
  /** The header of the PROXY protocol as far as it has come; null: none is due. */
  private header: Buffer | null;

  /** `proxied`: the connection begins with a header of the PROXY protocol. */
  constructor(server: TlsServer, transport: 'tcp' | 'unix', proxied: boolean, events: EntranceEvents) {
    this.server = server;
    this.mayEncrypt = transport === 'tcp' && server.isOffered;
    this.mustEncrypt = transport === 'tcp' && server.isRequired;
    this.events = events;
    this.header = proxied ? Buffer.alloc(0) : null;
  }

  /** @throws WireError when the bytes are no startup packet. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.header !== null) {
      this.proxyHeader(Buffer.concat([this.header, bytes.subarray(start, end)]));
      return;
    }
    if (start === end) return;
    if (this.untouched && this.mayEncrypt && bytes[start] === TLS_HANDSHAKE_RECORD) {
      this.untouched = false;
      this.direct = true;
      this.state = 'handshake';
      this.events.startTls(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    if (this.state === 'handshake') throw new WireError('data before the end of the TLS handshake');
    this.untouched = false;
    this.reader.push(bytes, start, end);
    while (this.step());
  }

  private proxyHeader(bytes: Buffer): void {
    this.header = bytes;
    const header = decodeProxyHeader(bytes);
    if (header.kind === 'malformed') this.events.turnAway(header.why, null);
    if (header.kind !== 'complete') return;
    this.header = null;
    if (header.peer !== null) this.events.comesFrom(header.peer);
    this.push(bytes, header.bytes, bytes.length);
  }

  /** The handshake is done; says whether the client is let in. */
  secured(socket: tls.TLSSocket): void {
    this.state = 'encrypted';
    const refusal = this.server.refusal(socket, this.direct);
    if (refusal !== null) this.refuse(refusal);
  }

  /** What came behind the startup packet. */
  rest(): Buffer {
    return this.reader.rest();
  }

  private refuse(error: ErrorToSend): void {
    this.events.turnAway(error.message, error);
  }

  /** One packet; false: no more now. */
  private step(): boolean {
    const packet = this.reader.next();
    if (packet === null) return false;
    switch (packet.kind) {
      case 'gssEncryption':
        this.events.say(REFUSED);
        return true;
      case 'ssl':
        return this.sslRequest();
      case 'cancel':
        this.events.cancel(packet.packet);
        return false;
      case 'terminate':
        // As PostgreSQL, for which this is a packet of an impossible length.
        this.events.turnAway('the client left before it began', null);
        return false;
      case 'unsupported':
        this.refuse(unsupportedProtocol(packet.major, packet.minor));
        return false;
      case 'startup':
        if (this.state === 'clear' && this.mustEncrypt) this.refuse(tlsRequired);
        else this.events.logIn(packet.packet, packet.parameters);
        return false;
    }
  }

  private sslRequest(): boolean {
    if (this.state === 'encrypted') throw new WireError('SSLRequest inside TLS');
    if (!this.mayEncrypt) {
      this.events.say(REFUSED);
      return true;
    }
    if (!this.reader.isEmpty) {
      this.refuse(unencryptedData);
      return false;
    }
    this.state = 'handshake';
    this.events.say(ACCEPTED);
    this.events.startTls(null);
    return false;
  }
}
