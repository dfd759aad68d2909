/** One database of the origin, with all that is its own: feed, words of the header, dependency index, change log and admitter. The store is shared. */
import { createHash } from 'node:crypto';
import type { Config } from '../shared/config.ts';
import { Limits } from '../shared/limits.ts';
import {
  awaitedRound,
  confirmingRound,
  openSessions,
  readsBehind,
  startedRound,
  wantedRound,
  wishedRound,
} from '../shared/memory/control.ts';
import { databaseHash } from '../shared/memory/fences.ts';
import { encodeAdmission } from '../shared/memory/shape-hits.ts';
import type { CacheNotice, CacheStatus, DatabaseStatus, FillToken, Offer } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import { Admitter, type KeptEntry } from './admitter.ts';
import { bindDependencies } from './analyse/bind.ts';
import { tableName } from './analyse/tables.ts';
import type { Analysis } from './analyse/verdict.ts';
import type { AnswerFrames } from './answer-rows.ts';
import { ChangeLog } from './change-log.ts';
import { withColumnsUsed } from './columns-used.ts';
import { contextIdOfBlock } from './context-ids.ts';
import { Departures } from './departures.ts';
import type { Dependency } from './dependency.ts';
import { DependencyIndex } from './dependency-index.ts';
import { Feed, type FeedOptions } from './feed.ts';
import type { StoreHeader } from './header.ts';
import { InPlace } from './in-place.ts';
import type { ParsedKey } from './key-reader.ts';
import { withKnownKeys } from './known-keys.ts';
import { listAnswerOf } from './list-answer.ts';
import { pointAnswerOf } from './point-answer.ts';
import type { Corrigible } from './recipe.ts';
import { RefreshAhead } from './refresh-ahead.ts';
import type { ShapeNumbers } from './shape-numbers.ts';
import { SnapshotHistory } from './snapshot-history.ts';
import type { CacheStore, NewEntry } from './store.ts';
import type { RemoteBytes } from './tier2/redis.ts';
import { SharedAnswers } from './tier2/shared-answers.ts';

type Shared = Pick<
  FeedOptions,
  | 'nodeName'
  | 'control'
  | 'clock'
  | 'wallClock'
  | 'analyserOf'
  | 'nextVerdictId'
  | 'nextAttempt'
  | 'nextContextId'
  | 'onRoundsLong'
>;

export interface DatabaseOptions extends Shared {
  /** As clients call it. */
  readonly name: string;
  readonly slot: number;
  readonly generation: number;
  /** Of the whole process. */
  readonly config: Config;
  readonly log: FeedOptions['log'];
  readonly header: StoreHeader;
  readonly store: CacheStore;
  readonly shapes: Pick<ShapeNumbers, 'admitted'>;
  /** Contexts numbered so far have lower numbers, all that follow have not. */
  readonly contextIdLimit: () => number;
  /** Entries died: they are to be taken out of the store before long. */
  readonly onDead: () => void;
  /** To all workers. */
  readonly tell: (notice: CacheNotice) => void;
  /** Where other nodes leave answers and find ours; null: this one is alone. */
  readonly remote: RemoteBytes | null;
}

/** Digits of a hash in the name of a slot. */
const HASH_DIGITS = 8;

/** The stream of another database than `--upstream`'s: same server and role. A named slot is of one database, so theirs get names of their own. */
export function configOf(config: Config, name: string): Config {
  if (name === config.upstream.database) return config;
  const { cdc, cdcUpstream } = config;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  const slot = cdc.slot === undefined ? undefined : `${cdc.slot.slice(0, 62 - HASH_DIGITS)}_${hash}`;
  return { ...config, cdc: { ...cdc, slot }, cdcUpstream: { ...cdcUpstream, database: name } };
}

export class Database {
  readonly name: string;
  readonly slot: number;
  /** `databaseHash` of its name. */
  readonly hash: number;
  readonly header: StoreHeader;
  readonly index: DependencyIndex;
  readonly feed: Feed;
  readonly admitter: Admitter<Analysis>;
  readonly departures: Departures;
  readonly shared: SharedAnswers | null;
  /** Slots of the workers that have sessions in it. */
  readonly workers = new Set<number>();
  readonly #options: DatabaseOptions;
  #entries = 0;
  /** Entries of contexts below are dead. */
  #deadBelow = 0;
  #refreshed = 0;

  constructor(options: DatabaseOptions) {
    const { name, slot, config, header, store, control, generation, shapes, clock } = options;
    this.#options = options;
    this.name = name;
    this.slot = slot;
    this.header = header;
    this.hash = databaseHash(name);
    this.index = new DependencyIndex((oid) => this.feed.models.current?.keyColumns(oid) ?? null, store.books);
    const changeLog = new ChangeLog();
    const { index } = this;
    const history = options.remote === null ? undefined : new SnapshotHistory();
    const { inPlace, refreshAhead } = config.cache;
    this.departures = new Departures(
      inPlace ? this.#makeInPlace() : undefined,
      refreshAhead ? this.#makeRefreshAhead() : undefined,
    );
    this.feed = new Feed({
      ...options,
      departures: this.departures,
      history,
      config: configOf(config, name),
      index,
      changeLog,
      clear: () => this.clear(),
      // All sessions count for the first database: heartbeats of rounds go on as they do with one.
      sessions: () => (slot === 0 ? openSessions(control) : this.workers.size),
      wantedRound: () => wantedRound(store.words, slot),
      awaitedRound: () => awaitedRound(store.words, slot),
      confirmingRound: () => confirmingRound(store.words, slot),
      wishedRound: () => wishedRound(store.words, slot),
      readsBehind: () => readsBehind(store.words, slot),
      entries: () => this.#entries,
    });
    this.admitter = new Admitter<Analysis>({
      generation,
      entryBytesMax: config.cache.entryBytesMax,
      header,
      tables: this.feed.tables,
      log: changeLog,
      store: {
        reader: store.reader,
        find: (hash, key) => store.find(hash, key),
        insert: (entry) => this.#insert(entry),
      },
      index,
      analysisOf: (key) => this.#analysisOf(key),
      wanted: (relations) => void this.feed.want(relations),
      bind: (analysis, key, answer) => this.#bind(analysis, key, answer),
      primaryKeyOf: (oid) => this.feed.models.current?.primaryKey(oid) ?? [],
      descendantsOf: (oid) => this.feed.models.current?.descendants(oid) ?? [],
      database: this.hash,
      admissionOf: ({ shape }) => {
        shapes.admitted(shape);
        return encodeAdmission(shape, clock.nowMs());
      },
      faults: config.faults,
    });
    this.shared = history === undefined ? null : this.#makeShared(history);
  }

  /** Entries in the store, without those that are dead. */
  get entries(): number {
    return this.#entries;
  }

  /** Whether an entry of its may not be found any more, and only takes up room. */
  isDead(block: number): boolean {
    return contextIdOfBlock(this.#options.store.reader, block) < this.#deadBelow;
  }

  /** Answers that were asked for again, and admitted. */
  get refreshed(): number {
    return this.#refreshed;
  }

  /** One of its entries has left the store. */
  removed(block: number): void {
    this.departures.left(block);
    if (this.isDead(block)) return;
    this.#entries--;
    this.index.remove(block);
  }

  admit(offer: Offer): Reason | null {
    const refused = this.admitter.admit(offer);
    if (refused === null && offer.isRefresh) this.#refreshed++;
    if (refused === null) this.feed.filled(offer.isAwaited === true);
    else if (refused === 'fill.changed') this.feed.refused();
    if (refused === null) this.shared?.admitted(offer);
    return refused;
  }

  #makeInPlace(): InPlace {
    const { store, header, config } = this.#options;
    return new InPlace({
      reader: store.reader,
      corrigibleOf: (key, frames) => this.#corrigibleOf(key, frames),
      isConfirmed: (block) => store.reader.filledRound(block) <= header.freshRound,
      tokenOf: (settleStamp) => this.#tokenOf(settleStamp),
      faults: config.faults,
      isStored: (hash, key) => store.find(hash, key) !== 0,
      // No round needs to confirm it: one has.
      admit: (offer, kept) => this.#readmit(offer, kept),
    });
  }

  /** For an answer that shows what had settled with the stamp, under the catalog of now. */
  #tokenOf(settleStamp: number): FillToken {
    const { generation, header } = this.#options;
    return { generation, streamEpoch: header.streamEpoch, settleStamp, catalogVersion: header.catalogVersion };
  }

  #makeShared(history: SnapshotHistory): SharedAnswers {
    const { remote, config, control } = this.#options;
    return new SharedAnswers({
      remote: remote!,
      costMsMin: config.tier2!.costMsMin,
      history,
      era: () => this.feed.life?.era ?? null,
      model: () => this.feed.models.current,
      tokenOf: (settleStamp) => this.#tokenOf(settleStamp),
      nextRound: () => startedRound(control) + 1,
      admit: (offer) => this.admit(offer),
      faults: config.faults,
    });
  }

  #makeRefreshAhead(): RefreshAhead {
    const { store, clock, tell } = this.#options;
    return new RefreshAhead({
      reader: store.reader,
      isStored: (hash, key) => store.find(hash, key) !== 0,
      nowMs: () => clock.nowMs(),
      tell,
    });
  }

  #readmit(offer: Offer, kept: KeptEntry | null): number {
    if (kept !== null) return this.admitter.readmit(offer, kept);
    const key = offer.bytes.subarray(0, offer.keyBytes);
    return this.admitter.admit(offer) === null ? this.#options.store.find(offer.hash, key) : 0;
  }

  #corrigibleOf(key: ParsedKey, frames: AnswerFrames): Corrigible | null {
    const model = this.feed.models.current;
    const analysis = this.#analysisOf(key);
    const context = model?.contexts.get(key.contextId);
    const relation = model?.catalog.relations.get(analysis?.list?.relation ?? 0);
    if (analysis === null || context === undefined || relation === undefined) return null;
    const dependencies = this.#bind(analysis, key, frames);
    if (dependencies === null) return null;
    const point = pointAnswerOf(key, analysis, dependencies, relation, context);
    const answer = point ?? listAnswerOf(key, analysis, dependencies, relation, context);
    if (answer === null) return null;
    const isOfKey = (point !== null || analysis.rowOrder === 'fixed') && dependencies.every(({ known }) => !known);
    return { answer, depends: isOfKey ? { streamed: analysis.streamed, dependencies } : null };
  }

  /** Those that the publication refused, and those that the catalog rules out. */
  get uncacheableTables(): CacheStatus['uncacheableTables'] {
    const refused = [...this.feed.tables.refusals].map(({ table, reason, remedy }) => ({ table, reason, remedy }));
    const names = new Set(refused.map(({ table }) => table));
    const others = this.feed.models.current?.uncacheableTables ?? [];
    return [...refused, ...others.filter(({ table }) => !names.has(table))].slice(0, Limits.uncacheableTablesMax);
  }

  /** Tables whose changes invalidated answers only because their old rows are not told whole, the worst first. */
  get impreciseTables(): CacheStatus['impreciseTables'] {
    const relations = this.feed.models.current?.catalog.relations;
    const known = [...this.index.fallBacks].flatMap(([oid, { rows, entries }]) => {
      const relation = relations?.get(oid);
      if (relation === undefined || relation.replicaIdentity === 'f') return [];
      const table = tableName(relation);
      return [{ table, changes: rows, entries, remedy: `ALTER TABLE ${table} REPLICA IDENTITY FULL` }];
    });
    return known.toSorted((a, b) => b.entries - a.entries).slice(0, Limits.uncacheableTablesMax);
  }

  /**
   * Its entries are dead from now on, however many there are; returns how many. To be called where the contexts of before are void, or the database is
   * down until they are: an entry's key begins with its context's number, which none has again, so nobody looks for it.
   */
  clear(): number {
    const entries = this.#entries;
    if (entries === 0) return 0;
    const { contextIdLimit, onDead } = this.#options;
    this.#deadBelow = contextIdLimit();
    this.#entries = 0;
    this.index.clear();
    onDead();
    return entries;
  }

  status(): DatabaseStatus {
    const { state, problem, appliedLsn, lagBytes, freshAsOfMs } = this.feed.status();
    const tables = this.feed.publishedTables.length;
    return { name: this.name, state, problem, appliedLsn, lagBytes, freshAsOfMs, tables, entries: this.#entries };
  }

  /** The store tells of each entry that leaves, so also of the one that this one replaces. */
  #insert(entry: NewEntry): number {
    const block = this.#options.store.insert(entry);
    if (block !== 0) this.#entries++;
    return block;
  }

  #bind(analysis: Analysis, key: ParsedKey, answer: AnswerFrames): readonly Dependency[] | null {
    const bound = bindDependencies(analysis, key);
    const dependencies = bound === null ? null : withColumnsUsed(bound, analysis.rowOrder, answer);
    const relation = this.feed.models.current?.catalog.relations.get(analysis.plain?.relation ?? 0);
    return dependencies === null ? null : withKnownKeys(dependencies, analysis, relation, key, answer);
  }

  #analysisOf(key: ParsedKey): Analysis | null {
    const model = this.feed.models.current;
    const context = model?.contexts.get(key.contextId);
    if (model === null || context === undefined || !model.contexts.isKeyable(key.contextId)) return null;
    const protocol = key.form === 'simple' ? 'simple' : 'extended';
    return model.analyses.of({ text: key.text, parameterTypes: key.parameterTypes, protocol }, context).analysis;
  }
}
