/**
 * A worker's own world: its sessions, its link to the cache thread, and the buffers that all its sessions share. Nothing in it is shared with
 * another thread but the memory that `shared/memory` describes. Main and tests feed it with `accept`.
 */
import { randomBytes } from 'node:crypto';
import type { MovingSession } from '../shared/baggage.ts';
import { type Clock, monotonicClock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { Descriptors } from '../shared/descriptors.ts';
import { ExampleTexts } from '../shared/example-texts.ts';
import type { Arrival } from '../shared/handoff.ts';
import { Limits } from '../shared/limits.ts';
import type { Logger } from '../shared/log.ts';
import { addSessions, areProcessorsSpare, type ControlWords, openControl } from '../shared/memory/control.ts';
import { type Counters, openCounters } from '../shared/memory/counters.ts';
import { Counter, epochWord } from '../shared/memory/layout.ts';
import { openShapeHits, type ShapeHits } from '../shared/memory/shape-hits.ts';
import type { CacheLink, CacheNotice, SessionSummary, TlsMaterial, WorkerInit } from '../shared/messages.ts';
import { TrustedProxies } from '../shared/proxy-protocol.ts';
import { openVerifiers, type Verifiers } from './auth-verifiers.ts';
import { CacheAttachment, type RemoteService } from './cache-link.ts';
import { forwardCancel } from './cancel.ts';
import { DatabaseLinks } from './database-links.ts';
import { loadDirectSend } from './direct-send.ts';
import { Flights } from './flights.ts';
import { Forwarder } from './forward.ts';

import { IdleWatch } from './idle.ts';
import { MovableSession } from './moving-session.ts';

import { OriginTarget } from './origin-tls.ts';
import { OutBuffer, SpareSlabs } from './out-buffer.ts';
import { openPoller, type Poller } from './polling.ts';
import { OriginPools } from './pool-registry.ts';
import { PooledSession } from './pooled-session.ts';
import { ReadLines } from './read-lines.ts';
import { Refresher } from './refresh.ts';
import { RoundWaits } from './round-waits.ts';
import { SecondTier } from './second-tier.ts';
import { HitPath } from './serve.ts';
import type { Session } from './session.ts';
import { Timing } from './timing.ts';
import { TlsServer } from './tls-server.ts';

export type RuntimeInit = Pick<WorkerInit, 'workerSlot' | 'config' | 'control' | 'counters' | 'tls'>;

export class Runtime {
  readonly config: Config;
  readonly control: ControlWords;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epochWord: number;
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(Limits.readBufferBytes);
  private readonly spares = new SpareSlabs(loadDirectSend());
  readonly clientOut: OutBuffer = new OutBuffer(this.readBuffer, this.spares);
  readonly originOut: OutBuffer = new OutBuffer(this.readBuffer, this.spares);
  /** Encryption towards clients, and who logs them in. */
  readonly tls: TlsServer;
  readonly originTarget: OriginTarget;
  readonly verifiers: Verifiers | null;
  /** Makes up what an unknown role's password would be salted with. */
  readonly mockSecret: Buffer = randomBytes(32);
  readonly timing: Timing;
  readonly poller: Poller | null;
  readonly flights: Flights;
  readonly readLines = new ReadLines();
  readonly roundWaits = new RoundWaits();
  /** Null: there are no other nodes to ask. */
  readonly secondTier: SecondTier | null;
  readonly hits: HitPath;
  readonly forwarder: Forwarder;
  readonly examples = new ExampleTexts();
  readonly shapeHits: ShapeHits;
  readonly databases: DatabaseLinks;
  private readonly refresher: Refresher;
  /** Null: each session has a connection to the origin of its own. */
  readonly pools: OriginPools | null;
  private readonly workerSlot: number;
  /** Load balancers that say where their connections come from. */
  readonly proxies: TrustedProxies;
  private readonly sessions = new Map<MovableSession, Arrival>();
  readonly idle: IdleWatch;
  private emptied: (() => void) | null = null;
  private draining = false;

  constructor(init: RuntimeInit, log: Logger, clock: Clock = monotonicClock) {
    this.config = init.config;
    this.control = openControl(init.control);
    this.counters = openCounters(init.counters);
    this.workerSlot = init.workerSlot;
    this.epochWord = epochWord(init.workerSlot);
    this.shapeHits = openShapeHits(this.control, init.workerSlot);
    this.log = log;
    this.clock = clock;
    const { upstream, limits, keepaliveMs } = init.config;
    this.tls = new TlsServer(init.config.tls, init.tls ?? null);
    this.originTarget = new OriginTarget(upstream, limits.originConnectTimeoutMs, keepaliveMs);
    this.verifiers = openVerifiers(init.config);
    this.timing = new Timing(clock, this.counters);
    this.poller = openPoller(
      init.config.concurrency.pollUs,
      () => areProcessorsSpare(this.control),
      (ms) => this.count(Counter.polledMs, ms),
    );
    this.proxies = new TrustedProxies(init.config.proxyProtocol);
    this.idle = new IdleWatch(this, () => this.sessions.keys());
    this.databases = new DatabaseLinks(init.config, this.control, (link) => {
      for (const session of this.sessions.keys()) if (session.home === link) session.turn();
    });
    this.flights = new Flights(this.control, init.workerSlot, init.config.cache.singleFlightWaitMs);
    this.pools = init.config.pool.mode === 'transaction' ? new OriginPools(this) : null;
    const { tier2 } = init.config;
    this.secondTier = tier2 === null ? null : new SecondTier(this, tier2);
    this.hits = new HitPath(this);
    this.forwarder = new Forwarder(this);
    this.refresher = new Refresher(this, () => this.sessions.keys());
  }

  /** Serves a connection until it ends. */
  accept(arrival: Arrival): MovableSession {
    const session = this.pools === null ? new MovableSession(this, arrival) : new PooledSession(this, arrival);
    this.sessions.set(session, arrival);
    addSessions(this.control, 1);
    this.count(Counter.sessionsOpened);
    this.count(Counter.sessionsOpen);
    if (this.draining) session.drain();
    return session;
  }

  /** Gives up sessions that can move, the least busy of the busy ones first, and each to `move`. Returns how many. */
  release(count: number, descriptors: Descriptors, move: (moving: MovingSession) => void): number {
    if (this.draining) return 0;
    const byActivity = [...this.sessions.keys()].map((session) => ({ session, activity: session.takeActivity() }));
    const busy = byActivity.filter(({ activity }) => activity > 0).sort((a, b) => a.activity - b.activity);
    let moved = 0;
    for (const { session } of busy) {
      if (moved === count) break;
      const moving = session.depart(descriptors);
      if (moving === null) continue;
      move(moving);
      moved++;
    }
    this.count(Counter.sessionsMoved, moved);
    return moved;
  }

  /** A client that did not get as far as its login: one line in the log, one more in the metrics. */
  turnedAway(peer: string, why: string): void {
    this.log.warn({ peer }, `client turned away: ${why}`);
    this.count(Counter.protocolErrors);
  }

  sessionClosed(session: Session): void {
    const arrival = session instanceof MovableSession ? this.sessions.get(session) : undefined;
    if (arrival === undefined || !(session instanceof MovableSession)) return;
    this.sessions.delete(session);
    arrival.ended?.();
    this.databases.leave(session.home);
    addSessions(this.control, -1);
    this.count(Counter.sessionsOpen, -1);
    if (this.sessions.size === 0) this.emptied?.();
  }

  /** Replaces the link; sessions go on. `service` stands in for Comlink in tests. */
  attach(link: CacheLink, service?: RemoteService): void {
    const { generation, offers } = link;
    this.refresher.attached(generation);
    offers.on('message', (notice: CacheNotice) => this.refresher.told(generation, notice));
    offers.unref();
    this.databases.attach(new CacheAttachment(link, this.workerSlot, service));
    for (const session of this.sessions.keys()) session.turn();
  }

  /** For connections from now on. @throws Error; then everything is as it was. */
  reloadTls(material: TlsMaterial | null): void {
    this.originTarget.reload();
    this.verifiers?.close();
    this.tls.reload(material);
  }

  /** A client's CancelRequest. */
  cancel(packet: Buffer, done: () => void): void {
    this.databases.cancel(packet);
    if (this.pools === null) forwardCancel(this.originTarget, this.readBuffer, packet, done);
    else this.pools.cancel(packet, done);
  }

  /** Resolves when no session is left; after `graceMs` those that are left are ended. */
  async drain(graceMs: number): Promise<void> {
    this.draining = true;
    this.verifiers?.close();
    for (const session of [...this.sessions.keys()]) session.drain();
    if (this.sessions.size === 0) {
      this.pools?.close();
      return;
    }
    const empty = new Promise<void>((resolve) => {
      this.emptied = resolve;
    });
    const timer = setTimeout(() => {
      for (const session of [...this.sessions.keys()]) session.shutDown();
    }, graceMs);
    await empty;
    clearTimeout(timer);
    this.pools?.close();
  }

  summaries(): SessionSummary[] {
    return [...this.sessions.keys()].map((session) => session.summary);
  }

  count(counter: number, by = 1): void {
    this.counters[counter]! += by;
  }
}
