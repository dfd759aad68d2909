/**
 * The second tier of one database (ADR-025): answers that cost the origin much are left in Redis, where other nodes before the same origin find them.
 *
 *   admitted here, dear ──▶ left there with the snapshot that it shows all of
 *   missed here, dear   ──▶ read from there ──▶ offered for admission like an answer of the origin, with the token that the snapshot is here
 *
 * Nobody tells another node of a change, so no such message can be lost: whether an answer is still right the node that takes it finds out from its own change
 * log, by the very checks of its own fills (admitter.ts). What it may be taken for:
 *
 *   the origin's era       system, timeline, start of the server and of its statistics, which a crash begins anew: transaction ids are of one history
 *   who may see it         the whole context (role, settings, search path …), the database and the catalog, in its address
 *   not older than         the catalog as this node has loaded it, and the oldest snapshot that this node knows of
 */
import { createHash } from 'node:crypto';
import type { FillToken, Offer, SharedAnswerRequest } from '../../shared/messages.ts';
import type { Reason } from '../../shared/reasons.ts';
import { definitionsOf } from '../fingerprint.ts';
import type { CatalogModel } from '../model.ts';
import { showsAllOf } from '../settle.ts';
import type { SnapshotHistory } from '../snapshot-history.ts';
import { decodeRecord, encodeRecord, type SharedRecord } from './record.ts';
import type { RemoteBytes } from './redis.ts';

/** What a node has to agree on besides the address's content: raised when addresses or records change their form. */
const FORM = 1;
const CONTEXT_BYTES = 4;

export interface SharedAnswersOptions {
  readonly remote: RemoteBytes;
  readonly costMsMin: number;
  readonly history: SnapshotHistory;
  /** Null while there is no change stream. */
  readonly era: () => string | null;
  readonly model: () => CatalogModel | null;
  /** For an answer that shows what the observation with this stamp shows. */
  readonly tokenOf: (settleStamp: number) => FillToken;
  /** The round that would confirm an answer that arrives now. */
  readonly nextRound: () => number;
  readonly admit: (offer: Offer) => Reason | null;
  /** Test-only: rules to break on purpose. */
  readonly faults: readonly string[];
}

export class SharedAnswers {
  readonly #options: SharedAnswersOptions;
  /** Digest of what all addresses of a context have in common. */
  #heads: { readonly model: CatalogModel; readonly era: string; readonly byContext: Map<number, string> } | null = null;
  #taken = 0;
  #refused = 0;

  constructor(options: SharedAnswersOptions) {
    this.#options = options;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Found, but perhaps no longer right, or not what it should be. */
  get refused(): number {
    return this.#refused;
  }

  /** An offer of a worker has been admitted. */
  admitted({ costMs, token, bytes, keyBytes, rowDescriptionBytes }: Offer): void {
    const { costMsMin, history, remote } = this.#options;
    if (costMs < costMsMin) return;
    const key = bytes.subarray(0, keyBytes);
    const address = this.#addressOf(key);
    const snapshot = history.shownBy(token.settleStamp);
    if (address === null || snapshot === null) return;
    const record = {
      snapshot,
      key: key.subarray(CONTEXT_BYTES),
      rowDescriptionBytes,
      frames: bytes.subarray(keyBytes),
    };
    remote.write(address, encodeRecord(record));
  }

  /** The round that confirms the answer, which is in the store then; 0: there is none to be had. */
  async fetch(request: SharedAnswerRequest): Promise<number> {
    const { remote, model } = this.#options;
    const address = this.#addressOf(request.key);
    if (address === null) return 0;
    const asked = model();
    const bytes = await remote.read(address);
    if (bytes === null) return 0;
    const record = decodeRecord(bytes);
    // Another catalog since it was asked for: its address would be another.
    const stamp = record === null || model() !== asked ? null : this.#stampOf(record, request.key);
    const round = stamp === null ? 0 : this.#take(request, record!, stamp);
    if (round === 0) this.#refused++;
    else this.#taken++;
    return round;
  }

  /** The stamp that it has here; null: it is not the answer to the key, or too old to tell. */
  #stampOf({ key, snapshot }: SharedRecord, asked: Uint8Array): number | null {
    if (Buffer.compare(key, asked.subarray(CONTEXT_BYTES)) !== 0) return null;
    const { model, history, faults } = this.#options;
    const catalog = model()?.catalog;
    if (faults.includes('shared')) return Number.MAX_SAFE_INTEGER;
    return catalog !== undefined && showsAllOf(snapshot, catalog.snapshot) ? history.stampOf(snapshot) : null;
  }

  #take({ contextId, hash, shape, key }: SharedAnswerRequest, record: SharedRecord, stamp: number): number {
    const { tokenOf, nextRound, admit } = this.#options;
    const bytes = new Uint8Array(key.length + record.frames.length);
    bytes.set(key);
    bytes.set(record.frames, key.length);
    const filledRound = nextRound();
    const refused = admit({
      verdictId: 0,
      ...{ shape, contextId, hash, filledRound, bytes },
      token: tokenOf(stamp),
      keyBytes: key.length,
      rowDescriptionBytes: record.rowDescriptionBytes,
      // Whoever missed it stands still for it. It is there already: its cost is no reason to leave it there again.
      isAwaited: true,
      costMs: 0,
      isRefresh: false,
    });
    return refused === null || refused === 'fill.stored' ? filledRound : 0;
  }

  /** Null where nothing may be shared: the context, the catalog or the origin's era is not known. */
  #addressOf(key: Uint8Array): string | null {
    const model = this.#options.model();
    const era = this.#options.era();
    if (model === null || era === null || key.length < CONTEXT_BYTES) return null;
    const contextId = Buffer.from(key.buffer, key.byteOffset, CONTEXT_BYTES).readUInt32BE(0);
    const head = this.#headOf(model, era, contextId);
    if (head === null) return null;
    const digest = createHash('sha256').update(head).update(key.subarray(CONTEXT_BYTES)).digest('base64url');
    return `pgfresh:${digest}`;
  }

  #headOf(model: CatalogModel, era: string, contextId: number): string | null {
    if (this.#heads?.model !== model || this.#heads.era !== era) this.#heads = { model, era, byContext: new Map() };
    const known = this.#heads.byContext.get(contextId);
    if (known !== undefined) return known;
    const identity = model.contexts.identityOf(contextId);
    if (identity === undefined) return null;
    const common = JSON.stringify([FORM, era, definitionsOf(model.catalog.fingerprint), identity]);
    const head = createHash('sha256').update(common).digest('base64url');
    this.#heads.byContext.set(contextId, head);
    return head;
  }
}
