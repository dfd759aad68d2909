/** An answer that was captured for others than who asked for it (read-lines.ts), as far as a reader can use it. */
import type { Offer } from '../shared/messages.ts';
import { KeyForm } from '../shared/query-key.ts';
import { hear, type Told, untold } from './told.ts';

/**
 * The frames for a reader whose key is `prefix ‖ tail[start, end)`; null: that is another key, or the reader wants a description and there is none.
 * @param describe whether the reader's batch asks for a description of its portal; simple queries always get one
 */
export function framesFor(
  { bytes, keyBytes, rowDescriptionBytes }: Offer,
  prefix: Uint8Array,
  tail: Buffer,
  start: number,
  end: number,
  describe: boolean,
): Buffer | null {
  const isSimple = prefix[4] === KeyForm.simple;
  if (!isSimple && describe && rowDescriptionBytes === 0) return null;
  // Detached when it has gone on to the cache thread.
  if (bytes.length === 0 || keyBytes !== prefix.length + end - start) return null;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isSame =
    all.compare(prefix, 0, prefix.length, 0, prefix.length) === 0 &&
    all.compare(tail, start, end, prefix.length, keyBytes) === 0;
  if (!isSame) return null;
  return all.subarray(isSimple || describe ? keyBytes : keyBytes + rowDescriptionBytes);
}

/**
 * Whether a client that was told of the columns before may read the answer by that: no round lies between the two, and DDL may (C7).
 * @param told null: the columns come with it
 */
export function isToldAlike(offer: Offer, told: Told | null): boolean {
  if (told === null || (told.rows === 0 && told.round === 0)) return true;
  return told.rows === rowsOf(offer);
}

/** Of its columns, as whoever asked was told; 0: that is not known. */
function rowsOf({ bytes, keyBytes, rowDescriptionBytes, toldRows = 0 }: Offer): number {
  if (rowDescriptionBytes === 0 || bytes.length === 0) return toldRows;
  const told = untold();
  hear(told, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), keyBytes, keyBytes + rowDescriptionBytes);
  return told.rows;
}
