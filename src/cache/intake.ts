/**
 * The pace at which frames of the change stream are taken in. The thread has other work, so none of these keeps it for long (C25):
 *
 *   a burst of many frames        the socket is paused for one turn of the event loop; what the kernel holds is back-pressure on the walsender
 *   frames that come one by one   the socket is left alone for a moment, so that several are read at once
 *   a change with much to undo    the sink is busy: frames read already are held, in order, until it has proceeded to the end
 */
import type { ChangeSink } from './change.ts';

/** Bytes applied in one turn of the event loop before others get their turn. */
const BURST_BYTES_MAX = 64 * 1024;
/** After a small burst the socket is left alone for so long: the walsender sends each message by itself, and to be woken for each costs more
 * than to apply it (ADR-015). What comes after a pause is applied at once, and a large burst is followed by the next without one. The longer one is
 * for when nobody waits for what is coming (ADR-022). */
const READ_GAP_MS = 1;
const CALM_GAP_MS = 5;

export interface IntakePorts {
  readonly sink: Pick<ChangeSink, 'isBusy' | 'proceed'>;
  /** Takes one frame in. Must not throw. */
  readonly take: (frame: Buffer) => void;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly isOver: () => boolean;
  /** Somebody waits for the stream to come further: a round for its position. */
  readonly isAwaited: () => boolean;
  /** The sink failed to proceed. */
  readonly onError: (thrown: unknown) => void;
}

export class Intake {
  readonly #ports: IntakePorts;
  /** Copies of frames that came while the sink was busy: no more than one read of the socket has. */
  #held: Buffer[] = [];
  #isHolding = false;
  #burstBytes = 0;
  /** Runs while the socket is left alone. */
  #gap: NodeJS.Timeout | null = null;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  /** The socket is not read until the sink has proceeded: its silence is our own. */
  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** Takes the frame in, or holds it. Its bytes are only ours during the call. */
  receive(frame: Buffer): void {
    const { sink, take } = this.#ports;
    if (this.#isHolding) {
      this.#held.push(Buffer.from(frame));
      return;
    }
    take(frame);
    if (sink.isBusy === true) this.#hold();
    this.#countBurst(frame.length);
  }

  /** From now on the stream is awaited: what has come meanwhile is read at once. */
  hurry(): void {
    if (this.#gap !== null) this.#endGap();
  }

  #hold(): void {
    this.#isHolding = true;
    this.#ports.pause();
    setImmediate(() => this.#goOn());
  }

  /** A slice of the work, or a burst of the frames behind it. */
  #goOn(): void {
    const { sink, take, isOver, resume, onError } = this.#ports;
    try {
      if (sink.isBusy === true && !isOver()) sink.proceed?.();
    } catch (thrown) {
      onError(thrown);
    }
    let taken = 0;
    for (let bytes = 0; taken < this.#held.length && bytes < BURST_BYTES_MAX; taken++) {
      if (sink.isBusy === true && !isOver()) break;
      bytes += this.#held[taken]!.length;
      take(this.#held[taken]!);
    }
    this.#held = this.#held.slice(taken);
    if (!isOver() && (sink.isBusy === true || this.#held.length > 0)) {
      setImmediate(() => this.#goOn());
      return;
    }
    this.#held = [];
    this.#isHolding = false;
    resume();
  }

  #countBurst(bytes: number): void {
    // One turn later, not at the end of this one: behind a pause the first read brings what was read ahead, and only the second what has come since.
    if (this.#burstBytes === 0) setImmediate(() => setImmediate(() => this.#endBurst()));
    const before = this.#burstBytes;
    this.#burstBytes += bytes;
    if (before < BURST_BYTES_MAX && this.#burstBytes >= BURST_BYTES_MAX) this.#ports.pause();
  }

  #endBurst(): void {
    const { pause, resume, isOver, isAwaited } = this.#ports;
    const isLarge = this.#burstBytes >= BURST_BYTES_MAX;
    this.#burstBytes = 0;
    // Whoever holds frames resumes when these have been taken in.
    if (this.#isHolding) return;
    if (isLarge || isOver()) {
      resume();
      return;
    }
    pause();
    this.#gap = setTimeout(() => this.#endGap(), isAwaited() ? READ_GAP_MS : CALM_GAP_MS);
  }

  #endGap(): void {
    if (this.#gap !== null) clearTimeout(this.#gap);
    this.#gap = null;
    if (!this.#isHolding) this.#ports.resume();
  }
}
