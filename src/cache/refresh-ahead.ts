/**
 * Refresh ahead (ADR-019): a hot answer that a change took out is asked for again before somebody misses it.
 *
 *   matched by a change, hot ─▶ waits for its transaction to settle ─▶ told to the workers ─▶ an ordinary fill
 *            │                        (until then every fill is refused)      └ one of them claims the key (worker/refresh.ts)
 *            └ read less than twice since its admission: left to the next miss
 *
 * What comes back is judged as any other answer, so nothing here is about correctness. What is asked for is bounded: an answer must have
 * earned its hits anew, a burst of changes finds it gone, and there are so many a second at most.
 */
import { Limits } from '../shared/limits.ts';
import type { StoreReader } from '../shared/memory/index-reader.ts';
import { Block } from '../shared/memory/layout.ts';
import type { CacheNotice, RefreshRequest } from '../shared/messages.ts';
import type { SettlingTransaction } from './change.ts';
import { parseKey } from './key-reader.ts';

export interface RefreshAheadOptions {
  readonly reader: Pick<StoreReader, 'word' | 'bytesOf' | 'keyOffset' | 'isHot' | 'isPinned'>;
  readonly isStored: (hash: number, key: Uint8Array) => boolean;
  readonly nowMs: () => number;
  /** To all workers. */
  readonly tell: (notice: CacheNotice) => void;
}

/** So many at once, when there were none for a while. */
const BURST_MAX = Limits.refreshesPerSecondMax / 4;

export class RefreshAhead {
  readonly #options: RefreshAheadOptions;
  /** By key. */
  readonly #waiting = new Map<string, { readonly request: RefreshRequest; transaction: SettlingTransaction }>();
  #allowed = BURST_MAX;
  #allowedAtMs: number;

  constructor(options: RefreshAheadOptions) {
    this.#options = options;
    this.#allowedAtMs = options.nowMs();
  }

  /** Answers that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** An entry is about to leave because of a change. Its block can still be read. */
  leaving(block: number, transaction: SettlingTransaction): void {
    const { reader } = this.#options;
    if (!reader.isHot(block)) return;
    const at = reader.keyOffset(block);
    const key = new Uint8Array(reader.word(block, Block.KEY_BYTES));
    key.set(reader.bytesOf(block).subarray(at, at + key.length));
    const name = Buffer.from(key.buffer).toString('latin1');
    const known = this.#waiting.get(name);
    if (known !== undefined) known.transaction = transaction;
    else if (this.#waiting.size < Limits.refreshesWaitingMax) {
      const request = requestOf(reader.word(block, Block.HASH), key, reader.isPinned(block));
      if (request !== null) this.#waiting.set(name, { request, transaction });
    }
  }

  /** A round has completed: answers to what has settled with this stamp or a lower one may be stored again. */
  publish(settleStamp: number): void {
    if (this.#waiting.size === 0) return;
    const { isStored, tell } = this.#options;
    const due: RefreshRequest[] = [];
    for (const [name, { request, transaction }] of this.#waiting) {
      if (transaction.settledStamp > settleStamp) continue;
      this.#waiting.delete(name);
      // Who missed it meanwhile has brought it back.
      if (!isStored(request.hash, request.key)) due.push(request);
    }
    const allowed = due.slice(0, this.#take(due.length));
    if (allowed.length > 0) tell(allowed);
  }

  /** The catalog or the stream is another one. */
  clear(): void {
    this.#waiting.clear();
  }

  /** How many of so many may be asked for now. */
  #take(count: number): number {
    const nowMs = this.#options.nowMs();
    const gained = ((nowMs - this.#allowedAtMs) * Limits.refreshesPerSecondMax) / 1_000;
    this.#allowedAtMs = nowMs;
    this.#allowed = Math.min(BURST_MAX, this.#allowed + gained);
    const taken = Math.min(count, Math.floor(this.#allowed));
    this.#allowed -= taken;
    return taken;
  }
}

/** Descriptions do not depend on rows. */
function requestOf(hash: number, key: Uint8Array<ArrayBuffer>, pin: boolean): RefreshRequest | null {
  const parsed = parseKey(key);
  if (parsed === null || parsed.form === 'description') return null;
  const { contextId, form, text, parameterTypes, bindTail } = parsed;
  const protocol = form === 'simple' ? 'simple' : 'extended';
  return { hash, key, pin, contextId, protocol, text, parameterTypes, tailStart: key.length - bindTail.length };
}
