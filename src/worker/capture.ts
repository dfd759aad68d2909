/**
 * Listens to one answer on its way to the client and keeps a copy for the cache. The tap never hurts the pipe: whatever
 * is odd or too large ends the capture, and the relay does not notice.
 *
 * The copy is made directly behind the key, in the buffer that will be posted: `key ‖ [T] D* C`, or `key ‖ t (T|n)`.
 */

import type { FillToken, Offer, Verdict } from '../shared/messages.ts';
import { keyHash } from '../shared/query-key.ts';
import { Backend } from '../shared/wire/codes.ts';
import type { Flight } from './flights.ts';
import type { KeyPrefix } from './key-prefix.ts';
import type { Told } from './told.ts';
import type { VerdictSlot } from './verdicts.ts';

export interface CaptureKey {
  readonly hash: number;
  readonly prefix: Uint8Array;
  readonly tail: Uint8Array;
  readonly tailStart: number;
  readonly tailEnd: number;
}

/** The key `prefix ‖ tail[start, end)`. */
export function captureKey(prefix: KeyPrefix, tail: Uint8Array, start: number, end: number): CaptureKey {
  const hash = keyHash(prefix.hash, tail, start, end);
  return { hash, prefix: prefix.bytes, tail, tailStart: start, tailEnd: end };
}

export class Capture {
  readonly slot: VerdictSlot;
  readonly contextId: number;
  readonly token: FillToken;
  readonly hash: number;
  private readonly keyBytes: number;
  private readonly bytesMax: number;
  private bytes: Uint8Array<ArrayBuffer>;
  private used: number;
  private rowDescriptionBytes = 0;
  private lastStart = 0;
  private complete = false;
  private abandoned = false;
  /** Others may wait for this answer. */
  flight: Flight | null = null;
  sentMs = 0;
  /** What the client was told before of the statement's columns; null: it is no prepared one's. */
  told: Told | null = null;
  /** A hint asks to keep it. */
  pin = false;
  /** Others are in line for the same. */
  isAwaited = false;
  /** The cache may have it; else it is for those in line alone. */
  isOffered = true;
  /** Nobody has asked for it. */
  isRefresh = false;
  /** A description ends with RowDescription or NoData, an answer with CommandComplete. */
  private readonly isDescription: boolean;

  /** Copies the key. `framesBytesMax`: beyond it the answer is not kept. */
  constructor(
    slot: VerdictSlot,
    contextId: number,
    token: FillToken,
    key: CaptureKey,
    framesBytesMax: number,
    isDescription: boolean,
  ) {
    this.slot = slot;
    this.contextId = contextId;
    this.token = token;
    this.hash = key.hash;
    this.isDescription = isDescription;
    const tailBytes = key.tailEnd - key.tailStart;
    this.keyBytes = key.prefix.length + tailBytes;
    this.bytesMax = this.keyBytes + framesBytesMax;
    this.bytes = new Uint8Array(this.keyBytes + 512);
    this.bytes.set(key.prefix, 0);
    this.bytes.set(key.tail.subarray(key.tailStart, key.tailEnd), key.prefix.length);
    this.used = this.keyBytes;
  }

  abandon(): void {
    this.abandoned = true;
    this.bytes = new Uint8Array(0);
    this.flight?.end();
  }

  /** A frame or a piece of one; `first` at its beginning. */
  take(code: number, source: Buffer, start: number, end: number, first: boolean): void {
    if (this.abandoned || code === Backend.readyForQuery) return;
    if ((this.complete && first) || !this.fits(code) || this.used + end - start > this.bytesMax) {
      this.abandon();
      return;
    }
    if (first) this.lastStart = this.used;
    this.keep(source, start, end);
    if (code === Backend.rowDescription && !this.isDescription) {
      this.rowDescriptionBytes = this.used - this.keyBytes;
      if (this.lastStart !== this.keyBytes) this.abandon();
    }
    if (code === Backend.commandComplete) this.complete = true;
    if (this.isDescription && code !== Backend.parameterDescription) this.complete = true;
  }

  private fits(code: number): boolean {
    if (code === Backend.rowDescription) return true;
    if (this.isDescription) return code === Backend.parameterDescription || code === Backend.noData;
    return code === Backend.dataRow || code === Backend.commandComplete;
  }

  private keep(source: Buffer, start: number, end: number): void {
    const needed = this.used + end - start;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.min(this.bytesMax, needed * 2));
      grown.set(this.bytes.subarray(0, this.used));
      this.bytes = grown;
    }
    source.copy(this.bytes, this.used, start, end);
    this.used = needed;
  }

  /** The offer, once; null when the answer was not taken whole or no verdict allows it. @param costMs what it took the origin */
  offer(filledRound: number, costMs: number): Offer | null {
    const verdict: Verdict | null = this.slot.verdict;
    if (this.abandoned || !this.complete || verdict === null || !verdict.cacheable) return null;
    if (verdict.catalogVersion !== this.token.catalogVersion) return null;
    const bytes = this.used === this.bytes.length ? this.bytes : this.bytes.slice(0, this.used);
    const { contextId, token, hash, keyBytes, rowDescriptionBytes, pin, isAwaited, isRefresh, told } = this;
    this.abandoned = true;
    return {
      verdictId: verdict.verdictId,
      shape: verdict.shape,
      contextId,
      token,
      hash,
      keyBytes,
      rowDescriptionBytes,
      filledRound,
      pin,
      toldRows: told?.rows ?? 0,
      isAwaited,
      bytes,
      isRefresh,
      costMs,
    };
  }
}
