/** Values of an answer as the store keeps it: frames `[T] D* C`. Manual: Message Formats, DataRow. */
import { Backend } from '../shared/wire/codes.ts';

export interface AnswerFrames {
  readonly frames: Uint8Array;
  /** Length of the RowDescription that the frames begin with, or 0. */
  readonly rowDescriptionBytes: number;
}

/** Values of a row; null is NULL. The bytes are those of the frames. */
type AnswerRow = readonly (Buffer | null)[];

/** The rows, or null when there are more than `rowsMax`, or the frames are not an answer. */
export function rowsOfAnswer({ frames, rowDescriptionBytes }: AnswerFrames, rowsMax: number): AnswerRow[] | null {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const rows: AnswerRow[] = [];
  let at = rowDescriptionBytes;
  while (at + 5 <= bytes.length) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length || end < at + 5) return null;
    if (bytes[at] === Backend.commandComplete) return end === bytes.length ? rows : null;
    if (bytes[at] !== Backend.dataRow || rows.length === rowsMax) return null;
    const row = valuesOf(bytes.subarray(at + 5, end));
    if (row === null) return null;
    rows.push(row);
    at = end;
  }
  return null;
}

function valuesOf(body: Buffer): AnswerRow | null {
  if (body.length < 2) return null;
  const values: (Buffer | null)[] = [];
  let at = 2;
  for (let i = body.readUInt16BE(0); i > 0; i--) {
    if (at + 4 > body.length) return null;
    const length = body.readInt32BE(at);
    at += 4;
    if (length < -1 || at + length > body.length) return null;
    values.push(length < 0 ? null : body.subarray(at, at + length));
    if (length > 0) at += length;
  }
  return at === body.length ? values : null;
}
