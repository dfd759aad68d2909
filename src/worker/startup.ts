/**
 * The packets before the protocol proper: encryption requests (refused with 'N', as by a server without TLS), CancelRequest,
 * StartupMessage. Lengths are checked before bytes are kept. Manual: Start-up, SSL Session Encryption, Canceling Requests.
 */
import { Limits } from '../shared/limits.ts';
import { NOTHING, WireError } from '../shared/wire/framer.ts';
import { decodeStartup } from '../shared/wire/frontend.ts';

export type FirstPacket =
  | { readonly kind: 'ssl' | 'gssEncryption' }
  /** Terminate: the client has changed its mind before it said who it is. */
  | { readonly kind: 'terminate' }
  | { readonly kind: 'cancel'; readonly packet: Buffer }
  | { readonly kind: 'startup'; readonly packet: Buffer; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'unsupported'; readonly major: number; readonly minor: number };

/** `X` and the first bytes of the length that follows it, read as a length. */
const TERMINATE_LENGTH = 0x58000000;

export class StartupReader {
  private held: Buffer = NOTHING;

  /** True when no byte waits: none came (a health check, no protocol violation), or every packet was taken. */
  get isEmpty(): boolean {
    return this.held.length === 0;
  }

  /**
   * Takes bytes in; `next` gives the packets out.
   * @throws WireError when they are no startup packet.
   */
  push(bytes: Buffer, start: number, end: number): void {
    this.held = Buffer.concat([this.held, bytes.subarray(start, end)]);
  }

  next(): FirstPacket | null {
    if (this.held.length < 4) return null;
    const length = this.held.readInt32BE(0);
    if (length === TERMINATE_LENGTH) return this.held.length > 4 ? { kind: 'terminate' } : null;
    if (length < 8 || length > Limits.startupPacketBytesMax) throw new WireError('invalid length of startup packet');
    if (this.held.length < length) return null;
    const packet = this.held.subarray(0, length);
    this.held = this.held.subarray(length);
    const startup = decodeStartup(packet, 0, length);
    switch (startup.kind) {
      case 'ssl':
      case 'gssEncryption':
        return { kind: startup.kind };
      case 'cancel':
        return { kind: 'cancel', packet };
      case 'startup':
        return { kind: 'startup', packet, parameters: startup.parameters };
      case 'unsupported':
        return startup;
      case 'malformed':
        throw new WireError('invalid startup packet layout');
    }
  }

  /** What came behind the packets. */
  rest(): Buffer {
    const rest = this.held;
    this.held = NOTHING;
    return rest;
  }
}

const off = new Set(['', '0', 'off', 'no', 'false', 'f', 'n']);

/** Whether a startup packet asks for a replication connection, whose protocol is not ours to follow. */
export function wantsReplication(parameters: ReadonlyMap<string, string>): boolean {
  return !off.has((parameters.get('replication') ?? '').toLowerCase());
}

/** `pgfresh.consistency` given as a startup parameter or in `options`. */
export function startupLevel(parameters: ReadonlyMap<string, string>): string | null {
  const direct = parameters.get('pgfresh.consistency');
  if (direct !== undefined) return direct;
  return /(?:-c\s*|--)pgfresh\.consistency=(\w+)/i.exec(parameters.get('options') ?? '')?.[1] ?? null;
}
