/**
 * Where a batch of the client goes: it is answered here, sent to the origin, or waits. One decision for each time that it is offered;
 * a batch that waits is offered again when the replies that are owed have come.
 */
import { Limits } from '../shared/limits.ts';
import { startedRound } from '../shared/memory/control.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { Offer } from '../shared/messages.ts';
import { encodeReady } from '../shared/wire/backend.ts';
import { Frontend, TransactionStatus } from '../shared/wire/codes.ts';
import { encodeQuestion, SYNC } from '../shared/wire/frontend.ts';
import { BatchEnd } from './batch-end.ts';
import type { Batch } from './client-input.ts';
import { SessionHold } from './database-hold.ts';
import { askForAwaitedRound } from './fence.ts';
import { FirstSnapshot } from './first-snapshot.ts';
import { LevelCommands } from './level-commands.ts';
import { isBehind, type Outcome } from './outcome.ts';
import { questionKinds, type ReplySink } from './owed.ts';
import type { Reader, ReadLine } from './read-lines.ts';
import { Remaking } from './remaking.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';

/** A BEGIN that the origin refuses so often is not sent again: a cancel may meet it, but hardly twice. */
const BEGINS_MAX = 3;

export class Router implements Reader {
  private readonly session: Session;
  private readonly runtime: Runtime;
  private readonly levels: LevelCommands;
  readonly hold: SessionHold;
  private readonly snapshot: FirstSnapshot;
  readonly remaking: Remaking;
  private beginsFailed = 0;
  /** The statement in front waits for somebody else's miss until then. */
  private missUntilMs: number | null = null;
  /** Where it stands in line for somebody else's answer, and until when. */
  private line: ReadLine | null = null;
  private lineUntilMs = 0;
  /** Until when it waits for a round. */
  private roundUntilMs: number | null = null;
  /** What the party was answered that the statement in front followed in. */
  shared: Offer | null = null;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
    this.levels = new LevelCommands(session, runtime);
    session.input.patience = new BatchEnd(session, this.levels);
    this.hold = new SessionHold(session, runtime);
    this.snapshot = new FirstSnapshot(session, runtime);
    this.remaking = new Remaking(session, runtime);
  }

  /** Nothing is remembered here from one batch to the next. */
  get isPlain(): boolean {
    return this.levels.isPlain && this.hold.isPlain;
  }

  /** False: not now. */
  route(batch: Batch): boolean {
    const { session } = this;
    const { order, transaction, settings } = session;
    // Inside a block of the origin's a Sync may end one that a pipeline began without BEGIN: that is the origin's to do.
    if (batch.bytes[batch.start] === Frontend.sync && batch.count === 1 && order.isFree && transaction.isOriginIdle) {
      order.say(encodeReady(transaction.status));
      return true;
    }
    if (settings.state !== 'known' && this.isLearning) return false;
    const { hits, forwarder } = this.runtime;
    if (batch.ended) {
      const local = this.levels.answer(batch);
      if (local !== 'forward') return local === 'answered';
    }
    let outcome = batch.ended ? hits.serve(session, batch) : 'statement.protocol';
    if (outcome === 'served') {
      if (hits.hasShared) this.wasShared();
      this.goesOn();
      return true;
    }
    if (outcome === 'hold') {
      if (order.isSynced) return false;
      outcome = 'statement.protocol';
    }
    if (outcome === 'notFound' && this.missUntilMs === null) this.runtime.secondTier?.ask(session);
    if (outcome === 'notFound' && this.waitsForMiss()) return false;
    if (isBehind(outcome) && this.waitsForRound()) return false;
    if ((outcome === 'notFound' || isBehind(outcome)) && this.standsInLine(outcome)) return false;
    if (this.hold.mustWait(batch)) return false;
    if (!session.reaches(batch)) return false;
    if (!this.mayForward() || !this.snapshot.mayForward(batch) || !this.remaking.mayForward(batch)) return false;
    if (forwarder.mustWait(session, batch)) return false;
    this.hold.sent();
    forwarder.forward(session, session.liveCache, batch, outcome);
    this.remaking.forwarded();
    session.lateCancel.forwarded();
    this.goesOn();
    return true;
  }

  /** Whether a frame may be sent that goes in pieces; [start, end) is its beginning. */
  mayStream(bytes: Buffer, start: number, end: number): boolean {
    return this.mayForward() && this.remaking.mayStream(bytes, start, end);
  }

  /** The beginning of such a frame. */
  routeLong(code: number, bytes: Buffer, start: number, end: number): void {
    this.runtime.forwarder.forwardLong(this.session, code, bytes, start, end);
    this.remaking.forwarded();
  }

  /** Whether somebody has asked the origin for what the batch lacks, and it may wait for that. */
  private waitsForMiss(): boolean {
    const { session, runtime } = this;
    if (runtime.config.cache.singleFlightWaitMs === 0 || !session.order.isQuiet) return false;
    const nowMs = runtime.clock.nowMs();
    if (this.missUntilMs !== null && nowMs >= this.missUntilMs) return false;
    const waitMs = runtime.flights.wait(runtime.hits.missed.hash, session, nowMs);
    if (waitMs === 0) return false;
    if (this.missUntilMs !== null) return true;
    this.missUntilMs = nowMs + waitMs;
    session.turnLater(waitMs);
    return true;
  }

  /**
   * Whether the answer lacks nothing but a round that its session's floor asks for, and may wait for that. The origin's answer would raise the floor
   * again: a busy session would not hit any more.
   */
  private waitsForRound(): boolean {
    const { session, runtime } = this;
    const { consistency, liveCache: cache } = session;
    const { round } = runtime.hits.missed;
    if (consistency.level !== 'monotonic' || round === 0 || round !== consistency.floorRound) return false;
    if (cache === null || !session.order.isQuiet) return false;
    const nowMs = runtime.clock.nowMs();
    if (this.roundUntilMs === null) {
      this.roundUntilMs = nowMs + Limits.floorWaitMsMax;
      session.turnLater(Limits.floorWaitMsMax);
    }
    if (nowMs >= this.roundUntilMs) return false;
    askForAwaitedRound(round, cache, true);
    runtime.roundWaits.join(cache, round, session);
    return true;
  }

  /** A read of the key is being sent: from now on others may stand in line for its answer. Null: somebody else's is awaited. */
  lead(hash: number): ReadLine | null {
    return this.runtime.readLines.lead(hash, this, this.runtime.clock.nowMs());
  }

  turn(): void {
    this.session.turn();
  }

  /** Whether the same has been asked of the origin, and it may follow who asks next. @param why it cannot be answered here */
  private standsInLine(why: Outcome): boolean {
    const { session, runtime, line } = this;
    const nowMs = runtime.clock.nowMs();
    if (line !== null) {
      if (line.holds(this) && nowMs < this.lineUntilMs) return true;
      this.leaveLine();
      return false;
    }
    const { hash, round: lacked } = runtime.hits.missed;
    if (hash === 0 || !session.order.isQuiet) return false;
    this.line = runtime.readLines.join(hash, this, nowMs);
    if (this.line === null) return false;
    const cache = session.liveCache;
    if (isBehind(why) && cache !== null) {
      const round = Math.min(lacked, startedRound(runtime.control) + 1);
      askForAwaitedRound(round, cache, why === 'cache.unconfirmed');
    }
    const waitMs = Math.min(Limits.readLineMsMax, runtime.config.cache.singleFlightWaitMs);
    this.lineUntilMs = nowMs + waitMs;
    session.turnLater(waitMs);
    return true;
  }

  /** As if the origin had answered this session. */
  private wasShared(): void {
    const { runtime, session } = this;
    runtime.count(Counter.shared);
    const { consistency } = session;
    if (consistency.level === 'monotonic') consistency.raiseFloor(startedRound(runtime.control) + 1);
  }

  private leaveLine(): void {
    this.line?.leave(this);
    this.line = null;
  }

  /** The statement in front is on its way: nothing of its waiting is left. */
  private goesOn(): void {
    this.missUntilMs = null;
    this.roundUntilMs = null;
    this.shared = null;
    if (this.line !== null) this.leaveLine();
  }

  /**
   * Whether the origin is where the client believes it to be. If not, it is sent the BEGIN that was held back. What comes behind waits
   * until it has succeeded: if it did not, a write that the client may yet roll back would be committed at once.
   */
  mayForward(): boolean {
    const { order, transaction } = this.session;
    const { held } = transaction;
    if (held === null) return true;
    // Held while background work is under way: that ends soon.
    if (!order.isQuiet) return false;
    // The unnamed portal would be that of BEGIN: as the client has it, if it has not done anything with it since.
    const closes = !transaction.portal.isAsAtOrigin;
    const end: ReplySink = { row: () => undefined, done: () => this.begun(held, closes) };
    transaction.opened();
    const kinds = closes ? [...questionKinds, 'close' as const] : questionKinds;
    order.oweQuestion(kinds, Array(kinds.length).fill(end), end);
    this.runtime.originOut.appendAll(encodeQuestion(held, closes));
    return false;
  }

  /**
   * Lets the origin know that the session is not idle; only when nothing is owed. A BEGIN held back for that long is sent: the origin's
   * patience with blocks is another one.
   */
  stir(): void {
    if (!this.session.isAtOrigin || !this.mayForward()) return;
    this.session.order.oweSync(true);
    this.runtime.originOut.appendAll(SYNC);
  }

  private begun(text: string, closed: boolean): void {
    const { transaction } = this.session;
    if (transaction.status === TransactionStatus.inBlock) {
      this.beginsFailed = 0;
      if (closed) transaction.portal.closed();
      else transaction.portal.bound();
      return;
    }
    if (++this.beginsFailed < BEGINS_MAX) {
      transaction.hold(text);
      return;
    }
    const message = `the origin did not begin the transaction that was answered with "${text.trim()}"`;
    this.session.finish({ severity: 'FATAL', sqlstate: '25000', message });
  }

  /** Whether the next statement waits until it is known what it runs under. */
  private get isLearning(): boolean {
    const { order, transaction, settings, liveCache } = this.session;
    if (!order.isSynced || !transaction.isIdle || liveCache === null) return false;
    return settings.isLearning(this.runtime.clock.nowMs());
  }
}
