/**
 * A cancel that met a question of ours. The client meant the statement behind it, which would now run on: so the cancel is sent again
 * once that statement is at the origin. A client that waits for nothing has nothing to lose, as with a cancel that comes late.
 */
import { encodeCancel } from '../shared/wire/frontend.ts';
import { forwardCancel } from './cancel.ts';
import type { OriginTarget } from './origin-tls.ts';

export class LateCancel {
  private readonly target: OriginTarget;
  private readonly readBuffer: Buffer;
  /** CancelRequest of the origin's process. */
  packet: Buffer | null = null;
  isDue = false;
  /** Another way to the origin than a connection of its own at once. */
  send: ((packet: Buffer) => void) | null = null;

  constructor(target: OriginTarget, readBuffer: Buffer) {
    this.target = target;
    this.readBuffer = readBuffer;
  }

  /** The frame of BackendKeyData [start, end): what a CancelRequest must repeat. */
  learn(bytes: Buffer, start: number, end: number): void {
    this.packet = encodeCancel(bytes, start, end);
  }

  /** A question was cancelled: with the client's statement sent already, still held back, or not there at all. */
  missed(statement: 'sent' | 'held' | 'none'): void {
    this.isDue = statement !== 'none';
    if (statement === 'sent') this.forwarded();
  }

  /** A statement of the client was forwarded. */
  forwarded(): void {
    const { target, readBuffer, packet } = this;
    if (!this.isDue || packet === null) return;
    this.isDue = false;
    // Between two turns, when what was forwarded has been written.
    setImmediate(() => {
      if (this.send !== null) this.send(packet);
      else forwardCancel(target, readBuffer, packet, () => undefined);
    });
  }
}
