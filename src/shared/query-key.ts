/**
 * Keys of entries. A key is a prefix and a tail, so that a prepared statement hashes its prefix once:
 *
 *   prefix  context id (4 bytes, big endian) ‖ form ('Q' simple, 'E' portal, 'S' statement description, 'X' SQL's EXECUTE)
 *           ‖ for E, S and X: text ‖ 0 ‖ count of declared parameter types (2) ‖ their oids (4 each)
 *   tail    Q: the text, comments stripped · S: nothing
 *           E: the Bind message after its two names, byte for byte (formats, values, result formats)
 *           X: count of arguments (2) ‖ what each is written as (1 each) ‖ the tail of the Bind that would do the same
 *
 * Equality of two keys is equality of bytes. The hash is only a way to find the block.
 */

export const KeyForm = { simple: 0x51, portal: 0x45, description: 0x53, execution: 0x58 } as const;
export type KeyForm = (typeof KeyForm)[keyof typeof KeyForm];

/** Hash of no bytes. */
export const HASH_SEED = 0x811c9dc5 | 0;

/** Extends the running hash `h` by `bytes[start, end)`. Not finished: see `finishHash`. Does not depend on how the
 * bytes are split only if every split but the last is a multiple of 4; prefixes are therefore hashed as one piece. */
export function extendHash(h: number, bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  for (; i + 4 <= end; i += 4) {
    h = Math.imul(h ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)), 0x9e3779b1);
    h ^= h >>> 15;
  }
  for (; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return h | 0;
}

/** Avalanche (the finalizer of MurmurHash3), so that both bucket choices and the tag use all bits. */
export function finishHash(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h | 0;
}

/** Hash of a key given as prefix hash and tail. */
export function keyHash(prefixHash: number, tail: Uint8Array, start: number, end: number): number {
  return finishHash(extendHash(prefixHash, tail, start, end));
}

export function simplePrefix(contextId: number): Buffer {
  const prefix = Buffer.allocUnsafeSlow(5);
  prefix.writeUInt32BE(contextId, 0);
  prefix[4] = KeyForm.simple;
  return prefix;
}

/** Prefix of a prepared statement's entries; `text` without comments. */
export function preparedPrefix(
  contextId: number,
  form: Exclude<KeyForm, typeof KeyForm.simple>,
  text: Uint8Array,
  parameterTypes: readonly number[],
): Buffer {
  const prefix = Buffer.allocUnsafeSlow(5 + text.length + 1 + 2 + 4 * parameterTypes.length);
  prefix.writeUInt32BE(contextId, 0);
  prefix[4] = form;
  prefix.set(text, 5);
  let at = 5 + text.length;
  prefix[at++] = 0;
  at = prefix.writeUInt16BE(parameterTypes.length, at);
  for (const oid of parameterTypes) at = prefix.writeUInt32BE(oid, at);
  return prefix;
}
