/**
 * Logging in to the origin without a client, with what a client has proved before: nothing, where the origin asks for nothing, else the keys of SCRAM.
 * A stale key (the password was changed) fails as the origin says, and is forgotten.
 */
import { randomBytes } from 'node:crypto';
import { decodeBackendPid, decodeError, decodeParameterStatus } from '../shared/wire/backend.ts';
import { Backend } from '../shared/wire/codes.ts';
import { type FrameSink, WireError } from '../shared/wire/framer.ts';
import { encodeCancel } from '../shared/wire/frontend.ts';
import {
  AuthRequest,
  decodeAuthRequest,
  decodeMechanisms,
  decodeSaslData,
  encodeInitialResponse,
  encodeResponse,
} from './auth-messages.ts';
import { SCRAM_PLUS, ScramClient, ScramError, type ScramKeys } from './auth-scram.ts';

/** What one login proved, and the next one may use. */
export type Credentials =
  | { readonly kind: 'trust' }
  | { readonly kind: 'scram'; readonly keys: ScramKeys; readonly salt: string; readonly iterations: number };

/** What the origin says at a login, besides the exchange. */
export class Greeting {
  readonly parameters = new Map<string, string>();
  backendPid = 0;
  cancelPacket: Buffer | null = null;

  parameterStatus(bytes: Buffer, start: number, end: number): void {
    const { name, value } = decodeParameterStatus(bytes, start, end);
    this.parameters.set(name, value);
  }

  keyData(bytes: Buffer, start: number, end: number): void {
    this.backendPid = decodeBackendPid(bytes, start, end);
    this.cancelPacket = encodeCancel(bytes, start, end);
  }
}

export interface PoolLoginPorts {
  toOrigin(frame: Buffer): void;
  /** The connection can be used. */
  ready(): void;
  /** `words`: the ErrorResponse of the origin. */
  failed(words: Buffer, sqlstate: string): void;
}

export class PoolLogin implements FrameSink {
  private readonly credentials: Credentials;
  private readonly endPoint: Buffer | null;
  private readonly greeting: Greeting;
  private readonly ports: PoolLoginPorts;
  private client: ScramClient | null = null;

  /** `endPoint`: what SCRAM binds to, if the origin offers that. */
  constructor(credentials: Credentials, endPoint: Buffer | null, greeting: Greeting, ports: PoolLoginPorts) {
    this.credentials = credentials;
    this.endPoint = endPoint;
    this.greeting = greeting;
    this.ports = ports;
  }

  /** @throws WireError */
  frame(code: number, bytes: Buffer, start: number, end: number): void {
    if (code === Backend.authentication) this.authentication(bytes, start, end);
    else if (code === Backend.parameterStatus) this.greeting.parameterStatus(bytes, start, end);
    else if (code === Backend.backendKeyData) this.greeting.keyData(bytes, start, end);
    else if (code === Backend.readyForQuery) this.ports.ready();
    else if (code === Backend.errorResponse) {
      this.ports.failed(Buffer.from(bytes.subarray(start, end)), decodeError(bytes, start, end).sqlstate);
    }
  }

  segment(): void {
    throw new WireError('the origin sent rows before authentication');
  }

  private authentication(bytes: Buffer, start: number, end: number): void {
    const type = decodeAuthRequest(bytes, start, end);
    if (type === AuthRequest.ok) return;
    if (this.credentials.kind !== 'scram')
      throw new WireError('the origin asks for a password where it asked for none');
    if (type === AuthRequest.sasl) this.begin(decodeMechanisms(bytes, start, end));
    else if (type === AuthRequest.saslContinue) this.answer(decodeSaslData(bytes, start, end), this.credentials.keys);
    else if (type === AuthRequest.saslFinal) this.check(decodeSaslData(bytes, start, end));
    else throw new WireError(`the origin asks for authentication method ${type} where it asked for SCRAM`);
  }

  private begin(mechanisms: readonly string[]): void {
    const binds = mechanisms.includes(SCRAM_PLUS);
    this.client = new ScramClient(binds ? this.endPoint : null, randomBytes(18).toString('base64'));
    this.ports.toOrigin(encodeInitialResponse(this.client.mechanism, this.client.first()));
  }

  private answer(serverFirst: string, keys: ScramKeys): void {
    try {
      this.client!.challenge(serverFirst);
    } catch (thrown) {
      throw thrown instanceof ScramError ? new WireError(thrown.message) : thrown;
    }
    this.ports.toOrigin(encodeResponse(this.client!.final(serverFirst, keys)));
  }

  private check(serverFinal: string): void {
    if (this.client?.isAuthentic(serverFinal) !== true) {
      throw new WireError("the origin did not prove that it knows the role's password");
    }
  }
}
