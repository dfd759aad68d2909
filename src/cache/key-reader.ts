/** Reads what query-key.ts wrote. */
import { KeyForm } from '../shared/query-key.ts';
import type { BindKey } from './analyse/bind.ts';

export interface ParsedKey extends BindKey {
  readonly contextId: number;
  /** Declared parameter types; empty for the simple protocol. */
  readonly parameterTypes: readonly number[];
}

const HEAD = 5;
const NO_BYTES = new Uint8Array(0);

/** Null when the bytes are no key. */
export function parseKey(key: Uint8Array): ParsedKey | null {
  if (key.length < HEAD) return null;
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  const contextId = bytes.readUInt32BE(0);
  const form = bytes[4]!;
  if (form === KeyForm.simple) {
    return { contextId, form: 'simple', text: bytes.toString('utf8', HEAD), parameterTypes: [], bindTail: NO_BYTES };
  }
  if (form !== KeyForm.portal && form !== KeyForm.description && form !== KeyForm.execution) return null;
  const textEnd = bytes.indexOf(0, HEAD);
  if (textEnd < 0 || textEnd + 3 > bytes.length) return null;
  const count = bytes.readUInt16BE(textEnd + 1);
  const tail = textEnd + 3 + 4 * count;
  if (tail > bytes.length || (form === KeyForm.description && tail !== bytes.length)) return null;
  const parameterTypes = Array.from({ length: count }, (_, i) => bytes.readUInt32BE(textEnd + 3 + 4 * i));
  const bindStart = form === KeyForm.execution ? afterKinds(bytes, tail) : tail;
  if (bindStart < 0) return null;
  return {
    contextId,
    // What an EXECUTE does is what the Bind and the Execute do that it stands for.
    form: form === KeyForm.description ? 'description' : 'portal',
    text: bytes.toString('utf8', HEAD, textEnd),
    parameterTypes,
    bindTail: key.subarray(bindStart),
  };
}

/** Where the Bind begins behind what the arguments of an EXECUTE are written as, or -1. */
function afterKinds(bytes: Buffer, tail: number): number {
  if (tail + 2 > bytes.length) return -1;
  const end = tail + 2 + bytes.readUInt16BE(tail);
  return end > bytes.length ? -1 : end;
}
