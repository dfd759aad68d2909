/** What workers ask over Comlink: the query for a session's context, the number of a context, the verdict on a statement. */
import type { Clock } from '../shared/clock.ts';
import type {
  AnalyseRequest,
  CacheService,
  ContextAnswer,
  ContextRow,
  Explanation,
  Verdict,
} from '../shared/messages.ts';
import { stripComments } from '../shared/shape.ts';
import type { Analysis } from './analyse/verdict.ts';
import { contextQuery, defaultContext, describeContext, type SessionContext } from './context.ts';
import { type ExplainParts, explainAnalysis, explainNothing } from './explain.ts';
import { findEntries } from './explained-entries.ts';
import type { Feed } from './feed.ts';
import type { CatalogModel } from './model.ts';
import type { ShapeNumbers } from './shape-numbers.ts';
import type { CacheStore } from './store.ts';
import type { TableRefusal } from './tables.ts';

export interface ServiceOptions {
  /** By database name. */
  readonly feeds: ReadonlyMap<string, Feed>;
  /** The feed of statements that name no database (`explain`), and of all contexts. */
  readonly feed: Feed;
  readonly catalogVersion: () => number;
  /** How long a verdict waits for its tables to be published or refused; then it is given as if they were. */
  readonly publishWaitMs: number;
  /** For `explain`. */
  readonly database: string;
  readonly store: Pick<CacheStore, 'reader'>;
  readonly shapes: Pick<ShapeNumbers, 'hits' | 'reserve'>;
  readonly clock: Clock;
}

/** For sessions of databases without a feed: all that the worker needs is its first column. */
const NO_CONTEXT = 'SELECT pg_catalog.pg_backend_pid()';

export class Service implements CacheService {
  readonly #options: ServiceOptions;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  async contextQuery(database: string): Promise<{ readonly sql: string; readonly catalogVersion: number }> {
    const feed = this.#options.feeds.get(database);
    if (feed === undefined) return { sql: NO_CONTEXT, catalogVersion: this.#options.catalogVersion() };
    const model = await feed.whenModel();
    return { sql: contextQuery(model.catalog), catalogVersion: model.catalogVersion };
  }

  /** Waits while the catalog is being loaded: a refusal of that moment would be remembered for as long as the catalog lasts. */
  async internContext(database: string, row: ContextRow): Promise<ContextAnswer> {
    const feed = this.#options.feeds.get(database);
    const catalogVersion = this.#options.catalogVersion();
    if (feed === undefined) return { contextId: 0, reason: 'session.database', catalogVersion };
    const model = await feed.whenModel();
    return model.contexts.intern(row);
  }

  /** @throws Error when the context is of another catalog version: the worker asks again once it knows better. */
  async analyse(request: AnalyseRequest): Promise<Verdict> {
    const { model } = this.#options.feed;
    const context = model?.contexts.get(request.contextId);
    if (model === null || context === undefined) throw new Error(`context ${request.contextId} is not known`);
    const { verdictId, analysis } = model.analyses.of(request, context);
    const mayPublish = analysis.cacheable && model.contexts.isKeyable(request.contextId);
    const refusal = mayPublish ? await this.#publish(analysis) : null;
    return {
      verdictId,
      catalogVersion: model.catalogVersion,
      cacheable: analysis.cacheable && refusal === null,
      reason: analysis.reason ?? refusal?.reason ?? null,
      readOnly: analysis.readOnly,
      writes: analysis.writes,
      changesContext: analysis.changesContext,
      transactionControl: analysis.transactionControl,
      scope: analysis.scope,
      shape: analysis.cacheable ? this.#options.shapes.reserve(request.text) : 0,
      signature: analysis.signature,
    };
  }

  /** As the session with this context has it; `row` is what the origin said of it. */
  async explain(request: AnalyseRequest, row: ContextRow): Promise<Explanation> {
    const { feed, database } = this.#options;
    const { model } = feed;
    const { contextId, text } = request;
    const context = model?.contexts.get(contextId);
    if (model === null || context === undefined) return explainNothing(feed.status().problem, text);
    return this.#explain(model, context, request, {
      ...{ text, contextId, entries: [] },
      keySettings: [{ name: 'database', value: database }, ...describeContext(row, model.catalog)],
    });
  }

  /** As a session with the default search path would have it; entries of all contexts are listed. */
  async explainText(text: string): Promise<Explanation> {
    const { feed, store, clock } = this.#options;
    const { model } = feed;
    if (model === null) return explainNothing(feed.status().problem, text);
    // Parameters of unknown type make it a statement of the extended protocol.
    const request = { contextId: 0, text, parameterTypes: [], protocol: 'extended' } as const;
    return this.#explain(model, defaultContext(model.catalog), request, {
      ...{ text, contextId: null },
      entries: findEntries(store, model.contexts.keyable, stripComments(text), clock.nowMs()),
      keySettings: [{ name: 'database', value: null }, ...describeContext(null, model.catalog)],
    });
  }

  async #explain(
    model: CatalogModel,
    context: SessionContext,
    request: AnalyseRequest,
    parts: Omit<ExplainParts, 'refusal' | 'hits'>,
  ): Promise<Explanation> {
    const { analysis } = model.analyses.of(request, context);
    const refusal = analysis.cacheable ? await this.#publish(analysis) : null;
    return explainAnalysis(model, analysis, { ...parts, refusal, hits: this.#options.shapes.hits(request.text) });
  }

  /** Has the tables published; the refusal of one that cannot be. */
  async #publish({ streamed }: Analysis): Promise<TableRefusal | null> {
    const { feed, publishWaitMs } = this.#options;
    if (streamed.some((oid) => feed.tables.liveStamp(oid) === undefined)) {
      await within(feed.want(streamed), publishWaitMs);
    }
    for (const oid of streamed) {
      const refusal = feed.tables.refusal(oid);
      if (refusal !== undefined) return refusal;
    }
    return null;
  }
}

async function within(work: Promise<void>, msMax: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, msMax);
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}
