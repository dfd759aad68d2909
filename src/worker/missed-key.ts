/** The key that a batch was not answered for: it is not in the store, or its answer may not be used yet. */
import type { Statement } from './statement.ts';

export class MissedKey {
  /** 0: none. */
  hash = 0;
  /** The round that its answer lacks; 0: there is none. */
  round = 0;
  /** The key itself, where another node may have its answer: `prefix ‖ tail[start, end)`. To be read before the next batch. */
  prefix: Uint8Array | null = null;
  tail: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Null: the tail is the text of a simple query, or of what stands for it. */
  statement: Statement | null = null;

  clear(): void {
    this.hash = 0;
    this.round = 0;
    this.prefix = null;
    this.statement = null;
  }

  /** @param prefix null: nobody else's answer will do */
  absent(hash: number, prefix: Uint8Array | null, tail: Buffer, start: number, end: number, of: Statement | null) {
    this.hash = hash;
    this.round = 0;
    this.prefix = prefix;
    this.tail = tail;
    this.start = start;
    this.end = end;
    this.statement = of;
    return 'notFound' as const;
  }

  behind(hash: number, round: number): void {
    this.hash = hash;
    this.round = round;
  }

  /** A copy. */
  bytes(prefix: Uint8Array): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(prefix.length + this.end - this.start);
    bytes.set(prefix);
    bytes.set(this.tail.subarray(this.start, this.end), prefix.length);
    return bytes;
  }
}
