/** Messages of a login. Manual: Message Formats (Authentication…, PasswordMessage, SASLInitialResponse, SASLResponse). */
import { Backend, Frontend } from '../shared/wire/codes.ts';
import { HEADER_BYTES, WireError } from '../shared/wire/framer.ts';
import { encodeFrame, nulAt } from '../shared/wire/frontend.ts';

/** First field of an Authentication message. */
export const AuthRequest = {
  ok: 0,
  kerberosV5: 2,
  cleartextPassword: 3,
  md5Password: 5,
  gss: 7,
  gssContinue: 8,
  sspi: 9,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const;

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** @throws WireError */
export function decodeAuthRequest(bytes: Buffer, start: number, end: number): number {
  if (end - start < HEADER_BYTES + 4) throw new WireError('malformed Authentication message');
  return bytes.readInt32BE(start + HEADER_BYTES);
}

/** Data of SASLContinue and SASLFinal. */
export function decodeSaslData(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start + HEADER_BYTES + 4, end);
}

export function decodeMechanisms(bytes: Buffer, start: number, end: number): string[] {
  return decodeSaslData(bytes, start, end).split('\0').filter(Boolean);
}

export function encodeAuthRequest(type: number, data: string | Uint8Array = ''): Buffer {
  return encodeFrame(Backend.authentication, Buffer.concat([int32(type), Buffer.from(data as string)]));
}

export function encodeMechanisms(mechanisms: readonly string[]): Buffer {
  return encodeAuthRequest(AuthRequest.sasl, `${mechanisms.join('\0')}\0\0`);
}

/** @throws WireError */
export function decodePassword(bytes: Buffer, start: number, end: number): string {
  if (nulAt(bytes, start + HEADER_BYTES, end) !== end - 1) throw new WireError('invalid password packet');
  return bytes.toString('utf8', start + HEADER_BYTES, end - 1);
}

export interface InitialResponse {
  readonly mechanism: string;
  readonly data: string;
}

/** Null when the message is no SASLInitialResponse. */
export function decodeInitialResponse(bytes: Buffer, start: number, end: number): InitialResponse | null {
  const nul = nulAt(bytes, start + HEADER_BYTES, end);
  if (nul < 0 || nul + 5 > end) return null;
  const length = bytes.readInt32BE(nul + 1);
  if (length !== end - nul - 5) return null;
  return { mechanism: bytes.toString('latin1', start + HEADER_BYTES, nul), data: bytes.toString('utf8', nul + 5, end) };
}

/** Data of a SASLResponse. */
export function decodeResponse(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start + HEADER_BYTES, end);
}

export function encodeInitialResponse(mechanism: string, data: string): Buffer {
  const text = Buffer.from(data);
  return encodeFrame(Frontend.password, Buffer.concat([Buffer.from(`${mechanism}\0`), int32(text.length), text]));
}

export function encodeResponse(data: string): Buffer {
  return encodeFrame(Frontend.password, Buffer.from(data));
}
