/**
 * Backend messages: a decoder for each that a decision needs, an encoder for each that we answer ourselves.
 * Positions are those of whole frames, header included. Manual: Message Formats; Error and Notice Message Fields.
 */
import { Backend, TransactionStatus } from './codes.ts';
import { HEADER_BYTES, WireError } from './framer.ts';
import { encodeFrame, nulAt } from './frontend.ts';

function cstring(bytes: Buffer, at: number, end: number): { text: string; next: number } {
  const stop = nulAt(bytes, at, end);
  if (stop < 0) throw new WireError('unterminated string');
  return { text: bytes.toString('utf8', at, stop), next: stop + 1 };
}

export interface ErrorFields {
  /** Not localized: ERROR, FATAL, PANIC, WARNING … */
  readonly severity: string;
  readonly sqlstate: string;
  readonly message: string;
}

/**
 * Fields V (or S), C and M of an ErrorResponse or NoticeResponse. Of one that `isCut` off at `end`, the last field is as much as there is.
 * @throws WireError
 */
export function decodeError(bytes: Buffer, start: number, end: number, isCut = false): ErrorFields {
  let severity = '';
  let sqlstate = '';
  let message = '';
  let at = start + HEADER_BYTES;
  while (at < end && bytes[at] !== 0) {
    const field = bytes[at];
    if (isCut && nulAt(bytes, at + 1, end) < 0) {
      if (field === 0x4d) message = bytes.toString('utf8', at + 1, end);
      break;
    }
    const { text, next } = cstring(bytes, at + 1, end);
    if (field === 0x56 || (field === 0x53 && severity === '')) severity = text;
    else if (field === 0x43) sqlstate = text;
    else if (field === 0x4d) message = text;
    at = next;
  }
  return { severity, sqlstate, message };
}

/** Whether a CommandComplete is that of SELECT, INSERT, UPDATE or DELETE, by three letters: tags that nobody acts upon. */
export function isPlainTag(bytes: Uint8Array, start: number): boolean {
  const at = start + HEADER_BYTES;
  switch ((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) {
    case 0x53454c: // SEL
    case 0x494e53: // INS
    case 0x555044: // UPD
    case 0x44454c: // DEL
      return true;
    default:
      return false;
  }
}

/** FATAL and PANIC end the connection. */
export function isFatal(error: ErrorFields): boolean {
  return error.severity === 'FATAL' || error.severity === 'PANIC';
}

/** Status byte of ReadyForQuery: I, T or E. @throws WireError */
export function decodeReady(bytes: Uint8Array, start: number, end: number): number {
  const status = bytes[start + HEADER_BYTES];
  if (end - start !== HEADER_BYTES + 1 || (status !== 0x49 && status !== 0x54 && status !== 0x45)) {
    throw new WireError('malformed ReadyForQuery');
  }
  return status;
}

/** @throws WireError */
export function decodeParameterStatus(bytes: Buffer, start: number, end: number): { name: string; value: string } {
  const name = cstring(bytes, start + HEADER_BYTES, end);
  return { name: name.text, value: cstring(bytes, name.next, end).text };
}

/** Process id of BackendKeyData; the secret key behind it has no fixed length (protocol 3.2). @throws WireError */
export function decodeBackendPid(bytes: Buffer, start: number, end: number): number {
  if (end - start < HEADER_BYTES + 4) throw new WireError('malformed BackendKeyData');
  return bytes.readInt32BE(start + HEADER_BYTES);
}

/** Tag of CommandComplete, as "UPDATE 3". @throws WireError */
export function decodeCommandTag(bytes: Buffer, start: number, end: number): string {
  return cstring(bytes, start + HEADER_BYTES, end).text;
}

/** Columns of a DataRow in text format. @throws WireError */
export function decodeDataRow(bytes: Buffer, start: number, end: number): (string | null)[] {
  const malformed = () => new WireError('malformed DataRow');
  if (end - start < HEADER_BYTES + 2) throw malformed();
  const columns = bytes.readUInt16BE(start + HEADER_BYTES);
  const values: (string | null)[] = [];
  let at = start + HEADER_BYTES + 2;
  for (let i = 0; i < columns; i++) {
    if (at + 4 > end) throw malformed();
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length > end - at) throw malformed();
    values.push(length < 0 ? null : bytes.toString('utf8', at, at + length));
    if (length > 0) at += length;
  }
  if (at !== end) throw malformed();
  return values;
}

export interface ErrorToSend {
  readonly severity: 'ERROR' | 'FATAL';
  readonly sqlstate: string;
  readonly message: string;
  readonly hint?: string;
}

export function encodeError(error: ErrorToSend): Buffer {
  const fields = [`S${error.severity}`, `V${error.severity}`, `C${error.sqlstate}`, `M${error.message}`];
  if (error.hint !== undefined) fields.push(`H${error.hint}`);
  return encodeFrame(Backend.errorResponse, Buffer.from(`${fields.join('\0')}\0\0`));
}

export function encodeReady(status: number): Buffer {
  return encodeFrame(Backend.readyForQuery, Buffer.from([status]));
}

export const READY_IDLE: Buffer = encodeReady(TransactionStatus.idle);
export const READY_IN_BLOCK: Buffer = encodeReady(TransactionStatus.inBlock);

export function encodeCommandComplete(tag: string): Buffer {
  return encodeFrame(Backend.commandComplete, Buffer.from(`${tag}\0`));
}

const TEXT_OID = 25;

/** RowDescription of text columns (type oid 25, format text: for text the binary format has the same bytes). */
export function encodeTextColumns(names: readonly string[]): Buffer {
  const columns = names.map((name) => {
    const label = Buffer.from(`${name}\0`);
    const column = Buffer.alloc(label.length + 18);
    let at = label.copy(column);
    at = column.writeUInt32BE(0, at); // table
    at = column.writeUInt16BE(0, at); // column number
    at = column.writeUInt32BE(TEXT_OID, at);
    at = column.writeInt16BE(-1, at);
    at = column.writeInt32BE(-1, at);
    column.writeUInt16BE(0, at);
    return column;
  });
  return encodeFrame(Backend.rowDescription, Buffer.concat([uint16(names.length), ...columns]));
}

export function encodeTextRow(values: readonly string[]): Buffer {
  return encodeDataRow(values.map((value) => Buffer.from(value)));
}

/** DataRow; null is NULL. */
export function encodeDataRow(values: readonly (Buffer | null)[]): Buffer {
  let size = 2;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const body = Buffer.alloc(size);
  let at = body.writeUInt16BE(values.length, 0);
  for (const value of values) {
    at = body.writeInt32BE(value?.length ?? -1, at);
    if (value !== null) at += value.copy(body, at);
  }
  return encodeFrame(Backend.dataRow, body);
}

/** ParameterDescription; a parameter whose type the client left open is text. */
export function encodeParameters(count: number, declared: readonly number[]): Buffer {
  const body = Buffer.alloc(2 + 4 * count);
  body.writeUInt16BE(count, 0);
  for (let i = 0; i < count; i++) body.writeUInt32BE(declared[i] || TEXT_OID, 2 + 4 * i);
  return encodeFrame(Backend.parameterDescription, body);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value, 0);
  return bytes;
}

const empty = Buffer.alloc(0);
export const PARSE_COMPLETE: Buffer = encodeFrame(Backend.parseComplete, empty);
export const BIND_COMPLETE: Buffer = encodeFrame(Backend.bindComplete, empty);
export const CLOSE_COMPLETE: Buffer = encodeFrame(Backend.closeComplete, empty);
export const NO_DATA: Buffer = encodeFrame(Backend.noData, empty);
export const NO_PARAMETERS: Buffer = encodeFrame(Backend.parameterDescription, Buffer.alloc(2));
