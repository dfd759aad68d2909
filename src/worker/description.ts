/** The replies to a Describe of ours. */
import type { ReplySink } from './owed.ts';
import { hear, isAsTold, type Told, untold } from './told.ts';

export class Description implements ReplySink {
  private readonly pieces: Buffer[] = [];

  row(bytes: Buffer, start: number, end: number): void {
    this.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  done(): void {
    // Only the Sync behind it says when.
  }

  /** Byte for byte, and there was one. */
  equals(other: Description): boolean {
    return this.pieces.length > 0 && this.bytes.equals(other.bytes);
  }

  /** Whether it is what a client was told, as far as it was told anything. */
  isAsTold(told: Told): boolean {
    const made = untold();
    this.tell(made);
    return isAsTold(told, made);
  }

  tell(told: Told): void {
    const { bytes } = this;
    hear(told, bytes, 0, bytes.length);
  }

  private get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}
