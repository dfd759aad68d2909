/**
 * Nudges (C12): where the stream does not come to a round's position, because the log is not flushed up to it, the origin is made to flush. Once for
 * each position, whatever else keeps the stream.
 */
import type { Clock } from '../shared/clock.ts';
import type { Lsn } from '../shared/lsn.ts';

/** A round that waits for the stream. */
export interface NudgedRound {
  readonly target: Lsn;
  /** Since when it waits. */
  readonly askedMs: number;
  /** Statements stand still for it. */
  readonly isHurried: boolean;
}

export interface NudgeLimits {
  /** A position that the stream has not reached after this long is nudged. */
  readonly nudgeMs: number;
  /** The same for one that statements stand still for. */
  readonly hurriedNudgeMs: number;
  /** At least this long between two nudges. */
  readonly nudgeGapMs: number;
}

export interface NudgePorts {
  readonly clock: Clock;
  /** By rising position. */
  readonly waiting: () => readonly NudgedRound[];
  /** Makes the origin write and flush its log up to `target`. */
  readonly nudge: (target: Lsn) => Promise<void>;
  readonly onError: (thrown: unknown) => void;
}

export class Nudges {
  readonly #ports: NudgePorts;
  readonly #limits: NudgeLimits;
  #timer: NodeJS.Timeout | null = null;
  #timerDueMs = 0;
  #sentMs = Number.NEGATIVE_INFINITY;
  /** Positions up to here have been nudged. */
  #sentLsn: Lsn = -1n;
  #sent = 0;

  constructor(ports: NudgePorts, limits: NudgeLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  get sent(): number {
    return this.#sent;
  }

  /** A round has come to wait. One timer, for the one that is due first. */
  arm(): void {
    const dueMs = Math.min(...this.#ports.waiting().map((round) => this.#dueMs(round)));
    if (dueMs === Number.POSITIVE_INFINITY) return;
    if (this.#timer !== null) {
      if (this.#timerDueMs <= dueMs) return;
      clearTimeout(this.#timer);
    }
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(() => this.#look(), Math.max(1, dueMs - this.#ports.clock.nowMs())).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Infinite where it was nudged. */
  #dueMs({ target, askedMs, isHurried }: NudgedRound): number {
    if (target <= this.#sentLsn) return Number.POSITIVE_INFINITY;
    const { nudgeMs, hurriedNudgeMs, nudgeGapMs } = this.#limits;
    return Math.max(askedMs + (isHurried ? hurriedNudgeMs : nudgeMs), this.#sentMs + nudgeGapMs);
  }

  #look(): void {
    this.#timer = null;
    const nowMs = this.#ports.clock.nowMs();
    const waiting = this.#ports.waiting();
    if (waiting.some((round) => this.#dueMs(round) <= nowMs)) this.#send(waiting.at(-1)!.target, nowMs);
    this.arm();
  }

  /** For all that wait: positions rise. */
  #send(target: Lsn, nowMs: number): void {
    this.#sentMs = nowMs;
    this.#sentLsn = target;
    this.#sent++;
    this.#ports.nudge(target).catch(this.#ports.onError);
  }
}
