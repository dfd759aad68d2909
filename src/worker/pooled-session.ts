/**
 * A client that shares connections to the origin with others (pool.mode = transaction, ADR-020). It has one from its first statement that needs the
 * origin until the origin is ready for the next one, outside of a block; answers of the cache need none.
 *
 *   detached ──a batch for the origin──▶ waiting ─▶ restoring its settings ─▶ attached ──quiet, idle──▶ (reading its settings) ─▶ detached
 *                                                                               └──something that cannot be moved──▶ pinned
 *
 * Before a batch is sent it is judged (pool-gate.ts). What pins the session is sent only when the connection is as one of its own would be: statements
 * under the client's names, nothing of others. Pinned, a session does what it would do without a pool.
 */
import { Limits } from '../shared/limits.ts';
import { Counter } from '../shared/memory/layout.ts';
import { type PinReason, pinReasons } from '../shared/reasons.ts';
import { decodeCommandTag } from '../shared/wire/backend.ts';
import { Backend, Frontend, TransactionStatus } from '../shared/wire/codes.ts';
import { encodeCloseStatement, encodeQuestion, SYNC } from '../shared/wire/frontend.ts';
import { AttachingSession, QUESTION_FAILURES_MAX } from './attaching-session.ts';
import { noSettings, settingsQuery, settingsSink } from './carried-settings.ts';
import type { Batch } from './client-input.ts';
import { nowhere, questionKinds } from './owed.ts';
import { type Doubt, type Findings, PoolGate } from './pool-gate.ts';
import type { PooledOrigin } from './pooled-origin.ts';

export class PooledSession extends AttachingSession {
  private readonly gate = new PoolGate(this, this.runtime);
  /** What ran unjudged; null: too much, or something that stays in doubt. */
  private doubts: Doubt[] | null = [];
  /** DISCARD ALL has succeeded, and nothing was sent behind it. */
  private discarded = false;

  // ── sending ────────────────────────────────────────────────────────────────────────────────────────────────────

  override reaches(batch: Batch): boolean {
    if (this.isOwn) return true;
    if (!this.isReachable()) return false;
    const { order, transaction } = this;
    const pin = this.gate.judge(batch);
    if (pin === 'wait') return false;
    // Its settings are on their way, in replies to what was sent before.
    const isEarly = transaction.isIdle && order.isSynced && !order.isQuiet;
    if (pin === 'pool.unproven' && isEarly) return false;
    return this.mayRun(pin);
  }

  override mayStream(bytes: Buffer, start: number, end: number): boolean {
    if (this.state !== 'ready') return super.mayStream(bytes, start, end);
    const code = bytes[start]!;
    const isCopy = code === Frontend.copyData || code === Frontend.copyDone || code === Frontend.copyFail;
    if (!this.isOwn && !isCopy) {
      if (!this.isReachable()) return false;
      const pin = code === Frontend.bind ? this.gate.judgeBind(bytes, start, end) : 'pool.protocol';
      if (pin === 'wait' || !this.mayRun(pin)) return false;
    }
    return super.mayStream(bytes, start, end);
  }

  /** COPY data that nothing asked for is ignored, as a server would. */
  override longFrame(code: number, bytes: Buffer, start: number, end: number): void {
    if (this.pool === null || this.pooled !== null) super.longFrame(code, bytes, start, end);
  }

  override piece(bytes: Buffer, start: number, end: number): void {
    if (this.pool === null || this.pooled !== null) super.piece(bytes, start, end);
  }

  /** Pinned, and the connection is the session's own in every respect. */
  private get isOwn(): boolean {
    const isOwn = this.pinned !== null && this.names === null;
    if (isOwn) this.discarded = false;
    return isOwn;
  }

  private isReachable(): boolean {
    if (this.pooled === null && this.busy === 'no') this.askFor();
    if (this.pooled === null || this.busy === 'restoring') return false;
    return !this.settings.isLearning(this.runtime.clock.nowMs()) || !this.transaction.isIdle || !this.order.isSynced;
  }

  private mayRun(judged: PinReason | null): boolean {
    const { found } = this.gate;
    const { statements, carried } = this;
    if (found.asksSequence) this.pool!.minded = true;
    const parsesAnew = found.changesParsing || (found.resets && carried.parseFingerprint !== '');
    let pin = judged;
    if (parsesAnew && statements.hasNamed) pin ??= 'pool.settings';
    if (found.writes && this.pool!.minded) pin ??= 'pool.sequence';
    if (pin !== null && !this.pin(pin)) return false;
    if (found.changesNaming) this.gate.forget();
    this.note(found);
    return true;
  }

  /** What was, or is about to be, run here. */
  private note(found: Findings): void {
    if (found.changesSettings) this.mustRead = true;
    if (found.writes) this.wrote = true;
    for (const name of found.customNames) {
      this.customNames.add(name);
      this.pooled!.customNames.add(name);
    }
  }

  // ── pins ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** False: not before replies are in. */
  private pin(reason: PinReason): boolean {
    this.keep(reason);
    if (reason === 'pool.unproven') {
      this.doubts?.push(...this.gate.found.doubts);
      if ((this.doubts?.length ?? 0) > Limits.poolDoubtsMax) this.doubts = null;
      return true;
    }
    const { order, transaction } = this;
    // Behind an error nothing runs before Sync.
    if (order.isInSequence) return true;
    // What ends the block may be on its way.
    if (!order.isQuiet) return false;
    // A failed block runs nothing.
    if (transaction.status === TransactionStatus.failed) return true;
    this.expose();
    return true;
  }

  private keep(reason: PinReason): void {
    if (this.pinned === null) this.pool!.pinned();
    else if (this.pinned !== 'pool.unproven' || reason === 'pool.unproven') return;
    this.pinned = reason;
    this.runtime.count(Counter.pins + pinReasons.indexOf(reason));
  }

  /** Nothing of ours or of others is left to be seen; the client's statements are made under their own names when they are needed. */
  private expose(): void {
    const { order, ownNames, pooled } = this;
    const { originOut } = this.runtime;
    if (pooled!.drawnBy !== null && pooled!.drawnBy !== this.identity && !this.wrote) {
      for (const kind of questionKinds) order.oweExtended(kind, true)!.sink = nowhere;
      order.oweSync(true)!.sink = nowhere;
      originOut.appendAll(encodeQuestion('DISCARD SEQUENCES'));
    }
    const names = ownNames!.takeAll();
    for (const name of names) {
      order.oweExtended('close', true);
      originOut.appendAll(encodeCloseStatement(name));
    }
    if (names.length > 0) {
      order.oweSync(true);
      originOut.appendAll(SYNC);
    }
    this.names = null;
  }

  /** The origin has forgotten everything of the session: its connection is as any other. */
  private unpin(pooled: PooledOrigin): void {
    this.discarded = false;
    this.pinned = null;
    this.pool!.unpinned();
    this.carried = noSettings;
    pooled.applied = noSettings;
    pooled.drawnBy = null;
    this.mustRead = false;
    this.wrote = false;
    this.doubts = [];
    this.names = this.ownNames;
    this.ownNames!.attach(pooled);
  }

  /** What ran unjudged is judged now; true: it left nothing. */
  private isAbsolved(): boolean {
    if (this.doubts === null) return false;
    while (this.doubts.length > 0) {
      const pin = this.gate.judgeDoubt(this.doubts[0]!);
      if (pin === 'wait') return false;
      const { found } = this.gate;
      const isLost = found.changesParsing && this.statements.hasNamed;
      if (pin !== null || isLost) {
        this.doubts = null;
        if (pin !== 'pool.unproven') this.keep(pin ?? 'pool.settings');
        return false;
      }
      this.note(found);
      this.doubts.shift();
    }
    this.pinned = null;
    this.pool!.unpinned();
    return true;
  }

  // ── giving it up ───────────────────────────────────────────────────────────────────────────────────────────────

  override turn(effect?: () => void, clientBytes = 0, originBytes = 0): void {
    super.turn(effect, clientBytes, originBytes);
    if (!this.turning && this.pooled !== null && this.state === 'ready') this.letGo(this.pooled);
  }

  private letGo(pooled: PooledOrigin): void {
    if (!this.isBetween || pooled.cancelling > 0 || pooled.origin.socket.isPaused()) return;
    if (this.discarded) this.unpin(pooled);
    if (this.pinned !== null && (this.pinned !== 'pool.unproven' || !this.isAbsolved())) return;
    if (this.statements.hasUntracked) return;
    if (this.mustRead) {
      super.turn(() => this.readSettings(pooled));
      return;
    }
    if (this.settings.isLearning(this.runtime.clock.nowMs())) return;
    if (this.gate.isWaiting && this.input.isBlocked) return;
    this.detach(pooled);
    this.pool!.give(pooled);
  }

  private readSettings(pooled: PooledOrigin): void {
    this.mustRead = false;
    this.busy = 'reading';
    const sink = settingsSink((settings) => {
      this.busy = 'no';
      if (settings?.isPlain === true) {
        this.failures = 0;
        this.carried = settings;
        pooled.applied = settings;
      } else if (settings === null && ++this.failures < QUESTION_FAILURES_MAX) this.mustRead = true;
      else this.keep('pool.settings');
    });
    this.order.oweQuestion(questionKinds, Array(questionKinds.length).fill(sink), sink);
    this.runtime.originOut.appendAll(encodeQuestion(settingsQuery(this.customNames)));
  }

  // ── what the origin says ───────────────────────────────────────────────────────────────────────────────────────

  override frame(code: number, bytes: Buffer, start: number, end: number): void {
    const { pooled } = this;
    if (pooled === null || this.state !== 'ready') {
      super.frame(code, bytes, start, end);
      return;
    }
    if (this.busy === 'restoring') {
      if (code === Backend.parameterStatus) pooled.greeting.parameterStatus(bytes, start, end);
      if (code === Backend.parameterStatus || code === Backend.noticeResponse) return;
    } else if (code === Backend.parameterStatus) this.learnParameter(pooled, bytes, start, end);
    else if (code === Backend.commandComplete && this.pinned !== null) {
      const isLast = this.order.length <= 2 && this.pinned !== 'pool.load' && this.names === null;
      if (isLast && decodeCommandTag(bytes, start, end) === 'DISCARD ALL') this.discarded = true;
    } else if (code === Backend.errorResponse || code === Backend.noticeResponse) {
      const own = this.names?.translated(bytes, start, end) ?? null;
      if (own !== null) {
        super.frame(code, own, 0, own.length);
        return;
      }
    }
    super.frame(code, bytes, start, end);
  }
}
