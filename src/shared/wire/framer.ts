/**
 * Cuts a byte stream into frames by their five-byte headers; bodies are not looked at.
 *
 *   chunk   ┃…tail of frame 1┃ frame 2 ┃ frame 3 ┃ head of fr…┃
 *             └ from `held`    └ in place, no copy  └ kept in `held` (or handed on at once, when its code is streamed)
 *
 * A length is checked before a byte of the body is kept, and what is held never exceeds `assembledBytesMax`: frames whose code is streamed
 * are handed on in segments as they arrive, and longer frames, too, once so many bytes of them are there.
 */
import { Limits } from '../limits.ts';

export const HEADER_BYTES = 5;

/** A peer's bytes are no protocol messages. Answered with SQLSTATE 08P01 where it can be. */
export class WireError extends Error {
  readonly code = '08P01';
  override readonly name = 'WireError';
}

/** Receives frames in order. `bytes` is valid during the call only; [start, end) includes the header. */
export interface FrameSink {
  frame(code: number, bytes: Buffer, start: number, end: number): void;
  /** A piece of a frame; `first` holds at least the header. */
  segment(code: number, bytes: Buffer, start: number, end: number, first: boolean, last: boolean): void;
}

/**
 * Length of the frame whose header begins at `at`, the code byte included. At least HEADER_BYTES must be there.
 * @throws WireError when the code is not in `codes` or the length is impossible.
 */
export function frameBytes(bytes: Uint8Array, at: number, codes: Uint8Array): number {
  const code = bytes[at]!;
  if (codes[code] !== 1) throw new WireError(`unexpected message type 0x${code.toString(16).padStart(2, '0')}`);
  const length = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
  if (length < 4 || length > Limits.frameBytesMax) throw new WireError(`invalid message length ${length}`);
  return length + 1;
}

/** One for all: an empty Buffer is some hundred bytes all the same, and most sessions hold nothing. */
export const NOTHING: Buffer = Buffer.alloc(0);

export class Framer {
  private readonly sink: FrameSink;
  private readonly codes: Uint8Array;
  private readonly streamed: Uint8Array;
  private readonly assembledBytesMax: number;
  private held: Buffer = NOTHING;
  private heldBytes = 0;
  /** Bytes of a streamed frame that have not come yet. */
  private streamLeft = 0;
  private streamCode = 0;
  private stopped = false;

  constructor(
    sink: FrameSink,
    codes: Uint8Array,
    streamed: Uint8Array,
    assembledBytesMax: number = Limits.assembledFrameBytesMax,
  ) {
    this.sink = sink;
    this.codes = codes;
    this.streamed = streamed;
    this.assembledBytesMax = assembledBytesMax;
  }

  /** Bytes kept until the rest of their frame arrives. */
  get bytesHeld(): number {
    return this.heldBytes;
  }

  /** True between two frames. */
  get atBoundary(): boolean {
    return this.heldBytes === 0 && this.streamLeft === 0;
  }

  /** Ignores everything from here on; may be called from within the sink. */
  stop(): void {
    this.stopped = true;
  }

  /** @throws WireError at the first byte that cannot be a frame; earlier frames were handed on. */
  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.stopped) {
      if (this.streamLeft > 0) at = this.stream(bytes, at, end, false);
      else if (this.heldBytes > 0 || end - at < HEADER_BYTES) at = this.hold(bytes, at, end);
      else at = this.cut(bytes, at, end);
    }
  }

  /** A frame whose header is in the chunk. */
  private cut(bytes: Buffer, at: number, end: number): number {
    const length = frameBytes(bytes, at, this.codes);
    const code = bytes[at]!;
    if (at + length <= end) {
      if (this.streamed[code] === 1) this.sink.segment(code, bytes, at, at + length, true, true);
      else this.sink.frame(code, bytes, at, at + length);
      return at + length;
    }
    if (this.streamed[code] !== 1) return this.hold(bytes, at, end);
    this.streamCode = code;
    this.streamLeft = length;
    return this.stream(bytes, at, end, true);
  }

  private stream(bytes: Buffer, at: number, end: number, first: boolean): number {
    const stop = Math.min(end, at + this.streamLeft);
    this.streamLeft -= stop - at;
    this.sink.segment(this.streamCode, bytes, at, stop, first, this.streamLeft === 0);
    return stop;
  }

  /** Adds to the held frame as much as it lacks, and hands it on once it is whole, or once so much of it is there as may be held. */
  private hold(bytes: Buffer, at: number, end: number): number {
    if (this.heldBytes < HEADER_BYTES) {
      at = this.keep(bytes, at, Math.min(end, at + HEADER_BYTES - this.heldBytes));
      if (this.heldBytes < HEADER_BYTES) return at;
    }
    const length = frameBytes(this.held, 0, this.codes);
    const code = this.held[0]!;
    const wanted = this.streamed[code] === 1 ? this.heldBytes : Math.min(length, this.assembledBytesMax);
    at = this.keep(bytes, at, Math.min(end, at + wanted - this.heldBytes));
    if (this.heldBytes < wanted) return at;
    this.heldBytes = 0;
    if (wanted === length && this.streamed[code] !== 1) this.sink.frame(code, this.held, 0, length);
    else {
      this.streamCode = code;
      this.streamLeft = length - wanted;
      this.sink.segment(code, this.held, 0, wanted, true, this.streamLeft === 0);
    }
    if (this.held.length > 4096) this.held = NOTHING;
    return at;
  }

  private keep(bytes: Buffer, start: number, end: number): number {
    const needed = this.heldBytes + end - start;
    if (needed > this.held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(256, needed * 2));
      this.held.copy(grown, 0, 0, this.heldBytes);
      this.held = grown;
    }
    bytes.copy(this.held, this.heldBytes, start, end);
    this.heldBytes = needed;
    return end;
  }
}
