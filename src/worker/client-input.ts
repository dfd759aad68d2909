/**
 * Cuts a client's bytes into batches: the frames up to and including Sync, Flush, Query, FunctionCall or Terminate.
 *
 *   read buffer  ┃ P B D E S ┃ Q ┃ P B …      two batches in place, the third's beginning is copied to `held`
 *
 * What is not to be held is handed on in parts: a batch longer than `heldBatchBytesMax`, or one that need not wait for its end (`BatchPatience`), a frame longer
 * than `assembledFrameBytesMax` and COPY data in pieces. So a session holds at most heldBatchBytesMax + assembledFrameBytesMax + readBufferBytes.
 */

import { Limits } from '../shared/limits.ts';
import { batchEndCodes, copyCodes, Frontend, frontendCodes } from '../shared/wire/codes.ts';
import { frameBytes, HEADER_BYTES, NOTHING, WireError } from '../shared/wire/framer.ts';

/** Frames of a batch: `at[0…count)` are their offsets from `start`. Valid during the call only. */
export interface Batch {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly at: readonly number[];
  readonly count: number;
  /** False: more frames of the same batch follow, held back no longer. */
  readonly ended: boolean;
  /** Nothing that the client has sent is behind it. */
  readonly isLast: boolean;
}

export interface BatchSink {
  /** False: not now; the same batch is offered again by `resume`. */
  batch(batch: Batch): boolean;
  /** Asked before `longFrame`, with the beginning of the frame. False: not now; it is asked again after `resume`. */
  mayStream(bytes: Buffer, start: number, end: number): boolean;
  /** The beginning of a frame too long to hold, or of COPY data; the bytes follow as pieces. */
  longFrame(code: number, bytes: Buffer, start: number, end: number): void;
  piece(bytes: Buffer, start: number, end: number): void;
}

export interface BatchPatience {
  /** Whether these frames go on now, although the end of their batch has not come. Asked again with more of them, and by `lookAgain`. */
  isOver(batch: Batch): boolean;
}

class MutableBatch implements Batch {
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;
  at: number[] = [];
  count = 0;
  ended = false;
  isLast = false;
}

const LONG_HEAD_BYTES = 4096;

/** With one, PostgreSQL refuses the message and may skip to the next Sync; whoever says such things is not followed that far. */
function hasNoBody(code: number): boolean {
  return code === Frontend.sync || code === Frontend.flush;
}

export class ClientInput {
  private readonly sink: BatchSink;
  private readonly batch = new MutableBatch();
  private held: Buffer | null = null;
  private heldStart = 0;
  private heldEnd = 0;
  private pieceLeft = 0;
  /** Batches, and parts of some, that were taken. */
  taken = 0;
  /** Null: a batch waits for its end as long as there is room. */
  patience: BatchPatience | null = null;
  private blocked = false;
  private stopped = false;

  constructor(sink: BatchSink) {
    this.sink = sink;
  }

  /** True while a batch waits for `resume`. */
  get isBlocked(): boolean {
    return this.blocked;
  }

  /** Part of a message was handed on and the rest has not come: nothing else may be put behind it. */
  get isInsideFrame(): boolean {
    return this.pieceLeft > 0;
  }

  /** True when no part of a message is outstanding. */
  get atBoundary(): boolean {
    return this.held === null && this.pieceLeft === 0;
  }

  get bytesHeld(): number {
    return this.heldEnd - this.heldStart;
  }

  stop(): void {
    this.stopped = true;
    this.held = null;
  }

  /** @throws WireError when the bytes are no frontend messages. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    if (this.held !== null) {
      this.append(bytes, start, end);
      if (!this.blocked) this.consumeHeld();
      return;
    }
    const at = this.consume(bytes, start, end);
    if (at < end && !this.stopped) this.append(bytes, at, end);
  }

  /** Offers again what was not taken. @throws WireError */
  resume(): void {
    if (!this.blocked || this.stopped) return;
    this.blocked = false;
    if (this.held !== null) this.consumeHeld();
  }

  /** Whether what is held of a batch goes on without its end is asked again. @throws WireError */
  lookAgain(): void {
    if (!this.blocked && !this.stopped && this.held !== null) this.consumeHeld();
  }

  /** Everything held, for a session that stops cutting batches. */
  release(): Buffer {
    const held = this.held === null ? NOTHING : this.held.subarray(this.heldStart, this.heldEnd);
    this.held = null;
    this.blocked = false;
    return held;
  }

  /** Keeps input back from now on (until `resume`), as if its next batch had been refused. */
  block(): void {
    this.blocked = true;
  }

  private consumeHeld(): void {
    const held = this.held!;
    const at = this.consume(held, this.heldStart, this.heldEnd);
    if (this.held !== held) return;
    this.heldStart = at;
    if (at === this.heldEnd || this.stopped) this.held = null;
  }

  private append(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    const kept = this.held === null ? 0 : this.heldEnd - this.heldStart;
    if (this.held === null || this.heldEnd + length > this.held.length) {
      const target = this.held !== null && kept + length <= this.held.length ? this.held : null;
      const moved = target ?? Buffer.allocUnsafeSlow(Math.max(1024, 2 * (kept + length)));
      if (this.held !== null) this.held.copy(moved, 0, this.heldStart, this.heldEnd);
      this.held = moved;
      this.heldStart = 0;
      this.heldEnd = kept;
    }
    bytes.copy(this.held, this.heldEnd, start, end);
    this.heldEnd += length;
  }

  /** Position of the first byte not consumed. */
  private consume(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && !this.stopped && !this.blocked) {
      if (this.pieceLeft > 0) {
        const stop = Math.min(end, at + this.pieceLeft);
        this.pieceLeft -= stop - at;
        this.sink.piece(bytes, at, stop);
        at = stop;
        continue;
      }
      const next = this.cut(bytes, at, end);
      if (next === at) break;
      at = next;
    }
    return at;
  }

  /** One batch, or part of one; the position behind it, or `start` when more bytes are needed. */
  private cut(bytes: Buffer, start: number, end: number): number {
    const batch = this.batch;
    batch.count = 0;
    let at = start;
    while (end - at >= HEADER_BYTES) {
      const length = frameBytes(bytes, at, frontendCodes);
      const code = bytes[at]!;
      if (copyCodes[code] === 1 || length > Limits.assembledFrameBytesMax) {
        return this.cutLong(bytes, start, at, end, length);
      }
      if (at + length > end) break;
      batch.at[batch.count++] = at - start;
      at += length;
      if (batchEndCodes[code] === 1) {
        if (length > HEADER_BYTES && hasNoBody(code)) throw new WireError('invalid message format');
        return this.offer(bytes, start, at, true, at === end) ? at : start;
      }
    }
    if (batch.count === 0) return start;
    this.fill(bytes, start, at, false, false);
    const goesOn = end - start > Limits.heldBatchBytesMax || this.patience?.isOver(batch) === true;
    return goesOn && this.hand() ? at : start;
  }

  /** A frame that is passed on in pieces: first what stands before it, then its beginning. */
  private cutLong(bytes: Buffer, start: number, at: number, end: number, length: number): number {
    if (at > start) return this.offer(bytes, start, at, false) ? at : start;
    // Names stand at the beginning of a message, so that part is waited for.
    if (end - at < Math.min(length, LONG_HEAD_BYTES) && copyCodes[bytes[at]!] !== 1) return start;
    if (!this.sink.mayStream(bytes, at, end)) {
      this.blocked = true;
      return start;
    }
    const stop = Math.min(end, at + length);
    this.pieceLeft = at + length - stop;
    this.sink.longFrame(bytes[at]!, bytes, at, stop);
    return stop;
  }

  private offer(bytes: Buffer, start: number, end: number, ended: boolean, isLast = false): boolean {
    this.fill(bytes, start, end, ended, isLast);
    return this.hand();
  }

  private fill(bytes: Buffer, start: number, end: number, ended: boolean, isLast: boolean): void {
    const batch = this.batch;
    batch.bytes = bytes;
    batch.start = start;
    batch.end = end;
    batch.ended = ended;
    batch.isLast = isLast;
  }

  private hand(): boolean {
    const isTaken = this.sink.batch(this.batch);
    if (isTaken) this.taken++;
    else this.blocked = true;
    return isTaken;
  }
}
