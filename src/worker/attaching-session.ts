/**
 * A session with a connection to the origin from a pool, or none: how it logs in, gets a connection, makes its settings there, gives it up, and ends
 * (pool.mode = transaction, ADR-020). When it needs one, and when it may give it up, is said in pooled-session.ts.
 */
import type { MovingSession } from '../shared/baggage.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { PinReason } from '../shared/reasons.ts';
import { decodeParameterStatus, type ErrorToSend } from '../shared/wire/backend.ts';
import { Backend, Frontend } from '../shared/wire/codes.ts';
import { encodeFrame } from '../shared/wire/frontend.ts';
import type { Login } from './auth-login.ts';
import { forwardCancel } from './cancel.ts';
import { type CarriedSettings, noSettings } from './carried-settings.ts';
import { originLost } from './last-words.ts';
import { MovableSession } from './moving-session.ts';
import type { OriginPool, PoolClient } from './pool.ts';
import { OriginNames } from './pool-names.ts';
import type { Cancellable, SessionKey } from './pool-registry.ts';
import type { PooledOrigin } from './pooled-origin.ts';

/** How often a question of ours is asked again: a cancel may meet it. */
export const QUESTION_FAILURES_MAX = 3;

const noConnection = (why: string): ErrorToSend => ({
  severity: 'FATAL',
  sqlstate: '53300',
  message: `no pooled connection to the origin could be had: ${why}`,
  hint: 'Raise pool.size, pool.wait_timeout or pool.max_waiting of pgfresh, or shorten transactions.',
});

export class AttachingSession extends MovableSession implements PoolClient, Cancellable {
  override readonly reusesLogin = true;
  carried: CarriedSettings = noSettings;
  readonly customNames = new Set<string>();
  lastOrigin: PooledOrigin | null = null;
  protected pool: OriginPool | null = null;
  protected pooled: PooledOrigin | null = null;
  protected pinned: PinReason | null = null;
  protected ownNames: OriginNames | null = null;
  private key: SessionKey | null = null;
  /** Parameters as the client was last told. */
  private readonly told = new Map<string, string>();
  protected busy: 'no' | 'waiting' | 'restoring' | 'reading' = 'no';
  protected mustRead = false;
  protected failures = 0;
  /** It may have drawn from a sequence since it has the connection. */
  protected wrote = false;
  /** What connections remember it by. */
  protected readonly identity = {};

  override get cancelPacket(): Buffer | null {
    return this.key?.packet ?? super.cancelPacket;
  }

  get isLoggingIn(): boolean {
    return this.state === 'connecting';
  }

  get parseFingerprint(): string {
    return this.carried.parseFingerprint;
  }

  /** It stays in its worker. */
  override depart(): MovingSession | null {
    return null;
  }

  // ── logging in ─────────────────────────────────────────────────────────────────────────────────────────────────

  protected override openOrigin(parameters: ReadonlyMap<string, string>): void {
    if (this.tunnelled) {
      super.openOrigin(parameters);
      return;
    }
    this.pool = this.runtime.pools!.enter(this.startupPacket!, this.database);
    this.askFor();
  }

  /** A connection, or room to log in for one; else it will be `granted`. */
  protected askFor(): void {
    const taken = this.pool!.take(this);
    if (taken === 'full') this.finish(noConnection('pool.max_waiting sessions wait for one'));
    else if (taken === 'room') this.openLogin();
    else if (taken !== 'waiting') this.attach(taken);
    // It may have been granted on the spot.
    else if (this.pooled === null) this.busy = 'waiting';
  }

  granted(pooled: PooledOrigin | null): void {
    this.turn(() => {
      this.busy = 'no';
      if (pooled === null) this.openLogin();
      else this.attach(pooled);
    });
  }

  refused(words: Buffer | null, error: Error | null): void {
    this.turn(() => {
      if (words !== null) this.order.say(words);
      this.finish(words === null ? originLost(this.runtime.config.upstream, true, error) : null);
    });
  }

  timedOut(): void {
    this.turn(() => this.finish(noConnection('none was free within pool.wait_timeout')));
  }

  private openLogin(): void {
    const { pools } = this.runtime;
    this.pooled = pools!.open(this.pool!, this);
    this.origin = this.pooled.origin;
  }

  protected override authenticationFrame(code: number, bytes: Buffer, start: number, end: number): void {
    const { pooled, login } = this;
    if (pooled === null) {
      super.authenticationFrame(code, bytes, start, end);
      return;
    }
    if (code === Backend.backendKeyData) {
      pooled.greeting.keyData(bytes, start, end);
      this.key = this.runtime.pools!.newKey(this);
      this.order.say(this.key.frame);
      return;
    }
    if (code === Backend.parameterStatus) this.learnParameter(pooled, bytes, start, end);
    super.authenticationFrame(code, bytes, start, end);
    if (this.state === 'ready') this.loggedIn(pooled, login);
  }

  private loggedIn(pooled: PooledOrigin, login: Login | null): void {
    const { pools } = this.runtime;
    const credentials = login?.credentials ?? null;
    if (credentials === null) throw new Error('a login that cannot be used again');
    this.pool!.loggedIn(credentials);
    this.ownNames = new OriginNames(this, this.runtime.originOut, pools!.namePrefix, pools!.nextName);
    this.lateCancel.send = () => this.cancelOrigin(() => undefined);
    this.meet(pooled);
  }

  // ── having a connection ────────────────────────────────────────────────────────────────────────────────────────

  private meet(pooled: PooledOrigin): void {
    this.pooled = pooled;
    this.origin = pooled.origin;
    this.lastOrigin = pooled;
    pooled.session = this;
    this.settings.backendPid = pooled.greeting.backendPid;
    this.lateCancel.packet = pooled.greeting.cancelPacket;
    this.names = this.ownNames;
    this.ownNames!.attach(pooled);
    this.wrote = false;
  }

  private attach(pooled: PooledOrigin): void {
    if (this.state !== 'ready' || !pooled.isUsable) {
      this.pool!.give(pooled);
      if (this.state === 'ready') this.askFor();
      return;
    }
    this.meet(pooled);
    this.statements.moved();
    this.restore(pooled);
  }

  private restore(pooled: PooledOrigin): void {
    const sql = this.carried.restoreSql(pooled.applied);
    if (sql === null) {
      this.reached(pooled);
      return;
    }
    this.busy = 'restoring';
    const done = (failed: boolean): void => {
      this.busy = 'no';
      if (!failed) {
        this.failures = 0;
        pooled.applied = this.carried;
        for (const name of this.customNames) pooled.customNames.add(name);
        this.reached(pooled);
      } else if (++this.failures < QUESTION_FAILURES_MAX) this.restore(pooled);
      else {
        const message = "the session's settings could not be made on another connection to the origin";
        this.finish({ severity: 'FATAL', sqlstate: '55000', message });
      }
    };
    this.order.oweWhole('query', true)!.sink = { row: () => undefined, done };
    this.runtime.originOut.appendAll(encodeFrame(Frontend.query, Buffer.from(`${sql}\0`)));
  }

  /** The connection is as the session left its last one. */
  private reached(pooled: PooledOrigin): void {
    for (const [name, value] of pooled.greeting.parameters) {
      if (this.told.get(name) === value) continue;
      this.told.set(name, value);
      if (name === 'client_encoding') this.settings.utf8 = value === 'UTF8';
      this.order.say(encodeFrame(Backend.parameterStatus, Buffer.from(`${name}\0${value}\0`)));
    }
    const cache = this.liveCache;
    const known = pooled.contexts.get(this.carried.fingerprint);
    const isCurrent = known?.link === cache && known?.catalogVersion === cache?.reader.catalogVersion();
    if (known !== undefined && isCurrent) this.settings.adopt(known);
    else this.settings.forget();
    this.learn();
  }

  /** What a session like this one has learned counts, too. */
  protected override learn(): void {
    const cache = this.liveCache;
    if (this.pool === null || (this.pooled !== null && this.busy === 'no')) {
      super.learn();
      return;
    }
    if (this.pooled !== null || cache === null || !this.settings.mustAsk(cache)) return;
    const known = this.pool.contexts.get(this.carried.fingerprint);
    if (known?.link === cache && known.catalogVersion === cache.reader.catalogVersion()) this.settings.adopt(known);
  }

  // ── giving it up ───────────────────────────────────────────────────────────────────────────────────────────────

  protected get isBetween(): boolean {
    const { order, transaction, input, framer, lateCancel } = this;
    if (!order.isQuiet || !transaction.isOriginIdle || input.isInsideFrame) return false;
    return framer.atBoundary && !order.isInsideFrame && !lateCancel.isDue && this.busy === 'no';
  }

  protected detach(pooled: PooledOrigin): void {
    const cache = this.liveCache;
    const learned = cache === null ? null : this.settings.learned(cache);
    if (learned !== null) {
      pooled.contexts.set(this.carried.fingerprint, learned);
      this.pool!.contexts.set(this.carried.fingerprint, learned);
    }
    if (this.wrote) pooled.drawnBy = (pooled.drawnBy ?? this.identity) === this.identity ? this.identity : 'several';
    this.ownNames!.release();
    this.pooled = null;
    this.origin = null;
  }

  protected learnParameter(pooled: PooledOrigin, bytes: Buffer, start: number, end: number): void {
    pooled.greeting.parameterStatus(bytes, start, end);
    const { name, value } = decodeParameterStatus(bytes, start, end);
    this.told.set(name, value);
  }

  /** The connection stays with the session until the origin has heard of it: else the cancel would meet the next one's statement. */
  cancelOrigin(done: () => void): void {
    const { pooled, order, input } = this;
    const packet = pooled?.greeting.cancelPacket ?? null;
    if (pooled === null || packet === null || order.length === 0) {
      if (input.isBlocked) this.lateCancel.missed('held');
      done();
      return;
    }
    pooled.cancelling++;
    forwardCancel(this.runtime.originTarget, this.runtime.readBuffer, packet, () => {
      pooled.cancelling--;
      done();
      this.turn();
    });
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  override ended(error: Error | null): void {
    if (this.pooled !== null) this.forsake();
    super.ended(error);
  }

  /** The pool counts the connection no more. */
  private forsake(): void {
    this.pooled = null;
    if (this.ownNames === null) this.pool!.loginFailed();
    else if (this.pinned !== null) this.runtime.count(Counter.poolPinned, -1);
    else this.pool!.ended();
  }

  protected override closeOrigin(): void {
    const { pooled, origin } = this;
    if (pooled === null || origin === null) {
      super.closeOrigin();
      return;
    }
    const isClean = this.ownNames !== null && this.pinned === null && this.isBetween && !this.mustRead;
    if (isClean && pooled.cancelling === 0 && pooled.origin.isOpen && !this.statements.hasUntracked) {
      this.detach(pooled);
      this.pool!.give(pooled);
      return;
    }
    if (origin.isOpen) this.runtime.originOut.flush(origin.socket);
    this.origin = null;
    pooled.close();
    this.forsake();
  }

  /** Nothing but the client's half of the connection ends here: the other half serves others. */
  protected override leaveOrigin(): void {
    if (this.pool === null) super.leaveOrigin();
    else if (this.order.length === 0 && this.busy === 'no') this.finish(null);
  }

  override finish(error: ErrorToSend | null): void {
    super.finish(error);
    this.pool?.leave(this);
  }

  protected override clientClosed(): void {
    const { pool, key } = this;
    super.clientClosed();
    if (key !== null) this.runtime.pools!.forgetKey(key);
    this.key = null;
    if (pool === null) return;
    pool.leave(this);
    this.runtime.pools!.left(pool);
    this.pool = null;
  }
}
