/** Stores with entries that carry their own proof: every frame byte follows from the key and a version. */
import { CacheStore, type NewEntry, type RemovalCause, type StoreOptions } from '../../src/cache/store.ts';
import { createControl, openControl } from '../../src/shared/memory/control.ts';
import { HASH_SEED, keyHash } from '../../src/shared/query-key.ts';

export const hashOf = (key: Uint8Array): number => keyHash(HASH_SEED, key, 0, key.length);

/** A key of 8 to 71 bytes. */
export function numberedKey(id: number): Buffer {
  const key = Buffer.alloc(8 + (id % 64), 0x61 + (id % 26));
  key.writeUInt32BE(id, 0);
  key.writeUInt32BE(Math.imul(id, 0x9e3779b1) >>> 0, 4);
  return key;
}

/**
 * Frames of `length` bytes (>= 12): key number, version, length, then bytes that follow from the three. `provenFrames`
 * recognises every mixture of two such frames.
 */
export function framesOf(id: number, version: number, length: number): Buffer {
  const frames = Buffer.allocUnsafeSlow(length);
  frames.writeUInt32BE(id, 0);
  frames.writeUInt32BE(version, 4);
  frames.writeUInt32BE(length, 8);
  for (let i = 12; i < length; i++) frames[i] = frameByte(id, version, i);
  return frames;
}

/** Whether these are the frames of this key, in any version, whole. */
export function provenFrames(id: number, frames: Uint8Array, start: number, length: number): boolean {
  const view = new DataView(frames.buffer, frames.byteOffset + start, length);
  if (length < 12 || view.getUint32(0) !== id || view.getUint32(8) !== length) return false;
  const version = view.getUint32(4);
  for (let i = 12; i < length; i++) if (frames[start + i] !== frameByte(id, version, i)) return false;
  return true;
}

const frameByte = (id: number, version: number, i: number): number => (id * 31 + version * 17 + i * 7) & 0xff;

export function numberedEntry(id: number, version: number, length: number, fenceSlots: number[] = []): NewEntry {
  const key = numberedKey(id);
  return {
    hash: hashOf(key),
    key,
    frames: framesOf(id, version, length),
    rowDescriptionBytes: 0,
    filledRound: version,
    fenceSlots,
  };
}

export interface TestStore {
  readonly store: CacheStore;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Every removal so far, in order. */
  readonly removals: { readonly block: number; readonly cause: RemovalCause }[];
}

export function createStore(options: Partial<StoreOptions> & { memoryBytes: number }): TestStore {
  const control = options.control ?? openControl(createControl());
  const removals: { block: number; cause: RemovalCause }[] = [];
  const removed = (block: number, cause: RemovalCause) => void removals.push({ block, cause });
  return { store: new CacheStore({ generation: 1, removed, ...options, control }), control, removals };
}

/** Takes every entry out, slice by slice; how many there were. */
export function clearStore(store: CacheStore): number {
  const before = store.statistics().entries;
  for (let slot = 0; slot >= 0; ) slot = store.clearSlice(slot, () => true);
  return before - store.statistics().entries;
}

/** The frames of a block, copied. */
export function readFrames(store: CacheStore, block: number, withRowDescription = true): Buffer {
  const target = Buffer.alloc(store.reader.framesBytes(block));
  return target.subarray(0, store.reader.copyFrames(block, target, 0, withRowDescription));
}
