/** The cache thread put together: one store, the databases whose answers are in it, and what workers may ask and offer. */
import type { MessagePort } from 'node:worker_threads';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/log.ts';
import { openControl } from '../shared/memory/control.ts';
import type {
  CacheInit,
  CacheService,
  CacheStatus,
  Explanation,
  Offer,
  ReasonExamples,
  SecondTierStatus,
} from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import type { Catalog } from './catalog.ts';
import { Databases } from './databases.ts';
import { Inbox } from './inbox.ts';
import type { StatementAnalyser } from './model.ts';
import { Renumbering } from './renumber.ts';
import { Service } from './service.ts';
import { ShapeNumbers } from './shape-numbers.ts';
import { CacheStore } from './store.ts';
import { RedisBytes } from './tier2/redis.ts';

export interface RuntimePorts {
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly log: Logger;
  readonly analyserOf: (catalog: Catalog) => StatementAnalyser;
}

const PUBLISH_WAIT_MS = 200;

export class CacheRuntime {
  readonly store: CacheStore;
  readonly databases: Databases;
  readonly #service: Service;
  readonly #inbox: Inbox;
  readonly #redis: RedisBytes | null;
  /** Offers for databases that have gone meanwhile. */
  #strays = 0;

  constructor(init: CacheInit, ports: RuntimePorts) {
    const { config, generation, nodeName } = init;
    const control = openControl(init.control);
    this.store = new CacheStore({
      generation,
      memoryBytes: config.cache.memoryBytes,
      control,
      removed: (block) => this.databases.removed(block),
    });
    const { store } = this;
    const shapes = new ShapeNumbers(control);
    const renumbering = new Renumbering(control, store.words, () => {
      for (const { feed } of this.databases.all) feed.forgetRounds();
    });
    this.#redis = config.tier2 === null ? null : new RedisBytes(config.tier2, ports.clock, ports.log);
    this.databases = new Databases({
      remote: this.#redis,
      ...{ ...ports, config, generation, nodeName, control, store, shapes },
      onRoundsLong: () => renumbering.request(),
      tell: (notice) => this.#inbox.tell(notice),
    });
    this.#inbox = new Inbox({
      words: store.words,
      admit: (offer) => this.#admit(offer),
      nudged: () => {
        for (const { feed } of this.databases.all) feed.nudged();
      },
    });
    this.#service = new Service({
      databases: this.databases,
      publishWaitMs: PUBLISH_WAIT_MS,
      ...{ store, shapes, clock: ports.clock },
    });
  }

  start(): void {
    this.databases.first.feed.start();
  }

  /** @returns what the worker may ask. */
  connectWorker(workerSlot: number, offers: MessagePort): CacheService {
    this.#inbox.connect(workerSlot, offers);
    return this.#service.forWorker(workerSlot);
  }

  disconnectWorker(workerSlot: number): void {
    this.#inbox.disconnect(workerSlot);
    this.databases.disconnect(workerSlot);
  }

  /** Empties the store; returns how many entries there were. */
  async flush(): Promise<number> {
    const { entries } = this;
    await this.databases.flush();
    return entries;
  }

  /** Those that can be found. */
  get entries(): number {
    return this.databases.all.reduce((entries, database) => entries + database.entries, 0);
  }

  explain(sql: string): Promise<Explanation> {
    return this.#service.explainText(sql);
  }

  async stop(): Promise<void> {
    await this.databases.stop();
    this.#redis?.close();
  }

  /** For a thread that is about to end: nobody may read any more. */
  shut(): void {
    this.databases.shut();
  }

  status(): CacheStatus {
    const { bytes, bytesMax, evicted, pinnedEntries, pinnedBytes } = this.store.statistics();
    const { entries } = this;
    const { first, all } = this.databases;
    const { admitted, rejected, invalidated, corrected, refreshed } = this.databases.totals();
    return {
      ...{ entries, bytes, bytesMax, evicted, admitted, invalidated, corrected, rejected: rejected + this.#strays },
      ...{ refreshed, pinnedEntries, pinnedBytes },
      cdc: first.feed.status(),
      databases: all.map((database) => database.status()),
      catalogVersion: first.header.catalogVersion,
      publishedTables: first.feed.publishedTables,
      uncacheableTables: first.uncacheableTables,
      impreciseTables: first.impreciseTables,
      reasons: this.#refusals(),
      tier2: this.#tier2(),
      analysed: this.databases.analysed,
      examples: Object.assign({}, ...all.map(({ admitter }) => admitter.examples)) as ReasonExamples,
    };
  }

  #admit(offer: Offer): void {
    const database = this.databases.of(offer.contextId);
    if (database === undefined) this.#strays++;
    else database.admit(offer);
  }

  #tier2(): SecondTierStatus | null {
    if (this.#redis === null) return null;
    const { isUp, missing, failed, written, dropped, notWritten } = this.#redis.traffic;
    const { taken, refused } = this.databases.totals();
    return { isUp, lookups: { taken, missing, refused, failed }, writes: { written, dropped, failed: notWritten } };
  }

  #refusals(): Partial<Record<Reason, number>> {
    const reasons: Partial<Record<Reason, number>> = this.#strays === 0 ? {} : { 'fill.generation': this.#strays };
    for (const { admitter } of this.databases.all) {
      for (const [reason, count] of admitter.refusals) reasons[reason] = (reasons[reason] ?? 0) + count;
    }
    return reasons;
  }
}
