/** What workers ask over Comlink: the query for a session's context, the number of a context, the verdict on a statement. */
import type {
  AnalyseRequest,
  CacheService,
  ContextAnswer,
  ContextRow,
  Explanation,
  Verdict,
} from '../shared/messages.ts';
import type { Analysis } from './analyse/verdict.ts';
import { contextQuery, defaultContext, type SessionContext } from './context.ts';
import { explainAnalysis, explainNothing } from './explain.ts';
import type { Feed } from './feed.ts';
import type { CatalogModel } from './model.ts';
import type { TableRefusal } from './tables.ts';

export interface ServiceOptions {
  /** By database name. */
  readonly feeds: ReadonlyMap<string, Feed>;
  /** The feed of statements that name no database (`explain`), and of all contexts. */
  readonly feed: Feed;
  readonly catalogVersion: () => number;
  /** How long a verdict waits for its tables to be published or refused; then it is given as if they were. */
  readonly publishWaitMs: number;
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
      signature: analysis.signature,
    };
  }

  async explain(contextId: number, text: string): Promise<Explanation> {
    const { model } = this.#options.feed;
    const context = model?.contexts.get(contextId);
    if (model === null || context === undefined) return explainNothing(this.#options.feed.status().problem);
    return this.#explain(model, context, text);
  }

  /** As a session with the default search path would have it. */
  async explainText(text: string): Promise<Explanation> {
    const { model } = this.#options.feed;
    if (model === null) return explainNothing(this.#options.feed.status().problem);
    return this.#explain(model, defaultContext(model.catalog), text);
  }

  async #explain(model: CatalogModel, context: SessionContext, text: string): Promise<Explanation> {
    // Parameters of unknown type make it a statement of the extended protocol.
    const { analysis } = model.analyses.of({ text, parameterTypes: [], protocol: 'extended' }, context);
    return explainAnalysis(model, analysis, analysis.cacheable ? await this.#publish(analysis) : null);
  }

  /** Has the tables published; the refusal of one that cannot be. */
  async #publish({ relations }: Analysis): Promise<TableRefusal | null> {
    const { feed, publishWaitMs } = this.#options;
    if (relations.some((oid) => feed.tables.liveStamp(oid) === undefined)) {
      await within(feed.want(relations), publishWaitMs);
    }
    for (const oid of relations) {
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
