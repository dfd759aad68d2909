/**
 * Sessions that have nothing to do, looked at together every now and then: one timer for all of a worker, and none while nobody needs it.
 *
 * Two kinds of patience end: our own with the client (`limits.idle_timeout`), and the origin's with us (its `idle_session_timeout`). A
 * session whose statements all hit is idle only as the origin sees it, so it gets a Sync from us before it loses patience.
 */
import type { Clock } from '../shared/clock.ts';
import { Limits } from '../shared/limits.ts';
import type { ErrorToSend } from '../shared/wire/backend.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';

/** When a session last had something to do, as exactly as it is looked at. */
export class Activity {
  lastMs: number;
  originMs: number;
  /** The client has spoken since the origin last did: the origin is not idle because of it. */
  isClientAhead = false;
  /** Number of its client's last turn among those of all clients of the worker. */
  turn = 0;

  constructor(nowMs: number) {
    this.lastMs = this.originMs = nowMs;
  }

  clientSpoke(nowMs: number, turn: number): void {
    this.lastMs = nowMs;
    this.turn = turn;
    this.isClientAhead = true;
  }

  originSpoke(nowMs: number): void {
    this.lastMs = this.originMs = nowMs;
    this.isClientAhead = false;
  }
}

/** In PostgreSQL's words, which clients know. */
const idleTimeout: ErrorToSend = {
  severity: 'FATAL',
  sqlstate: '57P05',
  message: 'terminating connection due to idle-session timeout',
};

const units: Readonly<Record<string, number>> = { ms: 1, s: 1e3, min: 60e3, h: 3600e3, d: 86_400e3 };

/** Milliseconds of a setting as `current_setting` shows it: "0", "500ms", "10min". Manual: Setting Parameters. */
export function parseTimeSetting(text: string | null | undefined): number {
  const match = /^(\d+)(ms|s|min|h|d)$/.exec(text ?? '');
  return match === null ? 0 : Number(match[1]) * units[match[2]!]!;
}

export class IdleWatch {
  /** Time of the last look. */
  nowMs: number;
  private turns = 0;
  private everyMs = Number.POSITIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private readonly clock: Clock;
  private readonly clientMsMax: number;
  private readonly sessions: () => Iterable<Session>;

  constructor({ clock, config }: Pick<Runtime, 'clock' | 'config'>, sessions: () => Iterable<Session>) {
    this.clock = clock;
    this.clientMsMax = config.limits.idleTimeoutMs;
    this.sessions = sessions;
    this.nowMs = clock.nowMs();
    this.watch(this.clientMsMax);
  }

  /** A client has spoken. */
  nextTurn(): number {
    return ++this.turns;
  }

  /** A timeout of this length is to be kept from now on; 0: none. */
  watch(timeoutMs: number): void {
    const wantedMs = Math.min(Limits.idleLookMsMax, Math.max(Limits.idleLookMsMin, timeoutMs / 8));
    if (timeoutMs === 0 || wantedMs >= this.everyMs) return;
    this.everyMs = wantedMs;
    clearInterval(this.timer);
    this.nowMs = this.clock.nowMs();
    this.timer = setInterval(() => this.look(), wantedMs).unref();
  }

  private look(): void {
    this.nowMs = this.clock.nowMs();
    for (const session of this.sessions()) {
      if (session.state !== 'ready' || !session.order.isQuiet || !session.input.atBoundary) continue;
      if (this.isClientIdle(session)) session.turn(() => session.finish(idleTimeout));
      else if (this.isOriginImpatient(session)) session.turn(() => session.router.stir());
    }
  }

  /** Times are those of the look before, so they may be early by as much. */
  private isClientIdle({ transaction, activity }: Session): boolean {
    if (this.clientMsMax === 0 || !transaction.isIdle) return false;
    return this.nowMs - activity.lastMs > this.clientMsMax + this.everyMs;
  }

  /** Its patience is about to end with a session whose client is not idle, or is in a block as far as it knows. */
  private isOriginImpatient({ settings, transaction, activity }: Session): boolean {
    const { originIdleMsMax } = settings;
    if (originIdleMsMax === 0 || !transaction.isOriginIdle) return false;
    if (!activity.isClientAhead && transaction.held === null) return false;
    return this.nowMs - activity.originMs >= originIdleMsMax / 2;
  }
}
