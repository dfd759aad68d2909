/**
 * Bytes on their way to a socket, gathered during one turn and written with one call.
 *
 * One such buffer serves all sessions of a worker (per direction): a turn begins and ends with it empty. What the kernel does not take
 * at once is lent to the socket where it lies, and the next turn goes on behind it; else the next turn uses the same memory again.
 * Ranges of the shared read buffer that follow one another are copied as one.
 *
 *   slab  ┃ lent to A ┃ lent to B ┃ this turn →      ┃      the last lent range has been written: the slab is a spare again
 *         0                       base     used
 *
 * Slabs come back because memory outside of the heap waits long for the collector, and they are shared because a pending write of a few
 * bytes must not hold a buffer of its own: a reader that stops would otherwise hold 64 KiB for each notice.
 */
import type { Writable } from 'node:stream';
import { Limits } from '../shared/limits.ts';
import { type DirectSend, SendMemory, sendNothing } from './direct-send.ts';

const SLAB_BYTES = 256 * 1024;
const KEPT_BYTES_MAX = 1024 * 1024;

/** Frames that say no more than "done": up to here a loop costs less than a call. */
const LOOP_BYTES_MAX = 16;

/** What a turn mostly brings, a read and a little that was held before: with less room it begins with another slab. */
const ROOM_BYTES_MIN = Limits.readBufferBytes + 8 * 1024;

class Slab {
  memory = new SendMemory(SLAB_BYTES);
  /** Null: no turn writes here any more. */
  owner: OutBuffer | null = null;
  /** Writes that have not been reported as done. */
  private writing = 0;
  private readonly spares: SpareSlabs;
  /** One function for all writes: a hit allocates none. */
  private readonly done = (): void => {
    this.writing--;
    if (this.isFree) this.owner === null ? this.spares.giveBack(this) : this.owner.slabIsFree();
  };

  constructor(spares: SpareSlabs) {
    this.spares = spares;
  }

  get bytes(): Buffer {
    return this.memory.bytes;
  }

  get isFree(): boolean {
    return this.writing === 0;
  }

  /** True when the socket still needs the range. */
  write(socket: Writable, start: number, end: number): boolean {
    const rest = start + this.spares.send(socket, this.memory, start, end);
    if (rest === end) return false;
    this.writing++;
    socket.write(this.bytes.subarray(rest, end), this.done);
    return socket.writableLength > 0;
  }

  leave(): void {
    this.owner = null;
    if (this.isFree) this.spares.giveBack(this);
  }
}

/** Slabs that no socket needs any more; those of all sessions of a worker. */
export class SpareSlabs {
  private readonly free: Slab[] = [];
  /** How they are written first. */
  readonly send: DirectSend;

  constructor(send: DirectSend = sendNothing) {
    this.send = send;
  }

  get count(): number {
    return this.free.length;
  }

  take(owner: OutBuffer): Slab {
    const slab = this.free.pop() ?? new Slab(this);
    slab.owner = owner;
    return slab;
  }

  /** Larger ones, and more than are kept, are the collector's. */
  giveBack(slab: Slab): void {
    if (slab.bytes.length === SLAB_BYTES && this.free.length < Limits.spareSlabsMax) this.free.push(slab);
  }
}

export class OutBuffer {
  private slab: Slab;
  private base = 0;
  private used = 0;
  private readonly readBuffer: Buffer;
  private readonly spares: SpareSlabs;
  private runStart = 0;
  private runEnd = 0;

  /** `readBuffer`: the one buffer whose content stays as it is until `flush`. */
  constructor(readBuffer: Buffer, spares: SpareSlabs = new SpareSlabs()) {
    this.readBuffer = readBuffer;
    this.spares = spares;
    this.slab = spares.take(this);
  }

  /** Where `position()` counts from; another one after `reserve`. */
  get bytes(): Buffer {
    return this.slab.bytes;
  }

  /** Bytes gathered so far. */
  get length(): number {
    return this.used - this.base + this.runEnd - this.runStart;
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
    const { bytes } = this.slab;
    if (end - start > LOOP_BYTES_MAX) source.copy(bytes, this.used, start, end);
    else for (let i = start; i < end; i++) bytes[this.used + i - start] = source[i]!;
    this.used += end - start;
  }

  appendAll(source: Buffer): void {
    this.append(source, 0, source.length);
  }

  /** Room for `bytes` more at `position()`; to be followed by `advance`. */
  reserve(bytes: number): void {
    this.commit();
    const needed = this.used + bytes;
    const { slab } = this;
    if (needed <= slab.bytes.length) return;
    const grown = new SendMemory(Math.max(needed, 2 * slab.bytes.length));
    slab.bytes.copy(grown.bytes, this.base, this.base, this.used);
    // Positions stay what they are; what is lent stays where it is.
    if (!slab.isFree) this.change();
    this.slab.memory = grown;
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
    const { base, used, slab } = this;
    if (used === base) return;
    this.used = base;
    if (!socket.writable) return;
    if (slab.write(socket, base, used)) this.base = this.used = used;
    if (slab.bytes.length - this.base >= ROOM_BYTES_MIN && slab.bytes.length <= KEPT_BYTES_MAX) return;
    this.change();
    this.base = this.used = 0;
  }

  /** Everything lent of the current slab has been written. */
  slabIsFree(): void {
    if (this.length === 0) this.base = this.used = 0;
  }

  private change(): void {
    this.slab.leave();
    this.slab = this.spares.take(this);
  }

  private commit(): void {
    const length = this.runEnd - this.runStart;
    if (length === 0) return;
    const start = this.runStart;
    this.runStart = this.runEnd = 0;
    this.reserve(length);
    this.readBuffer.copy(this.slab.bytes, this.used, start, start + length);
    this.used += length;
  }
}
