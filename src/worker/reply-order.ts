/**
 * The order of replies towards one client: a FIFO of what the origin owes, and the sole caller of client.write.
 *
 *   forwarded:  P  B  D  E  S   Q                    replies pass in this order; `swallow` ones stop here
 *   owed:      [1][2][T][DC][Z][T D* C Z]
 *                └ an ErrorResponse here: the origin skips to the Sync, and so does the FIFO
 *
 * A reply that does not fit its place is a desynchronisation, which ends the session (lesson 18): never guess.
 * After CopyInResponse the origin ignores Sync and Flush until CopyDone or CopyFail (Manual: COPY Operations).
 */
import type { Writable } from 'node:stream';
import { assert } from '../shared/errors.ts';
import {
  decodeCommandTag,
  decodeError,
  decodeReady,
  type ErrorFields,
  isFatal,
  isPlainTag,
} from '../shared/wire/backend.ts';
import { Backend, longBackendCodes, TransactionStatus } from '../shared/wire/codes.ts';
import { WireError } from '../shared/wire/framer.ts';
import type { OutBuffer } from './out-buffer.ts';
import {
  type Background,
  isAsynchronous,
  isOfOurs,
  Owed,
  type OwedKind,
  type ReplySink,
  replyStep,
  SyncGroup,
} from './owed.ts';
import type { ReplyEvents } from './reply-events.ts';
import { hear } from './told.ts';
import { WithheldReplies } from './withheld.ts';

const QUERY_CANCELED = '57014';
const QUEUE_EMPTIED_AT = 64;

export class ReplyOrder {
  private readonly events: ReplyEvents;
  private readonly out: OutBuffer;
  /** All that goes to the client in this order. */
  readonly replies: WithheldReplies;
  private queue: (Owed | undefined)[] = [];
  private first = 0;
  /** Messages since the last Sync, Query or FunctionCall sent. */
  private group = new SyncGroup();
  /** Extended messages were sent and no Sync yet: the origin is inside an implicit transaction. */
  private unsynced = false;
  /** The Query that was sent inside of one, and nothing behind it: PostgreSQL 18 goes on with the transaction, others end it. */
  private inside: Owed | null = null;
  /** After an error: what is sent before the next Sync is not answered. */
  private skipping = false;
  /** The origin reads COPY data. */
  private copyIn = false;
  /** What is owed so far comes without another message of the client. */
  private flushed = true;
  private streamForward = false;
  private streamHead: Owed | null = null;
  private streamIsOpen = false;
  /** Of an error that comes in pieces. */
  private streamError: ErrorFields | null = null;

  constructor(events: ReplyEvents, out: OutBuffer) {
    this.events = events;
    this.out = out;
    this.replies = new WithheldReplies(out);
  }

  /** Replies outstanding. */
  get length(): number {
    return this.queue.length - this.first;
  }

  /** Nothing is owed or withheld, and the origin waits for a new command outside any un-synced sequence. */
  get isQuiet(): boolean {
    return this.length === 0 && !this.unsynced && !this.skipping && !this.replies.isHolding;
  }

  /** Quiet as far as the client's statements are concerned: all that is owed is background work of ours. */
  get isFree(): boolean {
    if (this.isQuiet) return true;
    const last = this.length === 0 ? undefined : this.queue[this.queue.length - 1];
    return last !== undefined && last.group.background !== null && !this.isInSequence && !this.replies.isHolding;
  }

  /** Everything sent so far will be answered without another message from the client. */
  get isSynced(): boolean {
    return !this.unsynced && !this.skipping && !this.copyIn;
  }

  /** Replies are outstanding, and all of them are on their way. */
  get isComing(): boolean {
    return this.length > 0 && this.flushed && !this.copyIn;
  }

  /** What is sent now belongs to what was sent before, and may be skipped by the origin because of an error there. */
  get isInSequence(): boolean {
    return this.unsynced || this.skipping;
  }

  /** The group that messages sent now belong to. */
  get openGroup(): SyncGroup {
    return this.group;
  }

  /** All groups whose end is still owed, oldest first. */
  *outstandingGroups(): Generator<SyncGroup> {
    let last: SyncGroup | null = null;
    for (let i = this.first; i < this.queue.length; i++) {
      const { group } = this.queue[i]!;
      if (group !== last) yield group;
      last = group;
    }
    if (this.group !== last) yield this.group;
  }

  // ── what is sent to the origin ─────────────────────────────────────────────────────────────────────────────────

  /** A message of the extended protocol other than Sync and Flush. Null: the origin skips it. */
  oweExtended(kind: OwedKind, swallow: boolean): Owed | null {
    this.unsynced = true;
    this.inside = null;
    this.flushed = false;
    if (this.skipping) return null;
    return this.push(new Owed(kind, this.group, swallow));
  }

  /** Null: the origin ignores it. */
  oweSync(swallow = false): Owed | null {
    if (this.copyIn) return null;
    this.skipping = false;
    this.unsynced = false;
    this.flushed = true;
    const owed = this.push(new Owed('sync', this.group, swallow));
    this.group = new SyncGroup();
    return owed;
  }

  flushSent(): void {
    this.flushed = true;
  }

  /** Query or FunctionCall: answered by themselves up to ReadyForQuery. Null: the origin skips it. */
  oweWhole(kind: 'query' | 'functionCall', swallow: boolean): Owed | null {
    if (this.skipping) return null;
    this.flushed = true;
    const owed = this.push(new Owed(kind, this.group, swallow));
    this.inside = this.unsynced ? owed : null;
    this.group = new SyncGroup();
    return owed;
  }

  /** A question of ours: messages, the sink for the replies to each, and for their Sync. Only when nothing is owed. */
  oweQuestion(kinds: readonly OwedKind[], sinks: readonly ReplySink[], end: ReplySink): readonly Owed[] {
    assert(this.isQuiet, 'a question while replies are owed');
    const owed = kinds.map((kind) => this.oweExtended(kind, true)!);
    for (const [i, each] of owed.entries()) each.sink = sinks[i]!;
    this.oweSync(true)!.sink = end;
    return owed;
  }

  /** A question that the client's statements need not wait for. */
  oweBackground(kinds: readonly OwedKind[], background: Background): readonly Owed[] {
    this.group.background = background;
    return this.oweQuestion(kinds, Array(kinds.length).fill(background), background);
  }

  /** CopyDone or CopyFail was sent. */
  copyEnded(): void {
    this.copyIn = false;
    this.flushed = false;
    if (this.length > 0) this.push(new Owed('copyEnd', this.group, true));
  }

  private push(owed: Owed): Owed {
    if (this.first > 64 && this.first * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.first);
      this.first = 0;
    }
    this.queue.push(owed);
    return owed;
  }

  private head(): Owed | undefined {
    return this.queue[this.first];
  }

  /** Takes the head off, and marks behind it at which nothing is owed. */
  private shift(): void {
    do this.queue[this.first++] = undefined;
    while (this.queue[this.first]?.kind === 'copyEnd');
    // Not each time: an array that is emptied gives its memory back, and takes it again for the next reply.
    if (this.first === this.queue.length && this.first >= QUEUE_EMPTIED_AT) {
      this.queue.length = 0;
      this.first = 0;
    }
  }

  // ── what comes from the origin ─────────────────────────────────────────────────────────────────────────────────

  /** A whole frame. @throws WireError when it does not fit. */
  frame(code: number, bytes: Buffer, start: number, end: number): void {
    if (isAsynchronous(code)) {
      const head = this.head();
      this.interruptedBy(code);
      this.events.asynchronous(code, bytes, start, end);
      if (!isOfOurs(head, code, bytes, start, end)) this.replies.append(bytes, start, end);
    } else if (code === Backend.errorResponse) {
      this.failure(bytes, start, end);
    } else {
      const head = this.expect(code);
      head.capture?.take(code, bytes, start, end, true);
      if (head.describes !== null) hear(head.describes.told, bytes, start, end);
      if (head.swallow && head.kind === 'describeStatement') head.sink?.row(bytes, start, end, true);
      if (this.advance(head, code, bytes, start, end)) this.replies.append(bytes, start, end);
    }
  }

  /** A piece of a frame, mostly of a row. @throws WireError when it does not fit. */
  segment(code: number, bytes: Buffer, start: number, end: number, first: boolean, last: boolean): void {
    if (first) this.beginStream(code, bytes, start, end);
    const head = this.streamHead;
    if (head !== null) {
      head.capture?.take(code, bytes, start, end, first);
      if (head.swallow) head.sink?.row(bytes, start, end, last);
    }
    if (this.streamForward) this.replies.append(bytes, start, end);
    this.streamIsOpen = this.streamForward && !last;
    if (last && this.streamError !== null) this.fail(this.streamError);
  }

  /** The client has part of a message: words of ours would be read as the rest of it. */
  get isInsideFrame(): boolean {
    return this.streamIsOpen;
  }

  /** Messages that we must understand are refused when too long to assemble; the others may come in pieces. */
  private beginStream(code: number, bytes: Buffer, start: number, end: number): void {
    this.streamForward = true;
    this.streamHead = null;
    this.streamError = null;
    if (isAsynchronous(code)) {
      this.interruptedBy(code);
      return;
    }
    if (longBackendCodes[code] !== 1)
      throw new WireError(`message type 0x${code.toString(16)} from the origin is too long`);
    if (code === Backend.errorResponse) {
      this.streamError = this.errorOf(bytes, start, end, true);
      this.streamForward = !this.isOurs(this.streamError);
      return;
    }
    const head = this.expect(code);
    this.streamHead = head;
    this.streamForward = !head.swallow;
    const step = replyStep(head.kind, head.phase, code);
    if (step !== 'done' && step !== null) head.phase = step;
    else this.finish(head);
  }

  /** A message of its own accord: the answer that it came in is not to be repeated without it. */
  private interruptedBy(code: number): void {
    const head = this.head();
    if (head !== undefined && code !== Backend.notificationResponse) head.group.broken = true;
  }

  private expect(code: number): Owed {
    const head = this.head();
    if (head === undefined || replyStep(head.kind, head.phase, code) === null) {
      const what = head === undefined ? 'nothing' : `a reply to ${head.kind} (${head.phase})`;
      throw new WireError(`the origin sent message type 0x${code.toString(16)} where ${what} was owed`);
    }
    return head;
  }

  /** Whether the client gets the frame. */
  private advance(head: Owed, code: number, bytes: Buffer, start: number, end: number): boolean {
    const step = replyStep(head.kind, head.phase, code);
    if (code === Backend.commandComplete) {
      if (head.phase === 'copyIn') this.copyIn = false;
      head.hasCompleted = true;
      if (!isPlainTag(bytes, start)) this.events.commandComplete(head, decodeCommandTag(bytes, start, end));
    } else if (code === Backend.copyInResponse) {
      this.enterCopyIn();
    }
    if (step !== 'done' && step !== null) {
      head.phase = step;
      return !head.swallow;
    }
    this.finish(head);
    if (code === Backend.readyForQuery) {
      const status = decodeReady(bytes, start, end);
      if (this.inside === head && status === TransactionStatus.idle) this.unsynced = false;
      this.events.ready(status, head.group, !head.swallow);
      head.sink?.done(head.phase === 'failed');
    }
    return !head.swallow;
  }

  private finish(head: Owed): void {
    if (this.queue[this.first] === head) this.shift();
    this.events.answered(head);
  }

  /** The origin ignores every Sync between here and the end of the copy data; its group goes on to the next one that counts. */
  private enterCopyIn(): void {
    const ignored: Owed[] = [];
    let at = this.first + 1;
    while (at < this.queue.length && this.queue[at]!.kind !== 'copyEnd') {
      if (this.queue[at]!.kind === 'sync') ignored.push(...(this.queue.splice(at, 1) as Owed[]));
      else at++;
    }
    this.copyIn = at === this.queue.length;
    const next = this.queue.find((owed, i) => i > at && owed!.endsGroup)?.group ?? this.group;
    for (const { group } of ignored) next.works.push(...group.works);
    // Without another one the origin keeps its answer, the end of the COPY included, to itself.
    if (next !== this.group) return;
    this.flushed = false;
    if (ignored.length > 0) this.unsynced = true;
  }

  private failure(bytes: Buffer, start: number, end: number): void {
    const error = this.errorOf(bytes, start, end, false);
    const head = this.head();
    if (this.isOurs(error)) head?.sink?.failed?.(bytes, start, end);
    else if (head !== undefined && head.fault !== null) this.say(head.fault);
    else this.replies.append(bytes, start, end);
    this.fail(error);
  }

  /** @param isCut its first piece alone is there */
  private errorOf(bytes: Buffer, start: number, end: number, isCut: boolean): ErrorFields {
    const error = decodeError(bytes, start, end, isCut);
    if (isFatal(error)) this.events.fatal();
    else if (this.head() === undefined)
      throw new WireError(`the origin sent an error that nothing asked for: ${error.message}`);
    return error;
  }

  /** It answers a question of ours. */
  private isOurs(error: ErrorFields): boolean {
    const sink = this.head()?.sink ?? null;
    return sink !== null && !isFatal(error);
  }

  /** What follows from an error of which every byte has come. */
  private fail(error: ErrorFields): void {
    this.streamError = null;
    this.copyIn = false;
    const head = this.head();
    if (head === undefined || isFatal(error)) return;
    if (head.sink !== null && head.sink.failed === undefined && error.sqlstate === QUERY_CANCELED) {
      this.events.questionCancelled(
        this.queue.some((owed) => owed !== undefined && !owed.swallow),
        head.group,
        error.message,
      );
    }
    head.group.broken = true;
    if (head.kind === 'sync') return;
    if (head.kind === 'query' || head.kind === 'functionCall') head.phase = 'failed';
    else this.skipToSync(error.sqlstate);
  }

  /** The head has failed; the origin skips what follows. */
  private skipToSync(sqlstate: string): void {
    this.events.failed(this.queue[this.first]!, sqlstate);
    this.shift();
    for (let head = this.queue[this.first]; head !== undefined; head = this.queue[this.first]) {
      if (head.kind === 'sync') return;
      this.events.skipped(head);
      this.shift();
    }
    this.skipping = true;
  }

  // ── what we say ourselves ──────────────────────────────────────────────────────────────────────────────────────

  /** For local answers and our own errors; only when nothing is owed, or as the last words. */
  say(bytes: Buffer): void {
    this.replies.append(bytes, 0, bytes.length);
  }

  /** Passes bytes on whose meaning is the startup phase's or the tunnel's. */
  passThrough(bytes: Buffer, start: number, end: number): void {
    this.replies.append(bytes, start, end);
  }

  flush(client: Writable): void {
    this.out.flush(client);
  }
}
