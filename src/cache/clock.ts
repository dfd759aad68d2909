/**
 * The freshness clock: rounds as docs/internals.md describes them. A round asks the origin, in one statement, for the position of its
 * log, a snapshot and the catalog fingerprint; when the stream has been applied up to that position, everything acknowledged before
 * the round began is in the cache.
 *
 *   request / heartbeat ─▶ beginRound ─▶ query ─▶ snapshot, fingerprint ─▶ applied ≥ position? ─▶ publish
 *                                          ▲                                     │ not after nudgeMs: nudge (C12)
 *                                          └── one at a time, paced ◀────────────┘ several may wait
 *
 * A query may begin while earlier rounds still wait for the stream, so one position that is slow to be reached does not hold up the
 * next; positions rise, so reaching one reaches all before it.
 *
 * A round whose snapshot shows nothing but what was applied needs no position (applied-xids.ts).
 *
 * While the snapshot is that of an earlier round, nothing became visible since (a transaction that ends changes it), so that round's position is enough: what
 * fills the log without a commit, a bulk load in progress above all, keeps nobody waiting for the stream (ADR-018).
 */
import { toError } from '../shared/errors.ts';
import type { Lsn } from '../shared/lsn.ts';
import { AppliedXids } from './applied-xids.ts';
import type { ClockLimits, ClockPorts } from './clock-ports.ts';
import { changedCatalogs, type Fingerprint, refreshedViews } from './fingerprint.ts';
import { type NudgedRound, Nudges } from './nudges.ts';
import { RoundPace } from './pace.ts';
import type { RoundAnswer } from './round.ts';
import type { OriginSnapshot } from './settle.ts';
import { type ProbeAnswer, SnapshotProbe } from './snapshot-probe.ts';

interface WaitingRound extends NudgedRound {
  readonly round: number;
  readonly startMs: number;
  readonly settleStamp: number;
  readonly snapshot: OriginSnapshot;
}

/** Everything that `snapshot` shows was in the log before `lsn`. */
interface ShownPosition {
  readonly snapshotText: string;
  readonly lsn: Lsn;
}

/** What was the case when a question was sent. */
interface AskedRound {
  readonly round: number;
  readonly startMs: number;
  readonly published: ReadonlySet<number>;
  readonly accepted: Fingerprint | null;
  readonly jumps: number;
}

const State = { idle: 0, running: 1, awaitingCatalog: 2, stopped: 3 } as const;
type State = (typeof State)[keyof typeof State];

export class FreshnessClock {
  readonly #ports: ClockPorts;
  readonly #limits: ClockLimits;
  #state: State = State.idle;
  #asking = false;
  #wanted = 0;
  #started = 0;
  /** The round that comes as soon as may be, once an answer was admitted or this time has come. */
  #hurried = 0;
  #fillByMs = Number.NEGATIVE_INFINITY;
  /** The round that waits for an answer, or did. */
  #filling = 0;
  #fresh = 0;
  #waiting: WaitingRound[] = [];
  #accepted: Fingerprint | null = null;
  #snapshot: string | null = null;
  #shown: ShownPosition | null = null;
  /** Tables that the last round which looked did not see published, though they should be. */
  #missed: readonly number[] = [];
  readonly #xids = new AppliedXids();
  #configTime: string | null = null;
  #thoroughAfterMs = 0;
  readonly #spacing: RoundPace;
  readonly #nudges: Nudges;
  readonly #probe: SnapshotProbe;
  #jumps = 0;
  #rounds = 0;
  #skewMs: number;
  #tick: NodeJS.Timeout | null = null;
  #pace: NodeJS.Timeout | null = null;
  #paceDueMs = 0;
  #settle: NodeJS.Timeout | null = null;
  #settleDueMs = 0;

  constructor(ports: ClockPorts, limits: ClockLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.#spacing = new RoundPace(limits.pace);
    this.#skewMs = ports.wallClock.nowMs() - ports.clock.nowMs();
    const { clock, nudge, probe } = ports;
    const onError = (thrown: unknown) => this.#broken(toError(thrown));
    this.#nudges = new Nudges({ clock, waiting: () => this.#waiting, nudge, onError }, limits);
    const onAnswer = (answer: ProbeAnswer) => this.#probed(answer);
    this.#probe = new SnapshotProbe({ clock, ask: probe, onAnswer, onError }, limits.probeGapMs);
  }

  /** Rounds completed. */
  get rounds(): number {
    return this.#rounds;
  }

  get nudges(): number {
    return this.#nudges.sent;
  }

  /** The catalog was loaded and had this fingerprint: rounds may complete as long as it stays so. Starts the clock, too. */
  accept(fingerprint: Fingerprint): void {
    if (this.#state === State.stopped) return;
    this.#accepted = fingerprint;
    this.#snapshot = null;
    this.#thoroughAfterMs = 0;
    this.#state = State.running;
    this.#tick ??= this.#every(this.#limits.heartbeatMs, () => this.#heartbeat());
    this.#want(this.#started + 1);
  }

  /**
   * Somebody waits for this round. Cheap; to be called for every nudge of a worker.
   * @param awaitsFill something was written: the round waits for an answer of after that, which it can confirm
   */
  request(round: number, awaitsFill: boolean): void {
    if (round <= this.#fresh) return;
    if (awaitsFill && round > this.#started && this.#filling <= this.#started) this.#awaitFill();
    this.#want(round);
  }

  #awaitFill(): void {
    this.#filling = this.#started + 1;
    this.#fillByMs = this.#ports.clock.nowMs() + this.#limits.fillWaitMs;
  }

  /**
   * Statements stand still for this round: it need not pay, it only must not load the origin too much.
   * @param awaitsFill they read what was written: the round waits for an answer of after that, which it can confirm, and which is admitted as soon as
   * a snapshot shows what was written
   */
  hurry(round: number, awaitsFill: boolean): void {
    if (this.#state !== State.running || round <= this.#started) return;
    if (this.#hurried >= round && awaitsFill) return;
    this.#hurried = round;
    if (!awaitsFill) this.#fillByMs = Number.NEGATIVE_INFINITY;
    else if (this.#filling < round) this.#awaitFill();
    if (awaitsFill) this.#probe.want();
    this.#want(round);
  }

  /** An answer was admitted: the next round confirms it. */
  filled(): void {
    this.#fillByMs = Number.NEGATIVE_INFINITY;
    if (this.#wanted > this.#started) this.#schedule();
  }

  /** Answers are refused until a snapshot shows what was applied. */
  showSoon(): void {
    if (this.#state === State.running) this.#probe.want();
  }

  /** A round within `delayMs` is enough: transactions were applied that no snapshot has shown yet, or something was written. */
  settleSoon(delayMs: number): void {
    if (this.#state !== State.running) return;
    const dueMs = this.#ports.clock.nowMs() + delayMs;
    if (this.#settle !== null) {
      if (this.#settleDueMs <= dueMs) return;
      clearTimeout(this.#settle);
    }
    this.#settleDueMs = dueMs;
    this.#settle = this.#after(delayMs, () => {
      this.#settle = null;
      this.#want(this.#started + 1);
    });
  }

  /** The stream told of DDL: as if a round had seen it. What comes while the catalog is being loaded, the next round sees. */
  catalogChanged(): void {
    if (this.#state !== State.running) return;
    this.#state = State.awaitingCatalog;
    this.#snapshot = null;
    this.#ports.onCatalogChanged(['DDL']);
  }

  /** The stream told of DDL that changes no catalog that counts, but rows perhaps: the next round says. */
  look(): void {
    this.#want(this.#started + 1);
  }

  /** The stream's applied position rose. @param xid of the transaction that was applied, 32 bits; null where it was none */
  applied(lsn: Lsn, xid: number | null): void {
    if (xid !== null) this.#xids.add(xid);
    if (this.#waiting.length === 0 || !this.#isReached(this.#waiting[0]!, lsn)) return;
    this.#watchForJump();
    let reached: WaitingRound | undefined;
    while (this.#waiting.length > 0 && this.#isReached(this.#waiting[0]!, lsn)) reached = this.#waiting.shift();
    if (reached !== undefined) this.#complete(reached);
    if (this.#wanted > this.#started) this.#schedule();
  }

  stop(): void {
    this.#state = State.stopped;
    this.#waiting = [];
    if (this.#tick !== null) clearInterval(this.#tick);
    for (const timer of [this.#pace, this.#settle]) if (timer !== null) clearTimeout(timer);
    this.#tick = this.#pace = this.#settle = null;
    this.#nudges.stop();
    this.#probe.stop();
  }

  /** Also while nobody is connected, as long as a table is published: one that lost its key must leave at once (C23). */
  #heartbeat(): void {
    this.#watchForJump();
    if (this.#ports.sessions() > 0 || this.#ports.published().size > 0) this.#want(this.#started + 1);
  }

  /** A paused machine wakes with a monotonic clock that stood still: answers look fresh that are hours old (C14). */
  #watchForJump(): void {
    const skewMs = this.#ports.wallClock.nowMs() - this.#ports.clock.nowMs();
    const jumpMs = skewMs - this.#skewMs;
    this.#skewMs = skewMs;
    if (jumpMs <= this.#limits.jumpMs) return;
    this.#waiting = [];
    this.#shown = null;
    this.#xids.clear();
    this.#jumps++;
    this.#ports.onJump(jumpMs);
    this.#want(this.#started + 1);
  }

  #want(round: number): void {
    if (round > this.#wanted) this.#wanted = round;
    if (this.#wanted > this.#started) this.#schedule();
  }

  /** Starts the next round now, or when its time has come. */
  #schedule(): void {
    if (this.#state !== State.running || this.#asking) return;
    if (this.#waiting.length >= this.#limits.waitingMax) return; // `applied` goes on
    const dueMs = this.#dueMs;
    const delayMs = dueMs - this.#ports.clock.nowMs();
    // A timer that is due may be a millisecond late.
    if (this.#pace !== null && this.#paceDueMs <= dueMs && delayMs > 0) return;
    if (this.#pace !== null) clearTimeout(this.#pace);
    this.#pace = null;
    if (delayMs <= 0) {
      this.#begin();
      return;
    }
    this.#paceDueMs = dueMs;
    this.#pace = this.#after(delayMs, () => {
      this.#pace = null;
      if (this.#wanted > this.#started) this.#schedule();
    });
  }

  get #dueMs(): number {
    const { earliestMs, soonestMs } = this.#spacing;
    return Math.max(this.#hurried > this.#started ? soonestMs : earliestMs, this.#fillByMs);
  }

  #begin(): void {
    const startMs = this.#ports.clock.nowMs();
    const round = this.#ports.beginRound();
    this.#started = round;
    this.#asking = true;
    this.#spacing.begin(startMs, this.#ports.readsBehind());
    // Before the question is sent: what was published by then, the answer must show.
    const published = this.#ports.published();
    const asked: AskedRound = { round, startMs, published, accepted: this.#accepted, jumps: this.#jumps };
    const thorough = startMs >= this.#thoroughAfterMs;
    // No round runs before a catalog was accepted.
    this.#ports.ask({ knownSnapshot: this.#snapshot, accepted: this.#accepted!, thorough }).then(
      (answer) => this.#answered(asked, answer),
      (error) => this.#broken(toError(error)),
    );
  }

  #answered(asked: AskedRound, answer: RoundAnswer): void {
    this.#asking = false;
    if (this.#state === State.stopped) return;
    this.#watchForJump();
    const nowMs = this.#ports.clock.nowMs();
    this.#spacing.answered(nowMs, answer.originMs);
    const settleStamp = this.#ports.onSnapshot(answer.snapshot);
    this.#ports.onOriginLsn(answer.lsn);
    if (answer.retainedBytes !== null) this.#ports.onRetained(answer.retainedBytes);
    // When the machine was paused or a catalog was accepted while the question was on its way, the next round judges.
    const target = this.#positionOf(answer);
    const counts = this.#state === State.running && asked.jumps === this.#jumps && asked.accepted === this.#accepted;
    if (counts && this.#isAsExpected(asked.published, answer)) {
      const { round, startMs } = asked;
      const isHurried = round <= this.#hurried;
      const { snapshot } = answer;
      this.#await({ round, startMs, settleStamp, snapshot, target, askedMs: nowMs, isHurried });
    }
    if (this.#wanted > this.#started) this.#schedule();
  }

  #probed({ snapshot, lsn }: ProbeAnswer): void {
    this.#ports.onSnapshot(snapshot);
    if (lsn > this.#ports.appliedLsn()) this.#ports.awaited(lsn);
  }

  /** Where everything that the answer's snapshot shows has been streamed: the position of the first answer with this snapshot. */
  #positionOf({ snapshotText, lsn }: RoundAnswer): Lsn {
    if (this.#shown?.snapshotText !== snapshotText) this.#shown = { snapshotText, lsn };
    return this.#shown.lsn;
  }

  /** Whether catalog and publication are what they were; tells the feed when they are not. */
  #isAsExpected(published: ReadonlySet<number>, answer: RoundAnswer): boolean {
    const configChanged = this.#configTime !== null && this.#configTime !== answer.configTime;
    this.#configTime = answer.configTime;
    const missing =
      answer.published === null ? [] : missingTables(published, this.#ports.published(), answer.published);
    if (answer.fingerprint !== null && !configChanged) this.#acceptRefreshed(answer.fingerprint);
    const changed = answer.fingerprint === null ? [] : changedCatalogs(this.#accepted!, answer.fingerprint);
    if (configChanged) changed.push('configuration');
    // Dropped, or taken out for the key that it lost (shared/ddl-trigger.ts), while the catalog was being loaded: a second look tells.
    const isMissedAgain = missing.some((oid) => this.#missed.includes(oid));
    if (answer.published !== null) this.#missed = missing;
    if (missing.length > 0 && !isMissedAgain) changed.push('pg_publication_rel');
    if (changed.length > 0) {
      this.#state = State.awaitingCatalog;
      this.#snapshot = null;
      this.#ports.onCatalogChanged(changed);
      return false;
    }
    if (missing.length > 0) {
      this.stop();
      this.#ports.onPublicationAltered(missing);
      return false;
    }
    if (answer.fingerprint?.builtin != null || answer.fingerprint === null) {
      this.#thoroughAfterMs = this.#ports.clock.nowMs() + this.#limits.heartbeatMs;
    }
    // Only what was checked in full may be skipped next time: the built-in part is older than this snapshot otherwise.
    if (answer.fingerprint !== null) this.#snapshot = answer.fingerprint.builtin === null ? null : answer.snapshotText;
    return true;
  }

  /** A REFRESH changes nothing but the rows of one relation, and is none that the stream tells of: what read it goes, and the catalog stays. */
  #acceptRefreshed(fingerprint: Fingerprint): void {
    const refreshed = refreshedViews(this.#accepted!, fingerprint);
    if (refreshed === null) return;
    this.#accepted = fingerprint;
    this.#ports.onRefreshed(refreshed);
  }

  #isReached({ target, snapshot }: WaitingRound, lsn: Lsn): boolean {
    return target <= lsn || this.#xids.hasAllOf(snapshot);
  }

  #await(waiting: WaitingRound): void {
    if (this.#isReached(waiting, this.#ports.appliedLsn())) {
      this.#waiting = [];
      this.#complete(waiting);
      return;
    }
    this.#waiting.push(waiting);
    this.#ports.awaited(waiting.target);
    this.#nudges.arm();
  }

  #complete({ round, startMs, settleStamp, snapshot }: WaitingRound): void {
    this.#xids.completed(snapshot);
    this.#rounds++;
    this.#fresh = round;
    this.#ports.publish(round, startMs, settleStamp);
  }

  #broken(error: Error): void {
    this.#asking = false;
    if (this.#state === State.stopped) return;
    this.stop();
    this.#ports.onError(error);
  }

  #after(delayMs: number, action: () => void): NodeJS.Timeout {
    return setTimeout(action, delayMs).unref();
  }

  #every(periodMs: number, action: () => void): NodeJS.Timeout {
    return setInterval(action, periodMs).unref();
  }
}

/** Tables that were published when the question was sent, still are as far as we know, and are not in the answer. */
function missingTables(before: ReadonlySet<number>, now: ReadonlySet<number>, seen: ReadonlySet<number>): number[] {
  return [...before].filter((oid) => now.has(oid) && !seen.has(oid));
}
