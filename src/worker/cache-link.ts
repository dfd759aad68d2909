/**
 * A worker's side of one generation of the cache thread: what it may ask, its inbox, and for each database the words in the store, the verdicts and
 * the contexts. Replaced as a whole when the worker is attached to the next generation; whatever was learned through the old one goes with it.
 */
import { type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { type ControlWords, currentGeneration } from '../shared/memory/control.ts';
import { StoreReader } from '../shared/memory/index-reader.ts';
import { consumedWord, databaseFenceWord, StoreState } from '../shared/memory/layout.ts';
import type {
  AnalyseRequest,
  CacheLink,
  CacheService,
  ContextAnswer,
  ContextRow,
  Explanation,
  FillToken,
  SharedAnswerRequest,
} from '../shared/messages.ts';
import { simplePrefix } from '../shared/query-key.ts';
import { Bypass } from './bypass.ts';
import { askForRound } from './fence.ts';
import type { Flight } from './flights.ts';
import { type KeyPrefix, keyPrefix } from './key-prefix.ts';
import { Outbox } from './offer.ts';
import { ParsedTexts } from './parsed-texts.ts';
import { Verdicts } from './verdicts.ts';
import { Worth } from './worth.ts';

const CONTEXTS_MAX = 10_000;
/** The catalog is being loaded, as after DDL: over soon. */
const LOADING_MS = 20;
const FAILED_MS = 1000;

/** What a worker needs of `CacheService`: Comlink's remote has it, and so has a test. */
export type RemoteService = Pick<
  Remote<CacheService>,
  | 'openDatabase'
  | 'closeDatabase'
  | 'databaseEntered'
  | 'holdDatabase'
  | 'cancelHold'
  | 'unholdDatabase'
  | 'lookOver'
  | 'contextQuery'
  | 'internContext'
  | 'analyse'
  | 'fetchShared'
  | 'explain'
>;

interface ContextQuery {
  sql: string | 'pending' | 'failed' | null;
  catalogVersion: number;
  againMs: number;
  readonly waiting: (() => void)[];
}

/** What all databases of a worker share in one generation. */
export class CacheAttachment {
  readonly generation: number;
  readonly store: SharedArrayBuffer;
  readonly service: RemoteService;
  readonly outbox: Outbox;
  private readonly words: Int32Array<SharedArrayBuffer>;
  private readonly consumedWord: number;

  constructor(link: CacheLink, workerSlot: number, service?: RemoteService) {
    this.generation = link.generation;
    this.store = link.store;
    this.service = service ?? wrap<CacheService>(nodeEndpoint(link.service));
    this.words = new Int32Array(link.store);
    this.consumedWord = consumedWord(workerSlot);
    this.outbox = new Outbox(link.offers, () => Atomics.load(this.words, this.consumedWord));
  }

  /** When the offer added last has been handled. */
  afterOffer(flight: Flight, next: () => void): void {
    flight.after(this.words, this.consumedWord, this.outbox.count, next);
  }
}

/** One database in one generation. */
export class AttachedCache {
  readonly generation: number;
  /** Of the database, in the store's header. */
  readonly databaseSlot: number;
  /** The word of the fence of its writes to unknown tables. */
  readonly databaseFence: number;
  readonly reader: StoreReader;
  readonly verdicts: Verdicts;
  readonly parses = new ParsedTexts();
  readonly outbox: Outbox;
  readonly worth = new Worth();
  readonly bypass = new Bypass();
  private readonly service: RemoteService;
  private readonly control: ControlWords;
  private readonly attachment: CacheAttachment;
  private simple: KeyPrefix | null = null;
  private readonly contexts = new Map<string, ContextAnswer>();
  private readonly queries = new Map<string, ContextQuery>();
  private hitEpoch = 0;

  constructor(attachment: CacheAttachment, control: ControlWords, databaseHash: number, databaseSlot: number) {
    this.generation = attachment.generation;
    this.databaseSlot = databaseSlot;
    this.databaseFence = databaseFenceWord(databaseHash);
    this.reader = new StoreReader(attachment.store, databaseSlot);
    this.control = control;
    this.service = attachment.service;
    this.verdicts = new Verdicts((request) => Promise.resolve(this.service.analyse(request)));
    this.outbox = attachment.outbox;
    this.attachment = attachment;
  }

  /** C19: to be asked first. */
  get isLive(): boolean {
    return currentGeneration(this.control) === this.generation && this.reader.state() === StoreState.live;
  }

  /** First part of the keys of this context's simple queries. */
  simplePrefix(contextId: number): KeyPrefix {
    if (this.simple?.contextId !== contextId) this.simple = keyPrefix(simplePrefix(contextId), contextId);
    return this.simple;
  }

  /** FRESH_ROUND at the beginning of a hit. */
  beginHit(): number {
    this.hitEpoch = this.reader.streamEpoch();
    return this.reader.freshRound();
  }

  /** To be asked after the fences of a hit were read: in another epoch they may be of rounds that are numbered anew (cache/renumber.ts). */
  get isSameEpoch(): boolean {
    return this.reader.streamEpoch() === this.hitEpoch;
  }

  /** When the offer added last, filled as of this round, can be hit, those who wait for its answer look for it. */
  endFlight(flight: Flight, filledRound: number): void {
    this.attachment.afterOffer(flight, () => this.endFlightAt(flight, filledRound));
  }

  /** The same for what is stored already. */
  endFlightAt(flight: Flight, filledRound: number): void {
    const { words, freshRoundWord } = this.reader;
    askForRound(filledRound, this);
    flight.after(words, freshRoundWord, filledRound, () => flight.end());
  }

  /** `CacheService.fetchShared`; 0 also where it takes longer, as when the cache thread dies. */
  fetchShared(request: SharedAnswerRequest, timeoutMs: number): Promise<number> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, 0);
      const answered = (round: number): void => {
        clearTimeout(timer);
        resolve(round);
      };
      Promise.resolve(this.service.fetchShared(request)).then(answered, () => answered(0));
    });
  }

  token(): FillToken {
    return {
      generation: this.generation,
      streamEpoch: this.reader.streamEpoch(),
      settleStamp: this.reader.settleStamp(),
      catalogVersion: this.reader.catalogVersion(),
    };
  }

  /**
   * The query for a session's context. 'pending': it is asked for, and `arrived` is called when the cache thread has
   * answered. Null: it has none for this database (asked again after a while).
   */
  contextQuery(database: string, nowMs: number, arrived: () => void): string | 'pending' | null {
    const known = this.queries.get(database);
    const version = this.reader.catalogVersion();
    if (known !== undefined) {
      if (known.sql === 'pending') {
        known.waiting.push(arrived);
        return 'pending';
      }
      const isKnown = known.sql !== null && known.sql !== 'failed';
      if (isKnown && known.catalogVersion === version) return known.sql;
      if (!isKnown && nowMs < known.againMs) return known.sql === null ? null : 'pending';
    }
    const asked: ContextQuery = { sql: 'pending', catalogVersion: version, againMs: nowMs, waiting: [arrived] };
    this.queries.set(database, asked);
    const answered = (sql: ContextQuery['sql'], catalogVersion: number) => {
      asked.sql = sql;
      asked.againMs = nowMs + (sql === null ? LOADING_MS : FAILED_MS);
      asked.catalogVersion = catalogVersion;
      for (const resume of asked.waiting.splice(0)) resume();
    };
    Promise.resolve(this.service.contextQuery(database)).then(
      (query) => answered(query?.sql ?? null, query?.catalogVersion ?? version),
      () => answered('failed', version),
    );
    return 'pending';
  }

  /** Rejects when the cache thread fails to; never settles when it dies, as all calls to it. */
  explain(request: AnalyseRequest, row: ContextRow): Promise<Explanation> {
    return Promise.resolve(this.service.explain(request, row));
  }

  /** The context of a row, at once when it is known. */
  context(database: string, row: ContextRow): ContextAnswer | Promise<ContextAnswer> {
    const key = JSON.stringify([database, row]);
    const known = this.contexts.get(key);
    if (known !== undefined && known.catalogVersion === this.reader.catalogVersion()) return known;
    return Promise.resolve(this.service.internContext(database, row)).then((answer) => {
      if (this.contexts.size >= CONTEXTS_MAX) this.contexts.clear();
      this.contexts.set(key, answer);
      return answer;
    });
  }
}
