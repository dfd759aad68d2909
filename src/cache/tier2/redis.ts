/**
 * Redis, or a Redis Cluster, as a place for bytes that may be lost at any time. It is never waited for longer than a statement may wait, and never in
 * the way: away, slow or full, it has nothing. One who fails several times in a row is left alone for a while.
 *
 *   up ──FAILURES_MAX in a row──▶ resting for REST_MS ──▶ up            the connection itself is ioredis's: it comes back by itself
 */
import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../shared/clock.ts';
import type { SecondTierConfig } from '../../shared/config.ts';
import { toError } from '../../shared/errors.ts';
import { Limits } from '../../shared/limits.ts';
import type { Logger } from '../../shared/log.ts';
import { connectRedis } from '../../shared/redis-client.ts';

/** What the second tier needs of Redis. */
export interface RemoteBytes {
  /** Null: there is nothing, as far as can be said in time. Never rejects. */
  read(address: string): Promise<Buffer | null>;
  /** Replaces what is there. Nobody waits for it. */
  write(address: string, bytes: Buffer): void;
}

export interface RedisTraffic {
  readonly isUp: boolean;
  readonly found: number;
  readonly missing: number;
  /** Reads that failed, came too late, or were not tried. */
  readonly failed: number;
  readonly written: number;
  /** Writes not tried: too much under way, or Redis is away. */
  readonly dropped: number;
  readonly notWritten: number;
}

const FAILURES_MAX = 3;
const REST_MS = 1_000;

export class RedisBytes implements RemoteBytes {
  readonly #client: Redis | Cluster;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #ttlMs: number;
  #isUp = false;
  #wasUp: boolean | null = null;
  #failures = 0;
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  #bytesUnderWay = 0;
  #found = 0;
  #missing = 0;
  #failed = 0;
  #written = 0;
  #dropped = 0;
  #notWritten = 0;

  constructor(config: SecondTierConfig, clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    this.#ttlMs = config.ttlMs;
    this.#client = connectRedis(config);
    this.#client.on('ready', () => this.#turned(true, null));
    this.#client.on('close', () => this.#turned(false, null));
    this.#client.on('error', (error: Error) => this.#turned(false, error));
  }

  get traffic(): RedisTraffic {
    return {
      isUp: this.#isUp,
      found: this.#found,
      missing: this.#missing,
      failed: this.#failed,
      written: this.#written,
      dropped: this.#dropped,
      notWritten: this.#notWritten,
    };
  }

  async read(address: string): Promise<Buffer | null> {
    if (!this.#isAsked) {
      this.#failed++;
      return null;
    }
    try {
      const bytes = await this.#client.getBuffer(address);
      this.#failures = 0;
      if (bytes === null) this.#missing++;
      else this.#found++;
      return bytes;
    } catch (thrown) {
      this.#failed++;
      this.#failedWith(thrown);
      return null;
    }
  }

  write(address: string, bytes: Buffer): void {
    if (!this.#isAsked || this.#bytesUnderWay + bytes.length > Limits.tier2BytesUnderWayMax) {
      this.#dropped++;
      return;
    }
    this.#bytesUnderWay += bytes.length;
    this.#client
      .set(address, bytes, 'PX', this.#ttlMs)
      .then(
        () => void this.#written++,
        (thrown: unknown) => {
          this.#notWritten++;
          this.#failedWith(thrown);
        },
      )
      .finally(() => {
        this.#bytesUnderWay -= bytes.length;
      });
  }

  close(): void {
    this.#client.disconnect();
  }

  get #isAsked(): boolean {
    return this.#isUp && this.#clock.nowMs() >= this.#restsUntilMs;
  }

  #failedWith(thrown: unknown): void {
    if (++this.#failures < FAILURES_MAX) return;
    this.#failures = 0;
    this.#restsUntilMs = this.#clock.nowMs() + REST_MS;
    this.#log.warn({ err: toError(thrown) }, 'the second tier (Redis) fails: left alone for a second');
  }

  /** A line in the log for each change, not for each attempt. */
  #turned(isUp: boolean, error: Error | null): void {
    this.#isUp = isUp;
    if (isUp === this.#wasUp || (!isUp && this.#wasUp === null && error === null)) return;
    this.#wasUp = isUp;
    if (isUp) this.#log.info('the second tier (Redis) is there');
    else
      this.#log.warn(
        { ...(error !== null && { err: error }) },
        'the second tier (Redis) is away: pgfresh goes on without it',
      );
  }
}

/** Connects by itself, also after a failure; what cannot be sent at once fails at once. */
