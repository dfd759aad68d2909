/**
 * Replies on their way to a client, which can be withheld for a moment: what a statement wrote must be known before its
 * acknowledgement goes on (C15), and sometimes its analysis comes later than the origin's answer (adr/008).
 *
 *   replies ─▶ append ─┬─▶ the client's outgoing buffer
 *                      └─▶ kept, in order, between `hold` and `release`
 */
import type { OutBuffer } from './out-buffer.ts';

export class WithheldReplies {
  private readonly out: OutBuffer;
  private kept: Buffer[] | null = null;
  private keptBytes = 0;

  constructor(out: OutBuffer) {
    this.out = out;
  }

  get isHolding(): boolean {
    return this.kept !== null;
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.keptBytes;
  }

  hold(): void {
    this.kept ??= [];
  }

  append(bytes: Buffer, start: number, end: number): void {
    if (this.kept === null) {
      this.out.append(bytes, start, end);
      return;
    }
    this.kept.push(Buffer.from(bytes.subarray(start, end)));
    this.keptBytes += end - start;
  }

  /** What was kept goes on. */
  release(): void {
    const kept = this.kept ?? [];
    this.kept = null;
    this.keptBytes = 0;
    for (const bytes of kept) this.out.appendAll(bytes);
  }
}
