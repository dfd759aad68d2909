/**
 * Bytes on their way to a socket, gathered during one turn and written with one call.
 *
 * One such buffer serves all sessions of a worker (per direction): a turn begins and ends with it empty. It is given up to the
 * socket only when the kernel did not take everything at once; otherwise the next turn uses the same memory again.
 * Ranges of the shared read buffer that follow one another are copied as one.
 */
import type { Writable } from 'node:stream';
import { TLSSocket } from 'node:tls';

const INITIAL_BYTES = 64 * 1024;
const KEPT_BYTES_MAX = 1024 * 1024;
const TLS_COPIED_BYTES_MAX = 16 * 1024;

export class OutBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  private used = 0;
  private readonly readBuffer: Buffer;
  private runStart = 0;
  private runEnd = 0;

  /** `readBuffer`: the one buffer whose content stays as it is until `flush`. */
  constructor(readBuffer: Buffer) {
    this.readBuffer = readBuffer;
  }

  /** Bytes gathered so far. */
  get length(): number {
    return this.used + this.runEnd - this.runStart;
  }

  append(source: Buffer, start: number, end: number): void {
    if (source === this.readBuffer) {
      if (start === this.runEnd && this.runEnd > this.runStart) {
        this.runEnd = end;
        return;
      }
      this.commit();
      this.runStart = start;
      this.runEnd = end;
      return;
    }
    this.commit();
    this.reserve(end - start);
    source.copy(this.bytes, this.used, start, end);
    this.used += end - start;
  }

  appendAll(source: Buffer): void {
    this.append(source, 0, source.length);
  }

  /** Room for `bytes` more at `position()`; to be followed by `advance`. */
  reserve(bytes: number): void {
    this.commit();
    const needed = this.used + bytes;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(grown, 0, 0, this.used);
    this.bytes = grown;
  }

  /** Where the next byte goes, for those who write into `bytes` themselves. */
  position(): number {
    this.commit();
    return this.used;
  }

  advance(bytes: number): void {
    this.used += bytes;
  }

  /** Forgets everything beyond `position`, which `position()` gave before. */
  rewind(position: number): void {
    this.used = position;
    this.runStart = this.runEnd = 0;
  }

  /** Writes what was gathered, with one call. */
  flush(socket: Writable): void {
    this.commit();
    if (this.used === 0) return;
    const length = this.used;
    this.used = 0;
    if (!socket.writable) return;
    if (socket instanceof TLSSocket && length <= TLS_COPIED_BYTES_MAX) {
      // TLS reports a write as done a little later only: giving it our memory each time would cost more than a copy.
      socket.write(Buffer.from(this.bytes.subarray(0, length)));
      return;
    }
    socket.write(this.bytes.subarray(0, length));
    if (socket.writableLength > 0 || this.bytes.length > KEPT_BYTES_MAX) {
      this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    }
  }

  private commit(): void {
    const length = this.runEnd - this.runStart;
    if (length === 0) return;
    const start = this.runStart;
    this.runStart = this.runEnd = 0;
    this.reserve(length);
    this.readBuffer.copy(this.bytes, this.used, start, start + length);
    this.used += length;
  }
}
