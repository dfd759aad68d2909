import { describe, expect, it } from 'vitest';
import {
  extendHash,
  finishHash,
  HASH_SEED,
  KeyForm,
  keyHash,
  preparedPrefix,
  simplePrefix,
} from '../../src/shared/query-key.ts';

describe('keys', () => {
  it('of two statements that run together differ', () => {
    const prefix = (text: string, types: number[], context = 1) =>
      preparedPrefix(context, KeyForm.portal, Buffer.from(text), types).toString('hex');
    const all = [
      prefix('SELECT 1', []),
      prefix('SELECT 1', [23]),
      prefix('SELECT 1', [23, 23]),
      prefix('SELECT 1', [20]),
      prefix('SELECT 1', [], 2),
      prefix('SELECT ', [0x31000000]),
      preparedPrefix(1, KeyForm.description, Buffer.from('SELECT 1'), []).toString('hex'),
      simplePrefix(1).toString('hex') + Buffer.from('SELECT 1').toString('hex'),
    ];
    expect(new Set(all).size).toBe(all.length);
    // None is the beginning of another, so no tail can make them equal.
    const prepared = all.slice(0, 7);
    for (const a of prepared) for (const b of prepared) if (a !== b) expect(b.startsWith(a)).toBe(false);
  });

  it('hash to the same value from any place in a buffer', () => {
    const tail = Buffer.from('a tail of 21 bytes...');
    const prefixHash = extendHash(HASH_SEED, Buffer.from('prefix'), 0, 6);
    const expected = keyHash(prefixHash, tail, 0, tail.length);
    for (let shift = 0; shift < 9; shift++) {
      const moved = Buffer.concat([Buffer.alloc(shift, 0xee), tail, Buffer.alloc(3, 0xdd)]);
      expect(keyHash(prefixHash, moved, shift, shift + tail.length)).toBe(expected);
    }
  });

  it('that differ in one bit spread over all buckets', () => {
    const buckets = new Int32Array(1024);
    const key = Buffer.alloc(12);
    for (let id = 0; id < 100 * 1024; id++) {
      key.writeUInt32LE(id, 4);
      buckets[keyHash(HASH_SEED, key, 0, key.length) & 1023]!++;
    }
    // Mean 100, standard deviation 10.
    expect(Math.max(...buckets)).toBeLessThan(160);
    expect(Math.min(...buckets)).toBeGreaterThan(50);
    expect(finishHash(0)).toBe(0);
  });
});
