/**
 * What replies of the origin do before they are passed on: statements and settings are kept honest, fences are raised for
 * what was written (C15), captured answers are offered.
 */
import { identityTags } from '../shared/ddl-tags.ts';
import { Limits } from '../shared/limits.ts';
import { startedRound } from '../shared/memory/control.ts';
import { countReason } from '../shared/memory/counters.ts';
import { Counter } from '../shared/memory/layout.ts';
import { decodeParameterStatus } from '../shared/wire/backend.ts';
import { Backend } from '../shared/wire/codes.ts';
import { encodeQuestion } from '../shared/wire/frontend.ts';
import { fenceWrites } from './fence.ts';
import { isReadOnly, type Owed, questionKinds, type SyncGroup, unknownWork } from './owed.ts';
import type { ReplyEvents } from './reply-events.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import { awaitRound, toldByOrigin } from './told.ts';
import { mayEndTransaction } from './transaction.ts';
import type { VerdictSlot } from './verdicts.ts';

/** Statements after which the context is another, whatever was known of them. */
const settingTags = new Set([
  'SET',
  'RESET',
  'DISCARD ALL',
  'DISCARD TEMP',
  'CREATE TABLE',
  'DROP TABLE',
  'ALTER ROLE',
]);

export class ReplyEffects implements ReplyEvents {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** The origin has said why it ends the connection. */
  fatalSeen = false;
  private withheldTimer: NodeJS.Timeout | undefined;
  /** A table may have lost its replica identity since the last end of a transaction. */
  private identityInDoubt = false;
  /** The cache thread is looking after such tables; whichever look was asked for last counts. It may die over it. */
  private look: Promise<void> | null = null;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  asynchronous(code: number, bytes: Buffer, start: number, end: number): void {
    if (code === Backend.parameterStatus) this.parameterStatus(bytes, start, end);
    // C18: a notification may overtake the acknowledgement of the write that it tells of.
    else if (code === Backend.notificationResponse) {
      this.session.transaction.listens = true;
      this.raiseFloor();
    }
  }

  parameterStatus(bytes: Buffer, start: number, end: number): void {
    const { settings } = this.session;
    const { name, value } = decodeParameterStatus(bytes, start, end);
    if (name === 'client_encoding') settings.utf8 = value === 'UTF8';
    settings.forget();
  }

  questionCancelled(statementBehind: boolean, { background }: SyncGroup, message: string): void {
    if (background?.isOutOfTime(message, this.runtime.clock.nowMs()) === true) return;
    this.session.lateCancel.missed(statementBehind ? 'sent' : this.session.input.isBlocked ? 'held' : 'none');
  }

  fatal(): void {
    this.fatalSeen = true;
    this.fenceOutstanding();
  }

  answered(owed: Owed): void {
    const { describes, statement } = owed;
    if (describes !== null) toldByOrigin(describes, startedRound(this.runtime.control) + 1);
    else if (statement !== null) awaitRound(statement.told, startedRound(this.runtime.control) + 1);
    this.session.statements.answered(owed);
    this.session.transaction.portal.replyEnded(owed);
  }

  failed(owed: Owed, sqlstate: string): void {
    this.session.statements.failed(owed);
    this.session.transaction.portal.failed(owed, sqlstate);
    this.portalsInDoubt(owed);
  }

  skipped(owed: Owed): void {
    this.session.statements.skipped(owed);
    this.session.transaction.portal.skipped(owed);
    this.portalsInDoubt(owed);
  }

  /** A Bind or Close that had no effect leaves a portal of before, of which nothing is known. */
  private portalsInDoubt(owed: Owed): void {
    if (owed.kind === 'bind' || owed.kind === 'close') this.session.portals.clear();
  }

  commandComplete(owed: Owed, tag: string): void {
    const { statements, transaction, settings, portals, router } = this.session;
    router.hold.complete(tag);
    if (tag === 'LISTEN') transaction.listens = true;
    else if (tag === 'DISCARD ALL') transaction.listens = false;
    if (tag === 'DEALLOCATE') statements.deallocated(owed.closes);
    else if (tag === 'DISCARD ALL' || tag === 'DEALLOCATE ALL') statements.deallocatedAll();
    else if (tag === 'PREPARE') {
      statements.prepared(owed.prepares);
      // Another one in the same string is one of which nothing is known.
      owed.prepares = null;
    } else if (tag === 'DECLARE CURSOR' || tag.startsWith('CLOSE CURSOR')) portals.clear();
    if (identityTags.has(tag)) this.identityInDoubt = true;
    if (settings.state === 'unusable' && settingTags.has(tag)) settings.forget();
    if (!mayEndTransaction(tag)) return;
    // C15: a transaction ended inside a batch; its writes are visible now, though ReadyForQuery is to come.
    for (const work of owed.group.works) transaction.written.add(work);
    this.acknowledge();
  }

  ready(status: number, group: SyncGroup, forClient: boolean): void {
    if (group.background !== null) {
      this.capturesEnd(group, !group.broken);
      group.background.end(group.broken, this.runtime.clock.nowMs());
      return;
    }
    const { transaction, consistency, portals } = this.session;
    this.runtime.timing.end(group, this.session.home.cache?.bypass ?? null);
    transaction.ready(status, group);
    if (consistency.level === 'monotonic' && forClient) this.raiseFloor();
    this.session.router.hold.look();
    if (transaction.isIdle) {
      this.lookOver();
      this.acknowledge();
      consistency.transactionEnded();
      portals.clear();
    }
    this.capturesEnd(group, !group.broken && transaction.mayHit);
  }

  private capturesEnd(group: SyncGroup, isComplete: boolean): void {
    if (group.captures.length > 0) {
      if (isComplete) this.offer(group);
      else for (const capture of group.captures) capture.abandon();
    }
    const { line } = group;
    group.line = null;
    line?.end();
  }

  private raiseFloor(): void {
    this.session.consistency.raiseFloor(startedRound(this.runtime.control) + 1);
  }

  private offer(group: SyncGroup): void {
    const { cache } = this.session.home;
    const filledRound = startedRound(this.runtime.control) + 1;
    const nowMs = this.runtime.clock.nowMs();
    for (const capture of group.captures) {
      const isCurrent = cache !== null && capture.token.generation === cache.generation;
      capture.isAwaited = group.line?.hash === capture.hash && group.line.hasReaders;
      const costMs = nowMs - capture.sentMs;
      const offer = isCurrent && group.works.every(isReadOnly) ? capture.offer(filledRound, costMs) : null;
      if (offer === null || cache === null) {
        capture.abandon();
        continue;
      }
      capture.slot.took(costMs);
      if (group.line?.hash === capture.hash) group.line.answer = offer;
      if (!capture.isOffered) continue;
      if (cache.outbox.add(offer)) {
        this.runtime.count(Counter.admittedOffers);
        if (capture.flight !== null) cache.endFlight(capture.flight, filledRound);
      } else {
        countReason(this.runtime.counters, 'fill.queueFull');
        capture.flight?.end();
      }
    }
  }

  /** C23: whoever is told that the DDL is done may write the table at once, here or elsewhere. */
  private lookOver(): void {
    if (!this.identityInDoubt) return;
    this.identityInDoubt = false;
    const look = this.runtime.databases.lookOver(this.session.home.name);
    this.look = look;
    void look?.then(() => {
      if (this.look !== look) return;
      this.look = null;
      this.goOn();
    });
  }

  /** Before the word of a transaction's end goes on: what was written is fenced, and for that it must be known. */
  private acknowledge(): void {
    const { transaction, order } = this.session;
    const awaited = transaction.written.awaited;
    const isClear = awaited === null && this.look === null;
    if (isClear || order.replies.bytes > Limits.withheldBytesMax) {
      this.settle();
      return;
    }
    if (order.replies.isHolding) return;
    order.replies.hold();
    const waitMs = this.look === null ? Limits.verdictWaitMsMax : Limits.lookOverWaitMsMax;
    this.withheldTimer = setTimeout(() => this.session.turn(() => this.settle()), waitMs);
    if (awaited !== null) this.awaitVerdict(awaited);
  }

  private awaitVerdict(slot: VerdictSlot): void {
    slot.whenDecided(() => this.goOn());
  }

  /** Something that replies were withheld for is there. */
  private goOn(): void {
    const { transaction, order } = this.session;
    if (!order.replies.isHolding) return;
    const next = transaction.written.awaited;
    if (next !== null) this.awaitVerdict(next);
    else if (this.look === null) this.session.turn(() => this.settle());
  }

  /** Fences what was written, and lets its acknowledgement go. */
  private settle(): void {
    const { transaction, order } = this.session;
    clearTimeout(this.withheldTimer);
    this.look = null;
    this.fence();
    // A block begun behind the acknowledgement may have written, too: that counts again when it ends.
    if (transaction.isIdle) transaction.written.clear();
    order.replies.release();
  }

  private fence(): void {
    const { transaction, consistency, settings, home } = this.session;
    transaction.written.giveUp();
    if (transaction.written.isEmpty || settings.isForeign) return;
    const { control, config } = this.runtime;
    if (config.faults.includes('fence')) return;
    fenceWrites(control, transaction.written, consistency, home, config.faults);
  }

  /** An error of ours: what was being done may have been sent before it was noted, and counts as a write of anything. */
  broken(error: unknown, peer: string): void {
    this.runtime.log.error({ err: error, peer }, 'session failed');
    this.session.order.openGroup.works.push(unknownWork);
  }

  /** The connection ends with replies owed: what they would have acknowledged may have happened. */
  fenceOutstanding(): void {
    const { order, transaction, router } = this.session;
    router.hold.end();
    for (const group of order.outstandingGroups()) {
      for (const work of group.works) transaction.written.add(work);
      this.capturesEnd(group, false);
      group.background?.end(true, this.runtime.clock.nowMs());
    }
    this.settle();
    transaction.written.clear();
  }

  /** Asks the origin for the session's settings, on the session's own connection; only when nothing is under way. */
  askContext(database: string): void {
    const { session } = this;
    const { originIdleMsMax } = session.settings;
    if (originIdleMsMax > 0) this.runtime.idle.watch(originIdleMsMax);
    const cache = session.liveCache;
    if (cache === null) return;
    if (!session.settings.mustAsk(cache)) {
      session.unresolved.ask();
      return;
    }
    const again = () => session.turn();
    const nowMs = this.runtime.clock.nowMs();
    const sql = cache.contextQuery(database, nowMs, again);
    if (sql === null) {
      session.settings.noStream(cache);
      return;
    }
    const waitMs = session.settings.beginLearning(nowMs, sql === 'pending');
    if (waitMs > 0) session.turnLater(waitMs);
    if (sql === 'pending') return;
    const sink = session.settings.ask(cache, database, again);
    session.order.oweQuestion(questionKinds, Array(questionKinds.length).fill(sink), sink);
    this.runtime.originOut.appendAll(encodeQuestion(sql));
  }
}
