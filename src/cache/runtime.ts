/** The cache thread put together: one store, its index and change log, and the feeds that keep them right. */
import type { MessagePort } from 'node:worker_threads';
import type { Clock } from '../shared/clock.ts';
import { Limits } from '../shared/limits.ts';
import type { Logger } from '../shared/log.ts';
import { openControl } from '../shared/memory/control.ts';
import { StoreState } from '../shared/memory/layout.ts';
import { encodeAdmission } from '../shared/memory/shape-hits.ts';
import type { CacheInit, CacheStatus, Explanation } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import { Admitter } from './admitter.ts';
import { bindDependencies } from './analyse/bind.ts';
import { tableName } from './analyse/tables.ts';
import type { Analysis } from './analyse/verdict.ts';
import type { AnswerFrames } from './answer-rows.ts';
import type { Catalog } from './catalog.ts';
import { ChangeLog } from './change-log.ts';
import type { Dependency } from './dependency.ts';
import { DependencyIndex } from './dependency-index.ts';
import { Feed } from './feed.ts';
import { StoreHeader } from './header.ts';
import { Inbox } from './inbox.ts';
import type { ParsedKey } from './key-reader.ts';
import { withKnownKeys } from './known-keys.ts';
import type { StatementAnalyser } from './model.ts';
import { Service } from './service.ts';
import { ShapeNumbers } from './shape-numbers.ts';
import { CacheStore } from './store.ts';

export interface RuntimePorts {
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly log: Logger;
  readonly analyserOf: (catalog: Catalog) => StatementAnalyser;
}

const PUBLISH_WAIT_MS = 200;

export class CacheRuntime {
  readonly service: Service;
  readonly header: StoreHeader;
  readonly store: CacheStore;
  readonly index: DependencyIndex;
  readonly #inbox: Inbox;
  readonly #admitter: Admitter<Analysis>;
  readonly #feed: Feed;

  constructor(init: CacheInit, ports: RuntimePorts) {
    const { config, generation } = init;
    const control = openControl(init.control);
    this.index = new DependencyIndex((oid) => this.#feed.model?.keyColumns(oid) ?? null);
    this.store = new CacheStore({
      generation,
      memoryBytes: config.cache.memoryBytes,
      control,
      removed: (block) => this.index.remove(block),
    });
    this.header = new StoreHeader(this.store);
    const changeLog = new ChangeLog();
    const { header, store, index } = this;
    const shapes = new ShapeNumbers(control);
    this.#feed = new Feed({ ...init, ...ports, control, header, store, index, changeLog });
    this.#admitter = new Admitter<Analysis>({
      generation,
      entryBytesMax: config.cache.entryBytesMax,
      header,
      tables: this.#feed.tables,
      log: changeLog,
      store,
      index,
      analysisOf: (key) => this.#analysisOf(key),
      wanted: (relations) => void this.#feed.want(relations),
      bind: (analysis, key, answer) => this.#bind(analysis, key, answer),
      primaryKeyOf: (oid) => this.#feed.model?.primaryKey(oid) ?? [],
      admissionOf: ({ shape }) => {
        shapes.admitted(shape);
        return encodeAdmission(shape, ports.clock.nowMs());
      },
      descendantsOf: (oid) => this.#feed.model?.descendants(oid) ?? [],
      faults: config.faults,
    });
    this.#inbox = new Inbox({
      words: store.words,
      admit: (offer) => {
        if (this.#admitter.admit(offer) === 'fill.changed') this.#feed.refused();
      },
      nudged: () => this.#feed.nudged(),
    });
    this.service = new Service({
      feeds: new Map([[config.upstream.database, this.#feed]]),
      feed: this.#feed,
      catalogVersion: () => header.catalogVersion,
      publishWaitMs: PUBLISH_WAIT_MS,
      ...{ database: config.upstream.database, store, shapes, clock: ports.clock },
    });
  }

  start(): void {
    this.#feed.start();
  }

  connectWorker(workerSlot: number, offers: MessagePort): void {
    this.#inbox.connect(workerSlot, offers);
  }

  disconnectWorker(workerSlot: number): void {
    this.#inbox.disconnect(workerSlot);
  }

  /** Empties the store; returns how many entries there were. */
  flush(): number {
    return this.store.clear();
  }

  explain(sql: string): Promise<Explanation> {
    return this.service.explainText(sql);
  }

  async stop(): Promise<void> {
    await this.#feed.stop();
  }

  /** For a thread that is about to end: nobody may read any more. */
  shut(): void {
    this.header.setState(StoreState.down);
  }

  status(): CacheStatus {
    const { entries, bytes, bytesMax, evicted } = this.store.statistics();
    return {
      entries,
      bytes,
      bytesMax,
      evicted,
      admitted: this.#admitter.admitted,
      rejected: this.#admitter.rejected,
      invalidated: this.#feed.invalidated,
      cdc: this.#feed.status(),
      catalogVersion: this.header.catalogVersion,
      publishedTables: this.#feed.publishedTables,
      uncacheableTables: this.#uncacheableTables(),
      impreciseTables: this.#impreciseTables(),
      reasons: Object.fromEntries(this.#admitter.refusals) as Partial<Record<Reason, number>>,
      analysed: this.#feed.analysed,
      examples: this.#admitter.examples,
    };
  }

  /** Those that the publication refused, and those that the catalog rules out. */
  #uncacheableTables(): CacheStatus['uncacheableTables'] {
    const refused = [...this.#feed.tables.refusals].map(({ table, reason, remedy }) => ({ table, reason, remedy }));
    const names = new Set(refused.map(({ table }) => table));
    const others = this.#feed.model?.uncacheableTables ?? [];
    return [...refused, ...others.filter(({ table }) => !names.has(table))].slice(0, Limits.uncacheableTablesMax);
  }

  /** Tables whose changes invalidated answers only because their old rows are not told whole, the worst first. */
  #impreciseTables(): CacheStatus['impreciseTables'] {
    const relations = this.#feed.model?.catalog.relations;
    const known = [...this.index.fallBacks].flatMap(([oid, { rows, entries }]) => {
      const relation = relations?.get(oid);
      if (relation === undefined || relation.replicaIdentity === 'f') return [];
      const table = tableName(relation);
      return [{ table, changes: rows, entries, remedy: `ALTER TABLE ${table} REPLICA IDENTITY FULL` }];
    });
    return known.toSorted((a, b) => b.entries - a.entries).slice(0, Limits.uncacheableTablesMax);
  }

  #bind(analysis: Analysis, key: ParsedKey, answer: AnswerFrames): readonly Dependency[] | null {
    const dependencies = bindDependencies(analysis, key);
    const relation = this.#feed.model?.catalog.relations.get(analysis.plain?.relation ?? 0);
    return dependencies === null ? null : withKnownKeys(dependencies, analysis, relation, key, answer);
  }

  #analysisOf(key: ParsedKey): Analysis | null {
    const model = this.#feed.model;
    const context = model?.contexts.get(key.contextId);
    if (model === null || context === undefined || !model.contexts.isKeyable(key.contextId)) return null;
    const protocol = key.form === 'simple' ? 'simple' : 'extended';
    return model.analyses.of({ text: key.text, parameterTypes: key.parameterTypes, protocol }, context).analysis;
  }
}
