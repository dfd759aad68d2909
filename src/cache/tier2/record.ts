/**
 * An answer as it lies in the second tier:
 *
 *   magic (4) ‖ CRC-32 of the rest (4) ‖ bytes of the snapshot (2) ‖ of the key (4) ‖ of the RowDescription (4)
 *   ‖ snapshot, as text ‖ key without its context ‖ frames
 *
 * Numbers are big endian. What is read from there may have been cut, or be somebody else's: all is looked at before any of it is believed.
 */
import { crc32 } from 'node:zlib';
import { Backend } from '../../shared/wire/codes.ts';
import { type OriginSnapshot, parseSnapshot } from '../settle.ts';

export interface SharedRecord {
  /** The answer shows all that this one shows. */
  readonly snapshot: OriginSnapshot;
  /** Without the context, whose number is this node's own. */
  readonly key: Uint8Array;
  readonly rowDescriptionBytes: number;
  readonly frames: Uint8Array;
}

/** "PGF" and the version of the form. */
const MAGIC = 0x50474601;
const HEAD = 18;
const CHECKED_FROM = 8;
/** Code and length of a message. */
const FRAME_HEAD = 5;

export function encodeRecord({ snapshot, key, rowDescriptionBytes, frames }: SharedRecord): Buffer {
  const text = formatSnapshot(snapshot);
  const bytes = Buffer.allocUnsafeSlow(HEAD + text.length + key.length + frames.length);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt16BE(text.length, 8);
  bytes.writeUInt32BE(key.length, 10);
  bytes.writeUInt32BE(rowDescriptionBytes, 14);
  bytes.write(text, HEAD, 'latin1');
  bytes.set(key, HEAD + text.length);
  bytes.set(frames, HEAD + text.length + key.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(CHECKED_FROM)), 4);
  return bytes;
}

/** The parts are views of `bytes`. Null: it is no whole record. */
export function decodeRecord(bytes: Buffer): SharedRecord | null {
  if (bytes.length < HEAD || bytes.readUInt32BE(0) !== MAGIC) return null;
  if (bytes.readUInt32BE(4) !== crc32(bytes.subarray(CHECKED_FROM))) return null;
  const keyStart = HEAD + bytes.readUInt16BE(8);
  const framesStart = keyStart + bytes.readUInt32BE(10);
  if (framesStart > bytes.length) return null;
  const rowDescriptionBytes = bytes.readUInt32BE(14);
  const frames = bytes.subarray(framesStart);
  const snapshot = snapshotOf(bytes.toString('latin1', HEAD, keyStart));
  if (snapshot === null || !isAnswer(frames, rowDescriptionBytes)) return null;
  return { snapshot, key: bytes.subarray(keyStart, framesStart), rowDescriptionBytes, frames };
}

/** `pg_snapshot` as text. */
function formatSnapshot({ xmin, xmax, running }: OriginSnapshot): string {
  return `${xmin}:${xmax}:${running.join(',')}`;
}

function snapshotOf(text: string): OriginSnapshot | null {
  try {
    return parseSnapshot(text);
  } catch {
    return null; // somebody else's bytes
  }
}

/** Whether it is what a statement is answered that succeeds: RowDescription of so many bytes (0: none), rows, CommandComplete. */
function isAnswer(frames: Buffer, rowDescriptionBytes: number): boolean {
  let at = 0;
  while (at + FRAME_HEAD <= frames.length) {
    const code = frames[at]!;
    const end = at + 1 + frames.readUInt32BE(at + 1);
    if (end < at + FRAME_HEAD || end > frames.length) return false;
    if (code === Backend.commandComplete) return end === frames.length && (at > 0 || rowDescriptionBytes === 0);
    const fits = at === 0 && rowDescriptionBytes > 0 ? code === Backend.rowDescription : code === Backend.dataRow;
    if (!fits || (at === 0 && rowDescriptionBytes > 0 && end !== rowDescriptionBytes)) return false;
    at = end;
  }
  return false;
}
