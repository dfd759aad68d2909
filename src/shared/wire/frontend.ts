/**
 * Frontend messages: a decoder for each that a decision needs, an encoder for each that we send. Decoders take the frame's
 * [start, end), header included, and return null where the body is not what the manual says: such a message
 * is relayed as it is, and the origin answers it. No scan leaves the frame. Manual: Message Formats.
 */
import { Frontend, StartupCode, Target } from './codes.ts';
import { HEADER_BYTES } from './framer.ts';

/** Position of the next NUL in [at, end), or -1. */
export function nulAt(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at; i < end; i++) if (bytes[i] === 0) return i;
  return -1;
}

/** Names read lately, by length and last byte: drivers use the same few again and again, and making a string costs more than comparing one. */
const NAMES = 256;
const NAME_BYTES_MAX = 32;
const names: string[] = Array(NAMES).fill('');

function isName(name: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/** A name between two positions; latin1 keeps every byte apart from every other. */
function nameAt(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return '';
  if (length > NAME_BYTES_MAX) return bytes.toString('latin1', start, end);
  const at = (length * 31 + bytes[end - 1]!) % NAMES;
  const known = names[at]!;
  if (known.length === length && isName(known, bytes, start)) return known;
  const name = bytes.toString('latin1', start, end);
  names[at] = name;
  return name;
}

export type Startup =
  | { readonly kind: 'ssl' | 'gssEncryption' | 'cancel' }
  | { readonly kind: 'startup'; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'unsupported'; readonly major: number; readonly minor: number }
  | { readonly kind: 'malformed' };

/** The first packet of a connection, `length (4) ‖ code (4) ‖ …` without a code byte. */
export function decodeStartup(bytes: Buffer, start: number, end: number): Startup {
  const code = bytes.readInt32BE(start + 4);
  if (code === StartupCode.ssl) return end - start === 8 ? { kind: 'ssl' } : { kind: 'malformed' };
  if (code === StartupCode.gssEncryption) return end - start === 8 ? { kind: 'gssEncryption' } : { kind: 'malformed' };
  if (code === StartupCode.cancel) return end - start >= 12 ? { kind: 'cancel' } : { kind: 'malformed' };
  const major = code >>> 16;
  if (major !== 3) return { kind: 'unsupported', major, minor: code & 0xffff };
  const parameters = new Map<string, string>();
  let at = start + 8;
  while (at < end && bytes[at] !== 0) {
    const nameEnd = nulAt(bytes, at, end);
    const valueEnd = nameEnd < 0 ? -1 : nulAt(bytes, nameEnd + 1, end);
    if (valueEnd < 0) return { kind: 'malformed' };
    parameters.set(bytes.toString('utf8', at, nameEnd), bytes.toString('utf8', nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  return at === end - 1 && parameters.has('user') ? { kind: 'startup', parameters } : { kind: 'malformed' };
}

/** Text of a Query without its NUL: [start, end), or null. Filled in place, since every statement needs it. */
export interface TextRange {
  start: number;
  end: number;
}

export function decodeQuery(bytes: Uint8Array, start: number, end: number, into: TextRange): boolean {
  into.start = start + HEADER_BYTES;
  into.end = nulAt(bytes, into.start, end);
  return into.end === end - 1;
}

/** Parse: `name 0 ‖ text 0 ‖ count (2) ‖ type oids (4 each)`. */
export interface ParseView {
  name: string;
  textStart: number;
  textEnd: number;
}

export function decodeParse(bytes: Buffer, start: number, end: number, into: ParseView): boolean {
  const nameEnd = nulAt(bytes, start + HEADER_BYTES, end);
  if (nameEnd < 0) return false;
  into.name = nameAt(bytes, start + HEADER_BYTES, nameEnd);
  into.textStart = nameEnd + 1;
  into.textEnd = nulAt(bytes, into.textStart, end);
  if (into.textEnd < 0 || into.textEnd + 3 > end) return false;
  return into.textEnd + 3 + 4 * bytes.readUInt16BE(into.textEnd + 1) === end;
}

/** Declared parameter types, from the position after the text's NUL. */
export function parameterTypes(bytes: Buffer, at: number): number[] {
  const types: number[] = [];
  for (let i = 0, n = bytes.readUInt16BE(at); i < n; i++) types.push(bytes.readUInt32BE(at + 2 + 4 * i));
  return types;
}

/** Bind: `portal 0 ‖ statement 0 ‖ tail`; the tail is formats, values and result formats, and part of the key. */
export interface BindView {
  portal: string;
  statement: string;
  tailStart: number;
  tailEnd: number;
}

export function decodeBind(bytes: Buffer, start: number, end: number, into: BindView): boolean {
  const portalEnd = nulAt(bytes, start + HEADER_BYTES, end);
  if (portalEnd < 0) return false;
  const statementEnd = nulAt(bytes, portalEnd + 1, end);
  if (statementEnd < 0) return false;
  into.portal = nameAt(bytes, start + HEADER_BYTES, portalEnd);
  into.statement = nameAt(bytes, portalEnd + 1, statementEnd);
  into.tailStart = statementEnd + 1;
  into.tailEnd = end;
  return true;
}

/** Describe and Close: `target (1) ‖ name 0`. */
export interface TargetView {
  isStatement: boolean;
  name: string;
}

export function decodeTarget(bytes: Buffer, start: number, end: number, into: TargetView): boolean {
  const nameStart = start + HEADER_BYTES + 1;
  if (nulAt(bytes, nameStart, end) !== end - 1) return false;
  const target = bytes[nameStart - 1];
  if (target !== Target.statement && target !== Target.portal) return false;
  into.isStatement = target === Target.statement;
  into.name = nameAt(bytes, nameStart, end - 1);
  return true;
}

/** Execute: `portal 0 ‖ row limit (4)`, 0 meaning all rows. */
export interface ExecuteView {
  portal: string;
  rowsMax: number;
}

export function decodeExecute(bytes: Buffer, start: number, end: number, into: ExecuteView): boolean {
  const portalEnd = nulAt(bytes, start + HEADER_BYTES, end);
  if (portalEnd < 0 || portalEnd + 5 !== end) return false;
  into.portal = nameAt(bytes, start + HEADER_BYTES, portalEnd);
  into.rowsMax = bytes.readInt32BE(portalEnd + 1);
  return true;
}

/** A frame of one code with a body. */
export function encodeFrame(code: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafeSlow(HEADER_BYTES + body.length);
  frame[0] = code;
  frame.writeInt32BE(4 + body.length, 1);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Close of a prepared statement; `name` as decoded here. */
export function encodeCloseStatement(name: string): Buffer {
  return encodeFrame(Frontend.close, Buffer.from(`S${name}\0`, 'latin1'));
}

/** Describe of a prepared statement; `name` as decoded here. */
export function encodeDescribeStatement(name: string): Buffer {
  return encodeFrame(Frontend.describe, Buffer.from(`S${name}\0`, 'latin1'));
}

/** CancelRequest for the key in a BackendKeyData frame [start, end). It has no code byte, and the key no fixed length. */
export function encodeCancel(bytes: Buffer, start: number, end: number): Buffer {
  const key = bytes.subarray(start + HEADER_BYTES, end);
  const packet = Buffer.allocUnsafeSlow(8 + key.length);
  packet.writeInt32BE(packet.length, 0);
  packet.writeInt32BE(StartupCode.cancel, 4);
  packet.set(key, 8);
  return packet;
}

const QUESTION = 'pgfresh question';

/**
 * A question of ours as one pipeline: Close, Parse, Bind, Execute, Close, Sync (`questionKinds` in owed.ts), rows as text. A statement with
 * a name of its own leaves the client's unnamed one alone, which a Query would destroy; the first Close removes what a failure left.
 * @param closesPortal one more Close, of the unnamed portal that it leaves in a block
 */
export function encodeQuestion(sql: string, closesPortal = false): Buffer {
  const close = encodeCloseStatement(QUESTION);
  const parse = encodeFrame(Frontend.parse, Buffer.from(`${QUESTION}\0${sql}\0\0\0`));
  const bind = encodeFrame(Frontend.bind, Buffer.from(`\0${QUESTION}\0\0\0\0\0\0\0`));
  const closePortal = closesPortal ? CLOSE_UNNAMED_PORTAL : Buffer.alloc(0);
  return Buffer.concat([close, parse, bind, EXECUTE_UNNAMED, close, closePortal, SYNC]);
}

/**
 * The unnamed portal as a Bind made it that was answered here, run to its end; messages as in `encodeQuestion`, without the Sync.
 * @param definition of its statement: text, NUL, parameter types
 * @param tail of the Bind: formats and parameters
 */
export function encodePortal(definition: Uint8Array, tail: Uint8Array): Buffer {
  const close = encodeCloseStatement(QUESTION);
  const parse = encodeFrame(Frontend.parse, Buffer.concat([Buffer.from(`${QUESTION}\0`), definition]));
  const bind = encodeFrame(Frontend.bind, Buffer.concat([Buffer.from(`\0${QUESTION}\0`), tail]));
  return Buffer.concat([close, parse, bind, EXECUTE_UNNAMED, close]);
}

/** Has a statement analysed and forgotten: Close, Parse, Close, Sync. It leaves the client's statements and portals alone. */
export function encodeAnalysis(sql: string): Buffer {
  const close = encodeCloseStatement(QUESTION);
  const parse = encodeFrame(Frontend.parse, Buffer.from(`${QUESTION}\0${sql}\0\0\0`));
  return Buffer.concat([close, parse, close, SYNC]);
}

/**
 * The answer of a statement anew, as one pipeline that leaves nothing behind: Close, Parse, Bind, Execute of limits in time, Close, Parse, Bind,
 * Describe, Execute of the statement, Close, Sync (`refreshKinds`). The limits are those of the implicit transaction, which the Sync ends.
 * @param definition of its statement: text, NUL, parameter types
 * @param tail of the Bind: formats and parameters
 */
export function encodeRefresh(msMax: number, definition: Uint8Array, tail: Uint8Array): Buffer {
  const limits = ['statement_timeout', 'lock_timeout'].map(
    (name) => `pg_catalog.set_config('${name}', '${msMax}', true)`,
  );
  const close = encodeCloseStatement(QUESTION);
  const prepare = (parts: readonly Uint8Array[]) =>
    encodeFrame(Frontend.parse, Buffer.concat([Buffer.from(`${QUESTION}\0`), ...parts]));
  const bind = (parts: Uint8Array) =>
    encodeFrame(Frontend.bind, Buffer.concat([Buffer.from(`\0${QUESTION}\0`), parts]));
  return Buffer.concat([
    ...[close, prepare([Buffer.from(`SELECT ${limits.join(', ')}\0\0\0`)]), bind(Buffer.alloc(6)), EXECUTE_UNNAMED],
    ...[close, prepare([REFRESH_MARK, definition]), bind(tail), DESCRIBE_UNNAMED_PORTAL, EXECUTE_UNNAMED, close, SYNC],
  ]);
}

/** For who looks into pg_stat_activity. */
const REFRESH_MARK = Buffer.from('/* refreshed by pgfresh */ ');

/**
 * A question of ours: what the statement `name` is described as, and what one with this definition (text, NUL, parameter types) is. Describe,
 * Close, Parse, Describe, Close, Sync.
 */
export function encodeComparison(name: string, definition: Uint8Array): Buffer {
  const close = encodeCloseStatement(QUESTION);
  const parse = encodeFrame(Frontend.parse, Buffer.concat([Buffer.from(`${QUESTION}\0`), definition]));
  return Buffer.concat([
    ...[encodeDescribeStatement(name), close, parse],
    ...[encodeDescribeStatement(QUESTION), close, SYNC],
  ]);
}

export const CLOSE_UNNAMED_PORTAL: Buffer = encodeFrame(Frontend.close, Buffer.from('P\0'));
const DESCRIBE_UNNAMED_PORTAL: Buffer = encodeFrame(Frontend.describe, Buffer.from('P\0'));
/** Execute of the unnamed portal, all rows. */
const EXECUTE_UNNAMED: Buffer = encodeFrame(Frontend.execute, Buffer.alloc(5));
export const SYNC: Buffer = encodeFrame(Frontend.sync, Buffer.alloc(0));
export const TERMINATE: Buffer = encodeFrame(Frontend.terminate, Buffer.alloc(0));
