/**
 * A socket whose bytes travel over a MessagePort as transferred ArrayBuffers: the fallback where no file descriptor can be
 * handed over. Main holds the real socket and pipes it into one end, the worker serves the other; both ends are this class.
 *
 *     client ⇄ net.Socket ⇄ RelaySocket ═══ MessagePort ═══ RelaySocket ⇄ session
 *
 * Back-pressure is by credit: at most `windowBytes` are posted and not yet acknowledged as consumed by the reader.
 */
import { Duplex } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { Limits } from './limits.ts';

/** As in `net.SocketConstructorOpts`: one buffer, consumed synchronously; `false` pauses until `resume()`. */
export interface ReadInto {
  readonly buffer: Uint8Array;
  readonly callback: (bytesRead: number, buffer: Uint8Array) => boolean;
}

type Frame =
  | { readonly kind: 'data'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'consumed'; readonly count: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'destroy' };

const windowBytes = Limits.peerQueueBytesMax;

export class RelaySocket extends Duplex {
  readonly #port: MessagePort;
  #onread: ReadInto | undefined;
  /** Received, not yet taken by `onread`. */
  readonly #waiting: Uint8Array[] = [];
  #waitingEnd = false;
  #held = false;
  /** Pushed to the readable side while it was full; acknowledged when it asks for more. */
  #unacknowledgedBytes = 0;
  #inFlightBytes = 0;
  #onCredit: (() => void) | undefined;
  #peerGone = false;

  constructor(port: MessagePort, options: { readonly allowHalfOpen?: boolean; readonly onread?: ReadInto } = {}) {
    super({ allowHalfOpen: options.allowHalfOpen ?? false, autoDestroy: true, emitClose: true });
    this.#port = port;
    this.#onread = options.onread;
    port.on('message', (frame: Frame) => this.#receive(frame));
    port.on('close', () => {
      this.#peerGone = true;
      this.destroy();
    });
  }

  /** Nothing to do: main's real socket has it set. */
  setNoDelay(): this {
    return this;
  }

  /** Nothing to do: main's real socket has it set. */
  setKeepAlive(): this {
    return this;
  }

  /** From here on its bytes are read as any stream's (TLS does so); what waits for `onread` goes that way too. */
  becomePlain(): void {
    this.#onread = undefined;
    this.#held = false;
    for (const bytes of this.#waiting.splice(0))
      if (this.push(bytes)) this.#acknowledge(bytes.length);
      else this.#unacknowledgedBytes += bytes.length;
    if (!this.#waitingEnd) return;
    this.#waitingEnd = false;
    this.#receiveEnd();
  }

  override pause(): this {
    if (this.#onread === undefined) return super.pause();
    this.#held = true;
    return this;
  }

  override resume(): this {
    if (this.#onread === undefined) return super.resume();
    this.#held = false;
    this.#drain(this.#onread);
    return this;
  }

  override _read(): void {
    if (this.#unacknowledgedBytes === 0) return;
    this.#acknowledge(this.#unacknowledgedBytes);
    this.#unacknowledgedBytes = 0;
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const bytes = new Uint8Array(chunk); // a copy: a Buffer may be a view of Node's pool, which cannot be transferred
    this.#inFlightBytes += bytes.length;
    this.#post({ kind: 'data', bytes }, [bytes.buffer]);
    if (this.#inFlightBytes < windowBytes) done();
    else this.#onCredit = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#post({ kind: 'end' });
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#peerGone) this.#post({ kind: 'destroy' });
    this.#port.close();
    this.#waiting.length = 0;
    const blocked = this.#onCredit;
    this.#onCredit = undefined;
    blocked?.();
    done(error);
  }

  #receive(frame: Frame): void {
    if (this.destroyed) return;
    if (frame.kind === 'data') this.#receiveData(frame.bytes);
    else if (frame.kind === 'consumed') this.#receiveCredit(frame.count);
    else if (frame.kind === 'end') this.#receiveEnd();
    else this.#receiveDestroy();
  }

  #receiveData(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#onread !== undefined) {
      this.#waiting.push(bytes);
      this.#drain(this.#onread);
    } else if (this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))) {
      this.#acknowledge(bytes.length);
    } else {
      this.#unacknowledgedBytes += bytes.length;
    }
  }

  #receiveCredit(count: number): void {
    this.#inFlightBytes -= count;
    if (this.#onCredit === undefined || this.#inFlightBytes >= windowBytes) return;
    const resume = this.#onCredit;
    this.#onCredit = undefined;
    resume();
  }

  #receiveEnd(): void {
    if (this.#waiting.length > 0) {
      this.#waitingEnd = true;
      return;
    }
    this.push(null);
    this.read(0);
  }

  #receiveDestroy(): void {
    this.#peerGone = true;
    this.destroy();
  }

  /** Feeds `onread` until it says stop. The callback may pause, resume or destroy this socket. */
  #drain(into: ReadInto): void {
    while (this.#onread === into && !this.#held && !this.destroyed && this.#waiting.length > 0) {
      const piece = this.#waiting[0]!;
      const count = Math.min(piece.length, into.buffer.length);
      into.buffer.set(piece.subarray(0, count));
      if (count === piece.length) this.#waiting.shift();
      else this.#waiting[0] = piece.subarray(count);
      this.#acknowledge(count);
      if (!into.callback(count, into.buffer)) this.#held = true;
    }
    if (this.#onread === into && this.#waitingEnd && this.#waiting.length === 0 && !this.destroyed) {
      this.#waitingEnd = false;
      this.#receiveEnd();
    }
  }

  #acknowledge(count: number): void {
    this.#post({ kind: 'consumed', count });
  }

  #post(frame: Frame, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(frame, transfer);
  }
}
