/**
 * A cache thread's stand-in for tests of the worker alone: a real store in this process, filled by whatever is offered; verdicts and
 * contexts as the test says; no change stream, so rounds complete when the test says so.
 */
import { MessageChannel } from 'node:worker_threads';
import { CacheStore } from '../../src/cache/store.ts';
import { monotonicClock } from '../../src/shared/clock.ts';
import { openControl, startedRound, startRound } from '../../src/shared/memory/control.ts';
import { entryFenceSlots } from '../../src/shared/memory/fences.ts';
import { Control, consumedWord, Store, StoreState } from '../../src/shared/memory/layout.ts';
import { encodeAdmission } from '../../src/shared/memory/shape-hits.ts';
import type {
  AnalyseRequest,
  CacheNotice,
  ContextRow,
  DatabaseHold,
  Offer,
  OfferBatch,
  SharedAnswerRequest,
  Verdict,
} from '../../src/shared/messages.ts';
import type { RemoteService } from '../../src/worker/cache-link.ts';
import type { Runtime } from '../../src/worker/runtime.ts';

/** Relation that every cacheable statement of the fake reads and every known write writes. */
export const RELATION = 4711;

export interface FakeCache {
  readonly store: CacheStore;
  readonly offers: Offer[];
  readonly analysed: AnalyseRequest[];
  readonly contextRows: ContextRow[];
  /** Offers that were nudges. */
  nudges(): number;
  /** Runs a round: everything acknowledged before it is fresh. */
  round(): void;
  /** Whether a nudge is followed by a round at once (the default). */
  followNudges(follow: boolean): void;
  setState(state: StoreState): void;
  /** As when the thread dies over a look at the publication. */
  ignoreLooks(): void;
  setCatalogVersion(version: number): void;
  /** Has an answer to a simple query, which somebody has got before, leave the store, and asks for it again. */
  refresh(text: string): void;
  /** Verdicts are given only while open. */
  hold(held: boolean): void;
  /** Questions for other nodes' answers. */
  readonly asked: SharedAnswerRequest[];
  /** What becomes of these: without it there are none. */
  whenAsked(fetch: (request: SharedAnswerRequest) => Promise<number>): void;
  /** Stores another node's answer; the round that confirms it. */
  take(request: SharedAnswerRequest, frames: Buffer): number;
}

/** All reads have one. */
const SHAPE = 5;

function verdictOf(request: AnalyseRequest, verdictId: number, catalogVersion: number): Verdict {
  const text = request.text.trim().toLowerCase();
  const isRead = /^(\/\*.*?\*\/\s*)?(select|with|values|table)\b/.test(text) && !/volatile|random\(|now\(/.test(text);
  const isHarmless = /^(begin|commit|rollback|start|show|end)\b/.test(text) || /random\(|now\(/.test(text);
  const isWrite = /^(insert|update|delete)\b/.test(text);
  const isSetting = /^(set|reset|discard|deallocate|prepare)\b/.test(text);
  return {
    verdictId,
    shape: isRead ? SHAPE : 0,
    catalogVersion,
    cacheable: isRead && request.contextId > 0,
    reason: isRead ? null : isWrite ? 'statement.write' : 'statement.utility',
    readOnly: isRead || isHarmless || isSetting,
    writes: isRead || isHarmless || isSetting ? 'none' : isWrite ? [{ relation: RELATION, points: null }] : 'unknown',
    changesContext: isSetting,
    pin: null,
    settings: [],
    transactionControl: /^(begin|commit|rollback|start|end)\b/.test(text),
    scope: 'text',
    signature: isRead ? text : '',
  };
}

export function attachFakeCache(runtime: Runtime, generation = 1): FakeCache {
  const control = openControl(runtime.control.buffer);
  const store = new CacheStore({ generation, memoryBytes: 8 << 20, control, removed: () => undefined });
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  const offers: Offer[] = [];
  const analysed: AnalyseRequest[] = [];
  const contextRows: ContextRow[] = [];
  let catalogVersion = 1;
  let nudges = 0;
  let follow = true;
  let consumed = 0;
  let held = false;
  let ignoresLooks = false;
  let release: () => void = () => undefined;
  let released = Promise.resolve();
  const contexts = new Map<string, number>();
  const asked: SharedAnswerRequest[] = [];
  let fetch = async (_: SharedAnswerRequest): Promise<number> => 0;
  const cancelKeys = new Map<string, () => void>();

  const admit = (offer: Offer) => {
    offers.push(offer);
    const key = offer.bytes.subarray(0, offer.keyBytes);
    const frames = offer.bytes.subarray(offer.keyBytes);
    const { hash, rowDescriptionBytes, filledRound } = offer;
    store.insert({
      hash,
      key,
      frames,
      rowDescriptionBytes,
      filledRound,
      fenceSlots: entryFenceSlots([RELATION]),
      admission: encodeAdmission(offer.shape, 0),
    });
    store.publish(consumedWord(0), ++consumed);
  };
  const service = {
    openDatabase: async () => 0,
    closeDatabase: async () => undefined,
    databaseEntered: async () => undefined,
    // As `explain`; but who cancels is heard.
    holdDatabase: ({ cancelKey }: DatabaseHold) =>
      new Promise((resolve) => void cancelKeys.set(String(cancelKey), () => resolve(true))),
    cancelHold: async (key: string) => cancelKeys.get(key)?.(),
    unholdDatabase: async () => undefined,
    lookOver: () => (ignoresLooks ? new Promise<void>(() => undefined) : Promise.resolve()),
    contextQuery: async () => ({
      sql: "SELECT pg_catalog.pg_backend_pid()::text, '0', current_user::text, pg_catalog.current_setting('search_path'), pg_catalog.current_setting('timezone')",
      catalogVersion,
    }),
    internContext: async (_database: string, row: ContextRow) => {
      contextRows.push(row);
      const key = JSON.stringify(row);
      if (!contexts.has(key)) contexts.set(key, contexts.size + 1);
      return { contextId: contexts.get(key)!, reason: null, catalogVersion };
    },
    fetchShared: (request: SharedAnswerRequest) => {
      asked.push(request);
      return fetch(request);
    },
    analyse: async (request: AnalyseRequest) => {
      analysed.push(request);
      if (held) await released;
      return verdictOf(request, analysed.length, catalogVersion);
    },
    // A cache thread that died does not even refuse.
    explain: () => new Promise(() => undefined),
  } as unknown as RemoteService;
  const cache: FakeCache = {
    store,
    offers,
    analysed,
    contextRows,
    nudges: () => nudges,
    round() {
      const round = startRound(control);
      store.publish(Store.FRESH_AS_OF_MS, monotonicClock.nowMs() | 0);
      store.publish(Store.FRESH_ROUND, round);
    },
    followNudges: (wanted) => void (follow = wanted),
    ignoreLooks() {
      ignoresLooks = true;
    },
    setState: (state) => store.publish(Store.STATE, state),
    setCatalogVersion(version) {
      catalogVersion = version;
      store.publish(Store.CATALOG_VERSION, version);
    },
    refresh(text) {
      const of = (offer: Offer) => Buffer.from(offer.bytes.subarray(5, offer.keyBytes)).toString() === text;
      const { hash, bytes, keyBytes, contextId } = offers.findLast(of)!;
      const key = bytes.slice(0, keyBytes);
      const block = store.find(hash, key);
      if (block !== 0) store.remove(block);
      const statement = { contextId, text, protocol: 'simple', parameterTypes: [], pin: false } as const;
      port1.postMessage([{ ...statement, hash, key, tailStart: keyBytes }] satisfies CacheNotice);
    },
    asked,
    whenAsked: (wanted) => void (fetch = wanted),
    take({ hash, key, shape }, frames) {
      const filledRound = startedRound(control) + 1;
      store.insert({
        ...{ hash, key, frames, rowDescriptionBytes: 0, filledRound, fenceSlots: entryFenceSlots([RELATION]) },
        admission: encodeAdmission(shape, 0),
      });
      return filledRound;
    },
    hold(hold) {
      held = hold;
      if (hold) released = new Promise((resolve) => (release = resolve));
      else release();
    },
  };
  const post = (batch: OfferBatch) => {
    if (batch.length === 0) {
      nudges++;
      if (follow) cache.round();
    }
    for (const offer of batch) admit(offer);
  };
  cache.setCatalogVersion(1);
  cache.round();
  cache.setState(StoreState.live);
  Atomics.store(control, Control.CURRENT_GENERATION, generation);
  const fakePort = Object.assign(port2, { postMessage: post });
  runtime.attach({ generation, store: store.memory, service: port1, offers: fakePort }, service);
  return cache;
}
