/** First parts of keys (shared/query-key.ts), hashed once for a statement. */
import { extendHash, HASH_SEED } from '../shared/query-key.ts';

/** First part of a key with its hash. */
export interface KeyPrefix {
  readonly contextId: number;
  readonly bytes: Buffer;
  readonly hash: number;
}

export function keyPrefix(bytes: Buffer, contextId: number): KeyPrefix {
  return { contextId, bytes, hash: extendHash(HASH_SEED, bytes, 0, bytes.length) };
}

/** A cheap test before the exact one: "--" or "/*" somewhere. */
export function mayHoldComment(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i + 1 < end; i++) {
    const byte = bytes[i];
    if (byte === 0x2d && bytes[i + 1] === 0x2d) return true;
    if (byte === 0x2f && bytes[i + 1] === 0x2a) return true;
  }
  return false;
}
