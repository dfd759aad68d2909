/**
 * Connections to the origin that sessions of one role, database and startup parameters share (pool.mode = transaction, ADR-020).
 *
 *   idle ──take──▶ active ──give──▶ idle        who finds none waits in line, for `pool.wait_timeout` at most
 *                    └──pinned──▶ one session's for good, and not counted any more
 *
 * Role and database are part of a pool's name, so nobody gets a connection of another; nor of other startup parameters, which are the
 * defaults that RESET goes back to.
 */
import { Counter } from '../shared/memory/layout.ts';
import type { CarriedSettings } from './carried-settings.ts';
import type { Credentials } from './pool-login.ts';
import { PooledOrigin, type PooledOriginEvents } from './pooled-origin.ts';
import type { Runtime } from './runtime.ts';
import type { LearnedContext } from './settings.ts';

/** A session in line. */
export interface PoolClient {
  readonly carried: CarriedSettings;
  readonly customNames: ReadonlySet<string>;
  /** The connection it had last. */
  readonly lastOrigin: PooledOrigin | null;
  /** It is about to log in, and needs room for a connection of its own. */
  readonly isLoggingIn: boolean;
  /** Null: there is room for the connection of its login. */
  granted(pooled: PooledOrigin | null): void;
  /** None could be had. `words`: an ErrorResponse of the origin. */
  refused(words: Buffer | null, error: Error | null): void;
  timedOut(): void;
}

interface Waiting {
  readonly sinceMs: number;
}

export type Taken = PooledOrigin | 'room' | 'waiting' | 'full';

export class OriginPool implements PooledOriginEvents {
  readonly startupPacket: Buffer;
  credentials: Credentials | null = null;
  /** When a client last logged in at the origin. */
  provenMs = Number.NEGATIVE_INFINITY;
  /** Sessions of it use currval or lastval: whoever draws from a sequence keeps its connection from then on. */
  minded = false;
  /** What sessions of it learned, by the fingerprint of their settings. */
  readonly contexts = new Map<string, LearnedContext>();
  private readonly runtime: Runtime;
  private readonly idle: PooledOrigin[] = [];
  private readonly waiting = new Map<PoolClient, Waiting>();
  /** Connections that count: idle, active, or on their way. */
  private open = 0;
  private opening = 0;
  private timer: NodeJS.Timeout | undefined;
  private isServing = false;
  /** For tests: sessions get the connection that was used longest ago. */
  private readonly roams: boolean;

  constructor(runtime: Runtime, startupPacket: Buffer) {
    this.runtime = runtime;
    this.startupPacket = startupPacket;
    this.roams = runtime.config.faults.includes('pool-roam');
  }

  get isEmpty(): boolean {
    return this.open === 0 && this.waiting.size === 0;
  }

  private get hasRoom(): boolean {
    return this.open < this.runtime.config.pool.size;
  }

  /** A connection, room to log in for one, or a place in line. */
  take(client: PoolClient): Taken {
    const found = this.waiting.size === 0 ? this.find(client) : null;
    if (found !== null) return found;
    if (this.waiting.size >= this.runtime.config.pool.waitingMax) return 'full';
    this.waiting.set(client, { sinceMs: this.runtime.clock.nowMs() });
    this.runtime.count(Counter.poolWaiting);
    this.watch();
    this.serve();
    return 'waiting';
  }

  /** It waits no more. */
  leave(client: PoolClient): void {
    const place = this.waiting.get(client);
    if (place === undefined) return;
    this.waiting.delete(client);
    this.runtime.count(Counter.poolWaiting, -1);
    this.runtime.count(Counter.poolWaits);
    this.runtime.count(Counter.poolWaitMs, this.runtime.clock.nowMs() - place.sinceMs);
  }

  private find(client: PoolClient): PooledOrigin | 'room' | null {
    if (client.isLoggingIn) {
      this.clear();
      if (!this.hasRoom) return null;
      this.open++;
      return 'room';
    }
    const at = this.bestOf(client);
    if (at < 0) return null;
    const [pooled] = this.idle.splice(at, 1) as [PooledOrigin];
    this.runtime.count(Counter.poolIdle, -1);
    this.runtime.count(Counter.poolActive);
    return pooled;
  }

  /** The client's last one, else one with its settings, else the one used last. -1: none fits. */
  private bestOf({ carried, customNames, lastOrigin }: PoolClient): number {
    let best = -1;
    for (let i = this.idle.length - 1; i >= 0; i--) {
      const pooled = this.idle[i]!;
      if (pooled.customNames.size > 0 && ![...pooled.customNames].every((name) => customNames.has(name))) continue;
      if (this.roams) {
        best = i;
        continue;
      }
      if (pooled === lastOrigin) return i;
      const fits = pooled.applied.fingerprint === carried.fingerprint;
      if (best < 0 || (fits && this.idle[best]!.applied.fingerprint !== carried.fingerprint)) best = i;
    }
    return best;
  }

  /** Who has waited longest gets what there is: when the turn that is under way is over, since sessions share buffers in a turn. */
  private serve(): void {
    if (this.isServing || this.waiting.size === 0) return;
    this.isServing = true;
    queueMicrotask(() => {
      this.isServing = false;
      this.serveNow();
    });
  }

  private serveNow(): void {
    for (let next = this.waiting.keys().next(); next.done !== true; next = this.waiting.keys().next()) {
      const client = next.value;
      const found = this.find(client);
      if (found === null) {
        this.makeRoom(client);
        break;
      }
      this.leave(client);
      client.granted(found === 'room' ? null : found);
    }
  }

  /** Another connection for those who wait, instead of one that fits none of them if need be. */
  private makeRoom(client: PoolClient): void {
    if (client.isLoggingIn || this.opening >= this.waiting.size) return;
    this.clear();
    if (!this.hasRoom) return;
    if (this.credentials === null) {
      if (this.open > 0) return;
      this.leave(client);
      client.refused(null, new Error('the credentials of this role are no longer valid'));
      return;
    }
    this.open++;
    this.opening++;
    new PooledOrigin(this.runtime, this, this.startupPacket, null, this.credentials);
  }

  opened(pooled: PooledOrigin): void {
    this.opening--;
    this.put(pooled);
  }

  lost(pooled: PooledOrigin, words: Buffer | null, sqlstate: string, error: Error | null): void {
    const at = this.idle.indexOf(pooled);
    this.open--;
    if (at >= 0) {
      this.idle.splice(at, 1);
      this.runtime.count(Counter.poolIdle, -1);
    } else {
      this.opening--;
      if (sqlstate.startsWith('28')) this.credentials = null;
      this.refuseFirst(words, error);
    }
    this.serve();
  }

  /** Unless another connection will come back for it. */
  private refuseFirst(words: Buffer | null, error: Error | null): void {
    const first = this.waiting.keys().next();
    if (first.done === true || this.open > this.opening) return;
    this.leave(first.value);
    first.value.refused(words, error);
  }

  /** A session has done with its connection, which is as any other now. */
  give(pooled: PooledOrigin): void {
    this.runtime.count(Counter.poolActive, -1);
    if (!pooled.isUsable) {
      this.open--;
      pooled.close();
      this.serve();
      return;
    }
    this.put(pooled);
  }

  private put(pooled: PooledOrigin): void {
    pooled.session = null;
    pooled.idleSinceMs = this.runtime.clock.nowMs();
    this.idle.push(pooled);
    this.runtime.count(Counter.poolIdle);
    if (this.open > this.runtime.config.pool.size && this.waiting.size === 0) this.discard(this.idle.shift()!);
    this.watch();
    this.serve();
  }

  /** A client has logged in: its connection counts among those that are used. */
  loggedIn(credentials: Credentials): void {
    this.credentials = credentials;
    this.provenMs = this.runtime.clock.nowMs();
    this.runtime.count(Counter.poolActive);
  }

  /** A login failed: the room is free again. */
  loginFailed(): void {
    this.open--;
    this.serve();
  }

  /** The connection is gone, or is closed, with its session. */
  ended(): void {
    this.runtime.count(Counter.poolActive, -1);
    this.open--;
    this.serve();
  }

  /** It belongs to its session from now on. */
  pinned(): void {
    this.open--;
    this.runtime.count(Counter.poolActive, -1);
    this.runtime.count(Counter.poolPinned);
    this.serve();
  }

  /** It is one of ours again. */
  unpinned(): void {
    this.open++;
    this.runtime.count(Counter.poolActive);
    this.runtime.count(Counter.poolPinned, -1);
  }

  /** Closes what nobody uses. */
  closeIdle(): void {
    for (const pooled of this.idle.splice(0)) {
      this.runtime.count(Counter.poolIdle, -1);
      this.open--;
      pooled.close();
    }
    this.serve();
  }

  /** Room for one more, of those that nobody has. Sessions that were pinned may have given back more than the pool's size. */
  private clear(): void {
    while (!this.hasRoom && this.idle.length > 0) this.discard(this.idle.shift()!);
  }

  private discard(pooled: PooledOrigin): void {
    this.runtime.count(Counter.poolIdle, -1);
    this.open--;
    pooled.close();
  }

  /** One timer for those that are idle and those that wait. */
  private watch(): void {
    const { idleTimeoutMs, waitTimeoutMs } = this.runtime.config.pool;
    const everyMs = Math.max(10, Math.min(1000, Math.min(idleTimeoutMs, waitTimeoutMs) / 4));
    this.timer ??= setInterval(() => this.look(), everyMs).unref();
  }

  private look(): void {
    const { idleTimeoutMs, waitTimeoutMs } = this.runtime.config.pool;
    const nowMs = this.runtime.clock.nowMs();
    for (const pooled of [...this.idle]) {
      if (nowMs - pooled.idleSinceMs <= idleTimeoutMs) continue;
      this.idle.splice(this.idle.indexOf(pooled), 1);
      this.discard(pooled);
    }
    for (const [client, { sinceMs }] of [...this.waiting]) {
      if (nowMs - sinceMs <= waitTimeoutMs) continue;
      this.leave(client);
      this.runtime.count(Counter.poolTimeouts);
      client.timedOut();
    }
    if (this.idle.length > 0 || this.waiting.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
