/**
 * One life of the connection to the origin: from connecting to the first failure. It wires the parts of the change stream together and tells
 * the feed what happens; the feed decides what that means for the store, and starts the next life.
 *
 *   connect ─▶ catalog ─▶ diagnose ─▶ publication ─▶ stream ─▶ barrier ─▶ clock ─▶ … ─▶ ended (once)
 *
 * The catalog comes before the diagnosis so that `explain` has something to say about an origin that cannot stream.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { rowsOnlyTags } from '../shared/ddl-tags.ts';
import { ddlTriggerSql } from '../shared/ddl-trigger.ts';
import { diagnose, firstProblem } from '../shared/diagnose.ts';
import { toError } from '../shared/errors.ts';
import type { Lsn } from '../shared/lsn.ts';
import { type ControlWords, startRound } from '../shared/memory/control.ts';
import { type Catalog, catalogLockMs, loadCatalog } from './catalog.ts';
import type { ChangeSink } from './change.ts';
import { FreshnessClock } from './clock.ts';
import { ControlConnection } from './control-connection.ts';
import { fingerprintSql, parseFingerprint } from './fingerprint.ts';
import { eraOfOneServer } from './one-server.ts';
import { publicationName, temporarySlotName } from './origin-names.ts';
import { Publication } from './publication.ts';
import { ReplicationStream } from './replication.ts';
import { askRound, askSnapshot, nudgeOrigin } from './round.ts';
import type { Settler } from './settle.ts';
import { publicationAltered, StreamError } from './stream-error.ts';
import type { TableRefusal } from './tables.ts';

export interface LifeOptions {
  readonly config: Config;
  readonly nodeName: string;
  /** Counts lives, for the name of the slot. */
  readonly attempt: number;
  readonly control: ControlWords;
  readonly sessions: () => number;
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly sink: ChangeSink;
  readonly settler: Settler;
  /** What was analysed so far no longer holds. Synchronous: nothing may be answered or admitted after it. */
  readonly onCatalogStale: (catalogs: readonly string[]) => void;
  readonly onCatalog: (catalog: Catalog) => void;
  /** Every row of these materialized views is another. Synchronous, too. */
  readonly onRefreshed: (oids: readonly number[]) => void;
  /** Connected and streaming; not caught up. */
  readonly onStreaming: () => void;
  /** All changes of these tables are on the stream from now on. */
  readonly onTablesLive: (oids: readonly number[]) => void;
  /** These are on the stream no more. */
  readonly onTablesRefused: (refusals: readonly TableRefusal[]) => void;
  readonly onFresh: (round: number, startMs: number, settleStamp: number) => void;
  /** Reads passed through so far for want of a round. */
  readonly readsBehind: () => number;
  /** Nothing said about freshness so far holds. */
  readonly onFrozen: () => void;
  /** Once. Everything is being closed. */
  readonly onEnded: (error: Error) => void;
}

const ROUND_TIMEOUT_MS = 5_000;
/** Catalog of a large database; waits of ALTER PUBLICATION are bounded by lock_timeout. */
const WORK_TIMEOUT_MS = 60_000;
const silence = { askMs: 3_000, deadMs: 10_000 };
const STATUS_MS = 1_000;
const barrierPoll = { pollMsMin: 2, pollMsMax: 250 };
/** A read that goes to the origin costs both processes and the worker more than one answered here: measured in ADR-022. */
const roundPace = { factor: 3, readMs: 0.05, gapMsMax: 25 };
/** A catalog that keeps changing is loaded again only after this many times what the last load took. Published tables are looked over meanwhile. */
const RELOAD_PACE = 3;
const LOAD_MS_MAX = 1_000;
const LOOK_OVER_MS = 50;

export class StreamLife {
  readonly #options: LifeOptions;
  readonly slot: string;
  #rounds: ControlConnection | null = null;
  #work: ControlConnection | null = null;
  #stream: ReplicationStream | null = null;
  #publication: Publication | null = null;
  #clock: FreshnessClock | null = null;
  #over = false;
  #originLsn: Lsn = 0n;
  #roundSkewMs = 0;
  #loadMs = 0;
  #hasDdlTrigger = false;
  /** Tables taken out of the publication so far. */
  #refused = 0;
  #era: string | null = null;
  #loadedMs = Number.NEGATIVE_INFINITY;

  constructor(options: LifeOptions) {
    this.#options = options;
    const { config, nodeName, attempt } = options;
    this.slot = config.cdc.slot ?? temporarySlotName(nodeName, process.pid, attempt);
  }

  get publication(): Publication | null {
    return this.#publication;
  }

  get clock(): FreshnessClock | null {
    return this.#clock;
  }

  get stream(): ReplicationStream | null {
    return this.#stream;
  }

  /** Names the history that the origin's transaction ids are of; null while it is not known. */
  get era(): string | null {
    return this.#over ? null : this.#era;
  }

  /** The origin's position minus ours, as of the last round. */
  get lagBytes(): number {
    const lag = this.#originLsn - (this.#stream?.appliedLsn ?? 0n);
    return lag > 0n ? Number(lag) : 0;
  }

  /** Never rejects: failures come through `onEnded`. */
  async start(): Promise<void> {
    try {
      await this.#connect();
      const catalog = await this.#load();
      await this.#diagnose();
      await this.#follow(catalog);
    } catch (error) {
      this.fail(toError(error));
    }
  }

  /** Ends this life because of a failure; the first one counts. */
  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onEnded(error);
    void this.#close();
  }

  /** Ends it on request, removing what it made on the origin where that can be done. */
  async stop(): Promise<void> {
    const running = !this.#over;
    this.#over = true;
    this.#clock?.stop();
    await this.#stream?.stop();
    try {
      if (running) await this.#publication?.drop();
    } finally {
      await this.#close();
    }
  }

  async #close(): Promise<void> {
    this.#clock?.stop();
    this.#publication?.stop();
    await Promise.all([this.#stream?.stop(), this.#rounds?.end(), this.#work?.end()]);
  }

  // ── beginning ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #connect(): Promise<void> {
    this.#rounds = await this.#open('rounds', ROUND_TIMEOUT_MS);
    this.#work = await this.#open('work', WORK_TIMEOUT_MS);
    await this.#work.query(`SET lock_timeout = ${catalogLockMs}`);
  }

  async #open(purpose: string, timeoutMs: number): Promise<ControlConnection> {
    const { config } = this.#options;
    const connection = await ControlConnection.open({
      upstream: config.cdcUpstream,
      applicationName: `pgfresh ${purpose}`,
      connectTimeoutMs: config.limits.originConnectTimeoutMs,
      timeoutMs,
    });
    connection.on('lost', (error) => this.fail(error));
    if (this.#over) await connection.end();
    this.#stillWanted();
    return connection;
  }

  async #diagnose(): Promise<void> {
    const problem = firstProblem(await diagnose((sql) => this.#work!.query(sql), this.#names.publication));
    if (problem !== null) throw new StreamError('ORIGIN_UNFIT', problem.problem, problem.remedy);
  }

  async #follow(catalog: Catalog): Promise<void> {
    this.#publication = this.#makePublication();
    await this.#publication.open();
    this.#hasDdlTrigger = await this.#lookForDdlTrigger();
    this.#stillWanted();
    this.#stream = this.#makeStream();
    await this.#stream.start();
    this.#stillWanted();
    this.#era = await eraOfOneServer(catalog, this.#stream.identity!, this.#rounds!);
    this.#stillWanted();
    this.#clock = this.#makeClock(catalog.serverVersion);
    this.#options.onStreaming();
    await this.#publication.streamStarted();
    this.#stillWanted();
    this.#clock.accept(parseFingerprint(catalog.fingerprint));
  }

  /** DDL has told of itself on the stream. */
  ddlSeen(tag: string): void {
    if (this.#over) return;
    if (rowsOnlyTags.has(tag)) this.#clock?.look();
    else this.#clock?.catalogChanged();
  }

  /**
   * C23: DDL was answered that may have taken a table's replica identity. Resolves once no such table is published any more. What may be stored from
   * here on was read under a catalog that no round has judged yet, and the next one will find changed.
   */
  async lookOver(): Promise<void> {
    if (this.#over || !(await this.#publication?.hasUnfit())) return;
    this.#clock?.catalogChanged();
    await this.#dropUnfit();
    // A catalog that was loaded meanwhile may find them fit again, and what is refused is refused until the next one.
    this.#clock?.catalogChanged();
  }

  async #dropUnfit(): Promise<void> {
    const refusals = await this.#publication!.revalidate();
    this.#refused += refusals.length;
    this.#options.onTablesRefused(refusals);
  }

  async #lookForDdlTrigger(): Promise<boolean> {
    const [row] = await this.#work!.query(ddlTriggerSql);
    return row![0] === 't';
  }

  #stillWanted(): void {
    if (this.#over) throw new StreamError('STREAM_STOPPED', 'stopped while connecting', null);
  }

  get #names(): { publication: string; slot: string } {
    return { publication: publicationName(this.#options.nodeName), slot: this.slot };
  }

  #makePublication(): Publication {
    const { config, onTablesLive } = this.#options;
    return new Publication({
      sql: this.#work!,
      looks: this.#rounds!,
      name: this.#names.publication,
      user: config.cdcUpstream.user,
      lockTimeoutMs: config.cdc.lockTimeoutMs,
      onLive: (oids) => {
        if (!this.#over) onTablesLive(oids);
      },
      onError: (error) => this.fail(error),
      ...barrierPoll,
    });
  }

  #makeStream(): ReplicationStream {
    const { config, clock, sink } = this.#options;
    const stream = new ReplicationStream({
      upstream: config.cdcUpstream,
      applicationName: 'pgfresh stream',
      slotName: this.slot,
      temporary: config.cdc.slot === undefined,
      publication: this.#names.publication,
      sink,
      clock,
      connectTimeoutMs: config.limits.originConnectTimeoutMs,
      slotTimeoutMs: config.cdc.slotTimeoutMs,
      lagBytesMax: config.cdc.slotLagBytesMax,
      silence,
      statusMs: STATUS_MS,
      // Everybody's messages come then: only where those of DDL are among them.
      messages: this.#hasDdlTrigger,
    });
    stream.on('applied', (lsn, xid) => this.#clock?.applied(lsn, xid));
    stream.on('failed', (error) => this.fail(error));
    return stream;
  }

  // ── the clock ───────────────────────────────────────────────────────────────────────────────────────────────────

  #makeClock(serverVersion: number): FreshnessClock {
    const { config, clock, wallClock, sessions, settler, readsBehind } = this.#options;
    return new FreshnessClock(
      {
        clock,
        wallClock,
        ask: (question) => askRound(this.#rounds!, this.#names, question),
        probe: () => askSnapshot(this.#rounds!),
        nudge: (target) => nudgeOrigin(this.#rounds!, serverVersion, target),
        appliedLsn: () => this.#stream!.appliedLsn,
        awaited: (lsn) => this.#stream!.awaited(lsn),
        published: () => this.#publication!.published,
        sessions,
        beginRound: () => this.#beginRound(),
        readsBehind,
        publish: (round, startMs, settleStamp) => this.#publish(round, startMs, settleStamp),
        onSnapshot: (snapshot) => {
          settler.observe(snapshot);
          return settler.stamp;
        },
        onOriginLsn: (lsn) => {
          this.#originLsn = lsn;
          this.#stream!.observeOrigin(lsn);
        },
        onRetained: (bytes) => this.#checkRetained(bytes),
        onCatalogChanged: (catalogs) => void this.#reload(catalogs),
        onRefreshed: (oids) => this.#options.onRefreshed(oids),
        onPublicationAltered: (missing) => this.fail(publicationAltered(missing)),
        onJump: () => this.#options.onFrozen(),
        onError: (error) => this.fail(error),
      },
      {
        heartbeatMs: Math.max(10, config.cache.maxStalenessMs / 3),
        nudgeMs: 20,
        hurriedNudgeMs: 1,
        fillWaitMs: 1.5,
        probeGapMs: 1,
        nudgeGapMs: 50,
        pace: roundPace,
        waitingMax: 16,
        jumpMs: this.#jumpMs,
      },
    );
  }

  get #jumpMs(): number {
    return Math.max(500, this.#options.config.cache.maxStalenessMs / 2);
  }

  get #skewMs(): number {
    return this.#options.wallClock.nowMs() - this.#options.clock.nowMs();
  }

  #beginRound(): number {
    this.#roundSkewMs = this.#skewMs;
    return startRound(this.#options.control);
  }

  /** C14: a machine that slept while the round was under way must not call its answer fresh. The clock itself looks with every heartbeat. */
  #publish(round: number, startMs: number, settleStamp: number): void {
    if (this.#over) return;
    if (this.#skewMs - this.#roundSkewMs > this.#jumpMs) this.#options.onFrozen();
    else this.#options.onFresh(round, startMs, settleStamp);
  }

  #checkRetained(bytes: number): void {
    const { slotLagBytesMax } = this.#options.config.cdc;
    if (bytes <= slotLagBytesMax) return;
    this.fail(new StreamError('SLOT_LAG', `the slot holds back ${bytes} bytes of log`, 'raise cdc.max_slot_lag'));
  }

  // ── the catalog ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #load(): Promise<Catalog> {
    const { clock, onCatalog } = this.#options;
    const startMs = clock.nowMs();
    const catalog = await loadCatalog(this.#work!, fingerprintSql);
    this.#stillWanted();
    this.#loadedMs = clock.nowMs();
    // It may have waited for somebody's locks.
    this.#loadMs = Math.min(LOAD_MS_MAX, this.#loadedMs - startMs);
    onCatalog(catalog);
    return catalog;
  }

  /** First out with tables that may no longer be published (C23), then the new catalog. */
  async #reload(catalogs: readonly string[]): Promise<void> {
    this.#options.onCatalogStale(catalogs);
    try {
      await this.#dropUnfit();
      for (let leftMs = this.#reloadInMs; leftMs > 0; leftMs = this.#reloadInMs) {
        await delay(Math.min(leftMs, LOOK_OVER_MS));
        await this.#dropUnfit();
      }
      const refusedBefore = this.#refused;
      const catalog = await this.#load();
      if ((await this.#lookForDdlTrigger()) !== this.#hasDdlTrigger) {
        throw new StreamError('DDL_TRIGGER', 'the event trigger for DDL was installed or removed', null);
      }
      this.#clock!.accept(parseFingerprint(catalog.fingerprint));
      if (this.#refused > refusedBefore) this.#clock!.catalogChanged();
    } catch (error) {
      this.fail(toError(error));
    }
  }

  get #reloadInMs(): number {
    return this.#loadedMs + RELOAD_PACE * this.#loadMs - this.#options.clock.nowMs();
  }
}
