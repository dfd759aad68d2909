/**
 * Lines of reads of one key that cannot be answered from the store (ADR-024). While one of them is at the origin the others of this worker stand
 * in line, and go as one party: the first leads, and its answer is that of all who stood there before it was sent.
 *
 *   first ─▶ leads, alone ─▶ answered ─▶ first of the line leads, the others follow ─▶ answered: so are they ─▶ …
 *                 others come: in line ──┘                   others come: in line ─────────────────────────────┘
 *
 * Whoever follows has sent its statement before the leader's went out, so this is what the origin might have answered it: the key holds all
 * that answers depend on. It shows every write acknowledged before, so no fence and no round is asked but those of DDL (serve.ts). Whose time is up
 * goes by itself; where the leader gets no answer, or one that may not be shared, the party is in line again.
 */
import { Limits } from '../shared/limits.ts';
import type { Offer } from '../shared/messages.ts';

/** Whose statement stands in line. */
export interface Reader {
  /** What the leader of its party was answered; the reader gets a turn. */
  shared: Offer | null;
  turn(): void;
}

export class ReadLine {
  readonly hash: number;
  /** What the origin answered the leader, where it may be shared. */
  answer: Offer | null = null;
  private readonly lines: Map<number, ReadLine>;
  private isLed = false;
  private untilMs = 0;
  /** Most reads are alone: the sets are made when somebody comes. */
  private party: Set<Reader> | null = null;
  private line: Set<Reader> | null = null;

  constructor(hash: number, lines: Map<number, ReadLine>) {
    this.hash = hash;
    this.lines = lines;
  }

  /** Somebody waits for the leader's answer. */
  get hasParty(): boolean {
    return this.party !== null && this.party.size > 0;
  }

  /** Somebody follows, or stands in line. */
  get hasReaders(): boolean {
    return this.hasParty || (this.line !== null && this.line.size > 0);
  }

  /** From now on its answer is that of all in line. False: somebody else leads. */
  lead(reader: Reader, nowMs: number): boolean {
    if (this.isLed) return false;
    this.isLed = true;
    this.untilMs = nowMs + Limits.readLineMsMax;
    this.party = this.line;
    this.party?.delete(reader);
    this.line = null;
    return true;
  }

  /** To stand in line; false where nobody leads, or for so long that it is not worth while. */
  join(reader: Reader, nowMs: number): boolean {
    if (!this.isLed || nowMs >= this.untilMs) return false;
    this.line ??= new Set();
    this.line.add(reader);
    return true;
  }

  /** Whether somebody leads, and the reader follows or stands in line. */
  holds(reader: Reader): boolean {
    return this.isLed && (this.party?.has(reader) === true || this.line?.has(reader) === true);
  }

  leave(reader: Reader): void {
    this.party?.delete(reader);
    this.line?.delete(reader);
  }

  /** The leader's reply is complete, or will never come. Turns come later: outgoing buffers are shared by sessions. */
  end(): void {
    if (!this.isLed) return;
    const { party, answer } = this;
    this.isLed = false;
    this.answer = null;
    this.party = null;
    if (party !== null && answer === null) this.line = new Set([...party, ...(this.line ?? [])]);
    if (party !== null && answer !== null) for (const reader of party) reader.shared = answer;
    if (party === null && this.line === null) this.close();
    else queueMicrotask(() => this.goOn(answer === null ? null : party));
  }

  private goOn(answered: Set<Reader> | null): void {
    for (const reader of answered ?? []) reader.turn();
    for (const reader of [...(this.line ?? [])]) reader.turn();
    if (!this.isLed) this.close();
  }

  private close(): void {
    if (this.lines.get(this.hash) === this) this.lines.delete(this.hash);
  }
}

export class ReadLines {
  private readonly byHash = new Map<number, ReadLine>();

  /** Keys that somebody has asked the origin for. */
  get size(): number {
    return this.byHash.size;
  }

  /** To be called when a read of the key is sent; null: somebody else leads. */
  lead(hash: number, reader: Reader, nowMs: number): ReadLine | null {
    let line = this.byHash.get(hash);
    if (line === undefined) {
      line = new ReadLine(hash, this.byHash);
      this.byHash.set(hash, line);
    }
    return line.lead(reader, nowMs) ? line : null;
  }

  /** The line that the reader stands in now; null: nobody has asked for the key. */
  join(hash: number, reader: Reader, nowMs: number): ReadLine | null {
    const line = this.byHash.get(hash);
    return line?.join(reader, nowMs) === true ? line : null;
  }
}
