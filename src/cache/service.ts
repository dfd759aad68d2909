/** What workers ask over Comlink: the query for a session's context, the number of a context, the verdict on a statement. */
import type { Clock } from '../shared/clock.ts';
import { Limits } from '../shared/limits.ts';
import { fencedTable } from '../shared/memory/fences.ts';
import type {
  AnalyseRequest,
  CacheService,
  ContextAnswer,
  ContextRow,
  Explanation,
  Verdict,
  Writes,
} from '../shared/messages.ts';
import { stripComments } from '../shared/shape.ts';
import type { Analysis } from './analyse/verdict.ts';
import { contextQuery, defaultContext, describeContext, type SessionContext } from './context.ts';
import type { Database } from './database.ts';
import type { Databases } from './databases.ts';
import { type ExplainParts, explainAnalysis, explainNothing } from './explain.ts';
import { findEntries } from './explained-entries.ts';
import type { CatalogModel } from './model.ts';
import type { ShapeNumbers } from './shape-numbers.ts';
import { Slices } from './slices.ts';
import type { CacheStore } from './store.ts';
import type { TableRefusal } from './tables.ts';

export interface ServiceOptions {
  readonly databases: Databases;
  /** How long a verdict waits for its tables to be published or refused; then it is given as if they were. */
  readonly publishWaitMs: number;
  /** For `explain`. */
  readonly store: Pick<CacheStore, 'reader'>;
  readonly shapes: Pick<ShapeNumbers, 'hits' | 'reserve'>;
  readonly clock: Clock;
}

/** For sessions of databases without a feed: all that the worker needs is its first column. */
const NO_CONTEXT = 'SELECT pg_catalog.pg_backend_pid()';

export class Service {
  readonly #options: ServiceOptions;
  readonly #slices: Slices;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#slices = new Slices(options.clock, Limits.analysisSliceMs);
  }

  /** What one worker may ask. */
  forWorker(workerSlot: number): CacheService {
    const { databases } = this.#options;
    return {
      openDatabase: (name) => databases.open(name, workerSlot),
      closeDatabase: async (name) => databases.close(name, workerSlot),
      databaseEntered: async (name) => databases.entered(name),
      holdDatabase: (hold) => databases.hold(workerSlot, hold),
      cancelHold: async (cancelKey) => databases.cancel(cancelKey),
      unholdDatabase: async (id, isGone) => databases.unhold(workerSlot, id, isGone),
      lookOver: (name) => databases.lookOver(name),
      contextQuery: (name) => this.contextQuery(name),
      internContext: (name, row) => this.internContext(name, row),
      analyse: (request) => this.analyse(request),
      fetchShared: async (request) => (await databases.of(request.contextId)?.shared?.fetch(request)) ?? 0,
      explain: (request, row) => this.explain(request, row),
    };
  }

  async contextQuery(name: string): Promise<{ readonly sql: string; readonly catalogVersion: number }> {
    const database = this.#options.databases.named(name);
    if (database === undefined) return { sql: NO_CONTEXT, catalogVersion: 0 };
    const model = await database.feed.models.whenCurrent();
    return { sql: contextQuery(model.catalog), catalogVersion: model.catalogVersion };
  }

  /** Waits while the catalog is being loaded: a refusal of that moment would be remembered for as long as the catalog lasts. */
  async internContext(name: string, row: ContextRow): Promise<ContextAnswer> {
    const database = this.#options.databases.named(name);
    if (database === undefined) return { contextId: 0, reason: 'session.database', catalogVersion: 0 };
    const model = await database.feed.models.whenCurrent();
    return model.contexts.intern(row);
  }

  /** @throws Error when the context is of a catalog version that is long gone: the worker asks again once it knows better. */
  async analyse(request: AnalyseRequest): Promise<Verdict> {
    const { database, model, verdictId, analysis } = await this.#slices.run(() => this.#find(request));
    const isCurrent = model === database.feed.models.current;
    const mayPublish = isCurrent && analysis.cacheable && model.contexts.isKeyable(request.contextId);
    const refusal = mayPublish ? await this.#publish(database, analysis) : null;
    return {
      verdictId,
      catalogVersion: model.catalogVersion,
      cacheable: analysis.cacheable && refusal === null,
      reason: analysis.reason ?? refusal?.reason ?? null,
      readOnly: analysis.readOnly,
      writes: fencedWrites(database, analysis.writes),
      changesContext: analysis.changesContext,
      transactionControl: analysis.transactionControl,
      pin: analysis.pin,
      settings: analysis.settings,
      scope: analysis.scope,
      shape: analysis.cacheable ? this.#options.shapes.reserve(request.text) : 0,
      signature: analysis.signature,
      ...(analysis.prepared !== undefined && { prepared: analysis.prepared }),
    };
  }

  #find(request: AnalyseRequest) {
    const database = this.#options.databases.of(request.contextId);
    const model = database?.feed.models.knowing(request.contextId) ?? null;
    const context = model?.contexts.get(request.contextId);
    if (database === undefined || model === null || context === undefined) {
      throw new Error(`context ${request.contextId} is not known`);
    }
    return { database, model, ...model.analyses.of(request, context) };
  }

  /** As the session with this context has it; `row` is what the origin said of it. */
  async explain(request: AnalyseRequest, row: ContextRow): Promise<Explanation> {
    const { contextId, text } = request;
    const database = this.#options.databases.of(contextId) ?? this.#options.databases.first;
    const model = database.feed.models.current;
    const context = model?.contexts.get(contextId);
    if (model === null || context === undefined) return explainNothing(database.feed.status().problem, text);
    return this.#explain(database, model, context, request, {
      ...{ text, contextId, entries: [] },
      keySettings: [{ name: 'database', value: database.name }, ...describeContext(row, model.catalog)],
    });
  }

  /** As a session of the first database with the default search path would have it; entries of all its contexts are listed. */
  async explainText(text: string): Promise<Explanation> {
    const { databases, store, clock } = this.#options;
    const { first } = databases;
    const model = first.feed.models.current;
    if (model === null) return explainNothing(first.feed.status().problem, text);
    // Parameters of unknown type make it a statement of the extended protocol.
    const request = { contextId: 0, text, parameterTypes: [], protocol: 'extended' } as const;
    return this.#explain(first, model, defaultContext(model.catalog), request, {
      ...{ text, contextId: null },
      entries: findEntries(store, model.contexts.keyable, stripComments(text), clock.nowMs()),
      keySettings: [{ name: 'database', value: null }, ...describeContext(null, model.catalog)],
    });
  }

  async #explain(
    database: Database,
    model: CatalogModel,
    context: SessionContext,
    request: AnalyseRequest,
    parts: Omit<ExplainParts, 'refusal' | 'hits'>,
  ): Promise<Explanation> {
    const { analysis } = model.analyses.of(request, context);
    const refusal = analysis.cacheable ? await this.#publish(database, analysis) : null;
    return explainAnalysis(model, analysis, { ...parts, refusal, hits: this.#options.shapes.hits(request.text) });
  }

  /** Has the tables published; the refusal of one that cannot be. */
  async #publish({ feed }: Database, { streamed }: Analysis): Promise<TableRefusal | null> {
    const { publishWaitMs } = this.#options;
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

/** Tables as fences know them: a worker needs them for nothing else. */
function fencedWrites({ hash }: Database, writes: Writes): Writes {
  if (typeof writes === 'string') return writes;
  return writes.map(({ relation, points }) => ({ relation: fencedTable(hash, relation), points }));
}

async function within(work: Promise<void>, msMax: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, msMax);
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}
