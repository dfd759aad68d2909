/** The one row that a question of ours is answered with. */
import type { ReplySink } from './owed.ts';

const ROW_BYTES_MAX = 64 * 1024;

/** @param read takes the DataRow, header included; null: an error, no row, or one that is too long */
export function oneRow(read: (frame: Buffer | null) => void): ReplySink {
  const pieces: Buffer[] = [];
  let bytes = 0;
  return {
    row: (chunk, start, end) => {
      bytes += end - start;
      if (bytes <= ROW_BYTES_MAX) pieces.push(Buffer.from(chunk.subarray(start, end)));
    },
    done: (failed) => read(failed || bytes === 0 || bytes > ROW_BYTES_MAX ? null : Buffer.concat(pieces)),
  };
}
