/**
 * A worker's side of one generation of the cache thread: its store, its verdicts, its contexts and its inbox. Replaced as a whole when the
 * worker is attached to the next generation; whatever was learned through the old one goes with it.
 */
import { type Remote, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { type ControlWords, currentGeneration } from '../shared/memory/control.ts';
import { StoreReader } from '../shared/memory/index-reader.ts';
import { consumedWord, StoreState } from '../shared/memory/layout.ts';
import type { CacheLink, CacheService, ContextAnswer, ContextRow, FillToken } from '../shared/messages.ts';
import { Outbox } from './offer.ts';
import { Verdicts } from './verdicts.ts';

const CONTEXTS_MAX = 10_000;

/** What a worker needs of `CacheService`: Comlink's remote has it, and so has a test. */
export type RemoteService = Pick<Remote<CacheService>, 'contextQuery' | 'internContext' | 'analyse'>;

interface ContextQuery {
  readonly sql: string;
  readonly catalogVersion: number;
}

export class AttachedCache {
  readonly generation: number;
  readonly reader: StoreReader;
  readonly verdicts: Verdicts;
  readonly outbox: Outbox;
  private readonly service: RemoteService;
  private readonly control: ControlWords;
  private readonly contexts = new Map<string, ContextAnswer>();
  private readonly queries = new Map<string, ContextQuery | 'asked'>();

  constructor(link: CacheLink, control: ControlWords, workerSlot: number, service?: RemoteService) {
    this.generation = link.generation;
    this.reader = new StoreReader(link.store);
    this.control = control;
    this.service = service ?? wrap<CacheService>(nodeEndpoint(link.service));
    this.verdicts = new Verdicts((request) => Promise.resolve(this.service.analyse(request)));
    const word = consumedWord(workerSlot);
    this.outbox = new Outbox(link.offers, () => Atomics.load(this.reader.words, word));
  }

  /** C19: to be asked first. */
  get isLive(): boolean {
    return currentGeneration(this.control) === this.generation && this.reader.state() === StoreState.live;
  }

  token(): FillToken {
    return {
      generation: this.generation,
      streamEpoch: this.reader.streamEpoch(),
      settleStamp: this.reader.settleStamp(),
      catalogVersion: this.reader.catalogVersion(),
    };
  }

  /** The query for a session's context, null while it is not known; then it is asked for and `arrived` is called. */
  contextQuery(database: string, arrived: () => void): string | null {
    const known = this.queries.get(database);
    if (known === 'asked') return null;
    if (known !== undefined && known.catalogVersion === this.reader.catalogVersion()) return known.sql;
    this.queries.set(database, 'asked');
    Promise.resolve(this.service.contextQuery(database)).then(
      (query) => {
        this.queries.delete(database);
        if (query === null || query.catalogVersion !== this.reader.catalogVersion()) return;
        this.queries.set(database, query);
        arrived();
      },
      () => void this.queries.delete(database),
    );
    return null;
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
