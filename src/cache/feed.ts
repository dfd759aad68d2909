/**
 * One database's feed: keeps a life of the change stream going, and keeps the store's header honest about it.
 *
 *   connecting ─▶ catchingUp ─▶ streaming          state word: starting / down ─▶ live with the first completed round
 *       ▲             │             │
 *       └── back-off ─┴── failed ◀──┘              a failure: down, emptied, new stream epoch, in this order, in one turn
 *
 * The first round's position is sampled after the stream was begun, so its completion is the proof of having caught up.
 */
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { toError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import { formatLsn } from '../shared/lsn.ts';
import { type ControlWords, startedRound } from '../shared/memory/control.ts';
import { RENUMBER_ROUND, StoreState } from '../shared/memory/layout.ts';
import type { CacheStatus } from '../shared/messages.ts';
import { Apply } from './apply.ts';
import type { Catalog } from './catalog.ts';
import type { ChangeSink } from './change.ts';
import type { ChangeLog } from './change-log.ts';
import type { Departures } from './departures.ts';
import type { DependencyIndex } from './dependency-index.ts';
import type { StoreHeader } from './header.ts';
import { StreamLife } from './life.ts';
import { sinkOfLife } from './life-sink.ts';
import { CatalogModel, type StatementAnalyser } from './model.ts';
import { Models } from './models.ts';
import { Settler } from './settle.ts';
import { slotGone } from './slot-gone.ts';
import type { SnapshotHistory } from './snapshot-history.ts';
import type { CacheStore } from './store.ts';
import { problemOf, StreamError } from './stream-error.ts';
import { StreamTables } from './tables.ts';
import { WantedTables } from './wanted.ts';

export interface FeedOptions {
  readonly config: Config;
  readonly nodeName: string;
  readonly control: ControlWords;
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly log: Logger;
  readonly header: StoreHeader;
  readonly store: Pick<CacheStore, 'remove'>;
  /** Removes the entries of this database; how many there were. */
  readonly clear: () => number;
  /** How many entries it has. */
  readonly entries: () => number;
  readonly index: DependencyIndex;
  readonly changeLog: ChangeLog;
  readonly departures: Departures;
  readonly history: SnapshotHistory | undefined;
  readonly analyserOf: (catalog: Catalog) => StatementAnalyser;
  /** Unique within the generation; so are the two that follow. */
  readonly nextContextId: () => number;
  readonly nextVerdictId: () => number;
  /** Numbers lives of the stream. */
  readonly nextAttempt: () => number;
  /** How many there are whose database this is, or a sign that there are some. */
  readonly sessions: () => number;
  /** The round that workers wait for. */
  readonly wantedRound: () => number;
  /** The round that statements stand still for. */
  readonly awaitedRound: () => number;
  /** The same where the answer that they need is stored. */
  readonly confirmingRound: () => number;
  /** The round that a write made desirable. */
  readonly wishedRound: () => number;
  /** Reads passed through so far for want of a round. */
  readonly readsBehind: () => number;
  /** Rounds should be numbered anew. */
  readonly onRoundsLong: () => void;
}

export type FeedState = CacheStatus['cdc']['state'];

/** Changes that no round has covered: soon enough for who reads next, rarer while nothing is cached. Who waits asks (`nudged`, `refused`). */
const SETTLE_MS = 25;
const SETTLE_IDLE_MS = 1_000;
const SETTLING_MAX = 100_000;
const WANTED_RETRY_MS = 1_000;

export class Feed {
  readonly tables = new StreamTables();
  readonly models = new Models();
  readonly #options: FeedOptions;
  readonly #settler: Settler;
  readonly #apply: Apply;
  #life: StreamLife | null = null;
  #wanted: WantedTables | null = null;
  #state: FeedState = 'connecting';
  #problem: string | null = null;
  #failures = 0;
  #freshAsOfMs: number | null = null;
  /** Transactions that found no room in earlier lives. */
  #refusedBefore = 0;
  #rounds = 0;
  #transactions = 0;
  #rows = 0;
  #retry: NodeJS.Timeout | null = null;
  #stopped = false;
  /** The end of the stream that `suspend` asked for; null: none is wanted away. */
  #suspension: Promise<void> | null = null;

  constructor(options: FeedOptions) {
    this.#options = options;
    const { header, index, changeLog, store, departures } = options;
    this.#settler = new Settler({
      nextStamp: () => header.nextStamp(),
      publish: (stamp) => header.publishStamp(stamp),
      pendingMax: SETTLING_MAX,
      history: options.history,
    });
    this.#apply = new Apply({
      index,
      log: changeLog,
      store,
      departures,
      settler: this.#settler,
      // Without a model the store is empty.
      ancestorsOf: (oid) => this.models.current?.ancestors(oid) ?? [],
    });
  }

  get invalidated(): number {
    return this.#apply.invalidated;
  }

  start(): void {
    if (this.#stopped || this.#suspension !== null) return;
    const { config, nodeName, control, clock, wallClock, sessions, readsBehind, nextAttempt } = this.#options;
    this.#state = 'connecting';
    const life = new StreamLife({
      config,
      nodeName,
      attempt: nextAttempt(),
      control,
      sessions,
      readsBehind,
      clock,
      wallClock,
      sink: this.#sink(() => life),
      settler: this.#settler,
      onCatalogStale: (catalogs) => this.#forgetCatalog(catalogs),
      onCatalog: (catalog) => this.#takeCatalog(catalog),
      onRefreshed: (oids) => this.#refreshed(oids),
      onStreaming: () => this.#streaming(life),
      onTablesLive: (oids) => this.#tablesLive(oids),
      onTablesRefused: (refusals) => {
        for (const refusal of refusals) this.tables.refuse(refusal);
      },
      onFresh: (round, startMs, settleStamp) => this.#fresh(round, startMs, settleStamp),
      onFrozen: () => this.#frozen(),
      onEnded: (error) => this.#ended(life, error),
    });
    this.#life = life;
    void life.start();
  }

  /** Ends the stream and removes what was made on the origin. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#options.header.setState(StoreState.down);
    await Promise.all([this.#life?.stop(), this.#suspension]);
  }

  /** The one of now; null between two. */
  get life(): StreamLife | null {
    return this.#life;
  }

  get isSuspended(): boolean {
    return this.#suspension !== null;
  }

  /** Ends the stream as `stop` does, until `resume`. Resolves when the origin has let go of the slot, or that seems hopeless. */
  suspend(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#suspension ??= this.#leave();
    return this.#suspension;
  }

  /** Starts again, once what `suspend` began has ended: the next life makes the publication that the last one drops. */
  async resume(): Promise<void> {
    const suspension = this.#suspension;
    if (suspension === null) return;
    await suspension;
    // Somebody else may have done it meanwhile, and it may have been suspended anew.
    if (this.#suspension !== suspension) return;
    this.#suspension = null;
    this.start();
  }

  async #leave(): Promise<void> {
    const life = this.#life;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#forget();
    this.#state = 'connecting';
    this.#problem = 'let go for a statement that no change stream may stand in the way of (DROP DATABASE and its kin)';
    const { config, log } = this.#options;
    try {
      await life?.stop();
      if (life !== null) await slotGone(config, life.slot);
    } catch (thrown) {
      log.warn({ err: toError(thrown) }, 'stream not let go well');
    }
  }

  /** A worker waits for a round, or wrote something that one should cover before long. */
  nudged(): void {
    const { control, wantedRound, wishedRound, awaitedRound, confirmingRound } = this.#options;
    const clock = this.#life?.clock;
    const started = startedRound(control);
    // A worker that read a round before they were numbered anew may want one that is years away.
    const isWritten = wishedRound() > started || this.#settler.pending > 0;
    clock?.request(Math.min(wantedRound(), started + 1), isWritten);
    if (awaitedRound() > started) clock?.hurry(started + 1, isWritten);
    if (confirmingRound() > started) clock?.hurry(started + 1, false);
    if (wishedRound() <= started) return;
    clock?.settleSoon(this.#soonMs);
    // Who reads now what was written is given an answer that may be admitted.
    if (this.#options.entries() > 0) clock?.showSoon();
  }

  /** An answer was admitted: the round that confirms it need not wait for somebody to ask. @param isAwaited statements stand still for it */
  filled(isAwaited: boolean): void {
    const clock = this.#life?.clock;
    if (isAwaited) clock?.hurry(startedRound(this.#options.control) + 1, false);
    clock?.filled();
    if (!isAwaited) clock?.settleSoon(SETTLE_MS);
  }

  /** An answer could not be admitted for changes that it may not show: somebody fills, and the next answer must be told from it. */
  refused(): void {
    this.#life?.clock?.showSoon();
  }

  /** How long what was written may wait for its round. */
  get #soonMs(): number {
    const { entries } = this.#options;
    const isPressing = entries() > 0 || this.#settler.pending > SETTLING_MAX / 100;
    return isPressing ? SETTLE_MS : SETTLE_IDLE_MS;
  }

  /** Ends this life, so that nothing of it refers to a round any more; the next one follows soon. */
  forgetRounds(): void {
    this.#life?.fail(new StreamError('ROUNDS_RENUMBERED', 'rounds are numbered anew', null));
    this.#options.header.forgetRounds();
  }

  /** Resolves when each table is published or refused; never rejects. */
  want(relations: readonly number[]): Promise<void> {
    return this.#wanted?.want(relations) ?? Promise.resolve();
  }

  status(): CacheStatus['cdc'] {
    const { clock } = this.#options;
    const stream = this.#life?.stream ?? null;
    return {
      state: this.#state,
      problem: this.#problem,
      appliedLsn: formatLsn(stream?.appliedLsn ?? 0n),
      lagBytes: this.#life?.lagBytes ?? 0,
      freshAsOfMs: this.#freshAsOfMs === null ? -1 : Math.max(0, Math.round(clock.nowMs() - this.#freshAsOfMs)),
      rounds: this.#rounds,
      transactions: this.#transactions,
      rows: this.#rows,
    };
  }

  get publishedTables(): readonly string[] {
    const published = this.#life?.publication?.published ?? new Set<number>();
    return [...published].map((oid) => this.models.last?.nameOf(oid) ?? String(oid)).sort();
  }

  // ── what a life tells ───────────────────────────────────────────────────────────────────────────────────────────

  #sink(lifeOf: () => StreamLife): ChangeSink {
    return sinkOfLife(this.#apply, {
      isCurrent: () => this.#life === lifeOf(),
      onRow: () => void this.#rows++,
      onDdl: (tag) => lifeOf().ddlSeen(tag),
      onCommit: (isCurrent) => {
        this.#transactions++;
        if (isCurrent) this.#settleSoon();
      },
    });
  }

  #settleSoon(): void {
    // What a snapshot showed before the stream told of it has settled, but no round has brought its corrections.
    if (this.#settler.pending === 0 && !this.#options.departures.isWaiting) return;
    // One that found no room never settles; a new stream forgets them all.
    if (this.#settler.refused > this.#refusedBefore) {
      this.#life?.fail(new StreamError('SETTLING_FULL', `${SETTLING_MAX} transactions wait to become visible`, null));
      return;
    }
    this.#life?.clock?.settleSoon(this.#soonMs);
  }

  /** Tokens, verdicts and contexts of before are void; tables go on being live. */
  #forgetCatalog(catalogs: readonly string[]): void {
    const { header, clear, log } = this.#options;
    this.#voidModel();
    header.raiseStamp();
    const entries = clear();
    this.#options.departures.clear();
    log.info({ catalogs, entries }, 'the catalog of the origin changed: cache emptied');
  }

  /** Seen in a snapshot: answers to tokens of from now on show it, and others are refused. */
  #refreshed(oids: readonly number[]): void {
    this.#apply.refreshed(oids, { xid: 0, settledStamp: this.#options.header.raiseStamp() });
  }

  #takeCatalog(catalog: Catalog): void {
    const { header, analyserOf, nextContextId, nextVerdictId } = this.#options;
    // The first catalog of a life replaces what an earlier life left; the store is empty then.
    if (this.models.current !== null || header.catalogVersion === 0) this.#voidModel();
    this.tables.forgetRefusals();
    const { catalogVersion } = header;
    const analyser = analyserOf(catalog);
    this.models.replace(new CatalogModel({ catalog, catalogVersion, analyser, nextContextId, nextVerdictId }));
  }

  #voidModel(): void {
    this.models.void();
    this.#options.header.raiseCatalogVersion();
  }

  #streaming(life: StreamLife): void {
    this.#state = 'catchingUp';
    this.#wanted = new WantedTables({
      publication: life.publication!,
      tables: this.tables,
      clock: this.#options.clock,
      retryMs: WANTED_RETRY_MS,
      onError: (error) => life.fail(error),
    });
  }

  #tablesLive(oids: readonly number[]): void {
    const liveStamp = this.#options.header.raiseStamp();
    for (const oid of oids) this.tables.setLive(oid, liveStamp);
  }

  #fresh(round: number, startMs: number, settleStamp: number): void {
    const { header, config, log } = this.#options;
    this.#rounds++;
    this.#freshAsOfMs = startMs;
    header.publishFreshness(round, startMs);
    if (round >= RENUMBER_ROUND) this.#options.onRoundsLong();
    this.#options.departures.publish(round, settleStamp);
    if (header.state === StoreState.live || this.#stopped) return;
    header.setState(StoreState.live);
    this.#state = 'streaming';
    this.#problem = null;
    this.#failures = 0;
    log.info({ database: config.cdcUpstream.database }, 'change stream is live');
  }

  /** Down until the next round completes; what is stored stays, since the stream has not lost anything. */
  #frozen(): void {
    this.#options.log.warn(
      'the machine seems to have been paused: nothing is answered from the cache until the next round',
    );
    this.#options.header.setState(StoreState.down);
    this.#life?.clock?.request(startedRound(this.#options.control) + 1, false);
  }

  /** C3, C20: first nobody may read, then nothing is left, then no token of before counts. */
  #ended(life: StreamLife, error: Error): void {
    if (this.#life !== life || this.#stopped) return;
    const { config, log } = this.#options;
    this.#forget();
    this.#state = 'failed';
    this.#problem = problemOf(error, config.cdcUpstream);
    const { backoffMsMin, backoffMsMax } = config.restart;
    const delayMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(this.#failures++, 20));
    log.warn({ problem: this.#problem, delayMs }, 'change stream ended: caching is off until it is back');
    this.#retry = setTimeout(() => this.start(), delayMs);
  }

  #forget(): void {
    const { header, clear, changeLog } = this.#options;
    header.setState(StoreState.down);
    clear();
    this.#apply.forget();
    this.#options.departures.clear();
    header.raiseStreamEpoch();
    this.#life = null;
    this.#wanted = null;
    this.tables.streamEnded();
    changeLog.clear();
    this.#settler.clear();
    this.#refusedBefore = this.#settler.refused;
  }
}
