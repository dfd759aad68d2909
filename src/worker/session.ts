/**
 * One client and its connection to the origin. Events of the sockets only record; every turn ends with `pump`, which decides what
 * can go on, one write per socket, and the choice of which socket is read next (back-pressure).
 */
import type { Arrival, ClientSocket } from '../shared/handoff.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { SessionSummary } from '../shared/messages.ts';
import { decodeBackendPid, type ErrorToSend, encodeError } from '../shared/wire/backend.ts';
import { Backend, backendCodes, Frontend, streamedBackendCodes } from '../shared/wire/codes.ts';
import { Framer, type FrameSink, WireError } from '../shared/wire/framer.ts';
import { TERMINATE } from '../shared/wire/frontend.ts';
import { beginLogin, explainRefusal, isRefusal } from './auth-begin.ts';
import type { Login } from './auth-login.ts';
import { Balance } from './balance.ts';
import type { AttachedCache } from './cache-link.ts';
import { type Batch, type BatchSink, ClientInput } from './client-input.ts';
import { parseLevel, SessionConsistency } from './consistency.ts';
import type { DatabaseLink } from './database-links.ts';
import { ReplyEffects } from './effects.ts';
import { Activity } from './idle.ts';
import { failed, originLost, shutdown, startupTimedOut } from './last-words.ts';
import { LateCancel } from './late-cancel.ts';
import { Origin, type OriginEvents } from './origin.ts';
import { PendingCount } from './pending-count.ts';
import type { OriginNames } from './pool-names.ts';
import { Portals } from './portals.ts';
import { ReplyOrder } from './reply-order.ts';
import { Router } from './route.ts';
import type { Runtime } from './runtime.ts';
import { SessionAccount } from './session-account.ts';
import { nextSession, type SessionEvent, type SessionState } from './session-state.ts';
import { Settings } from './settings.ts';
import { startupLevel, wantsReplication } from './startup.ts';
import { Statements } from './statements.ts';
import { Entrance } from './tls-entrance.ts';
import { ClientLink } from './tls-link.ts';
import { handshakeFault } from './tls-server.ts';
import { Transaction } from './transaction.ts';
import { Unresolved } from './unresolved.ts';

export class Session extends SessionAccount implements BatchSink, FrameSink, OriginEvents {
  state: SessionState = 'startup';
  readonly order: ReplyOrder;
  readonly statements = new Statements();
  readonly unresolved: Unresolved;
  readonly portals = new Portals();
  readonly settings = new Settings();
  readonly transaction = new Transaction();
  readonly lateCancel: LateCancel;
  consistency: SessionConsistency;
  readonly activity: Activity;
  /** Names of statements on a pooled connection; null: the client's own. */
  names: OriginNames | null = null;
  protected readonly link: ClientLink;
  readonly input = new ClientInput(this);
  protected readonly framer = new Framer(this, backendCodes, streamedBackendCodes);
  readonly router: Router;
  protected readonly effects: ReplyEffects;
  private readonly entrance: Entrance;
  protected login: Login | null = null;
  protected origin: Origin | null = null;
  protected startupPacket: Buffer | null = null;
  home: DatabaseLink;
  protected tunnelled = false;
  private readonly balance = new Balance(() => this.turn());
  protected clientEnded = false;
  protected draining = false;
  protected turning = false;
  private readonly pending: PendingCount;
  protected timer: NodeJS.Timeout | undefined;

  constructor(runtime: Runtime, arrival: Arrival) {
    super(runtime);
    this.activity = new Activity(runtime.idle.nowMs);
    this.home = runtime.databases.first;
    this.effects = new ReplyEffects(this, runtime);
    this.unresolved = new Unresolved(this, runtime);
    this.order = new ReplyOrder(this.effects, runtime.clientOut);
    this.router = new Router(this, runtime);
    this.pending = new PendingCount(runtime.counters);
    this.consistency = new SessionConsistency(runtime.config.consistency);
    this.lateCancel = new LateCancel(runtime.originTarget, runtime.readBuffer);
    this.link = new ClientLink(arrival, runtime.readBuffer, {
      bytes: (count) => this.turn(() => this.clientBytes(count), count),
      drained: () => this.turn(),
      ended: () => this.turn(() => this.clientEnd()),
      closed: () => this.turn(() => this.clientClosed()),
      secured: (socket) => this.turn(() => this.entrance.secured(socket)),
      handshakeFailed: (error) => runtime.turnedAway(this.link.peer, handshakeFault(error)),
    });
    const proxied = runtime.proxies.trusts(arrival.transport, arrival.peer);
    this.entrance = new Entrance(runtime.tls, arrival.transport, proxied, {
      say: (bytes) => this.order.say(bytes),
      startTls: (first) => {
        this.order.flush(this.client);
        this.link.startTls(runtime.tls, first);
      },
      cancel: (packet) => this.cancel(packet),
      logIn: (packet, parameters) => this.connect(packet, parameters),
      comesFrom: (peer) => void (this.link.peer = peer),
      turnAway: (why, words) => {
        runtime.turnedAway(this.link.peer, why);
        this.finish(words);
      },
    });
    const outOfTime = () => this.state === 'startup' && this.finish(startupTimedOut);
    this.timer = setTimeout(() => this.turn(outOfTime), runtime.config.limits.startupTimeoutMs);
  }

  get summary(): SessionSummary {
    const { user, database, state, statementsSeen: statements, link } = this;
    return { user, database, peer: link.peer, state, statements };
  }

  protected get client(): ClientSocket {
    return this.link.socket;
  }

  get isAtOrigin(): boolean {
    return this.origin !== null;
  }

  get liveCache(): AttachedCache | null {
    return this.home.live;
  }

  /** Everything that happens to a session happens in a turn: effects, then `pump`, then one write per socket. */
  turn(effect?: () => void, clientBytes = 0, originBytes = 0): void {
    if (this.turning) {
      effect?.();
      return;
    }
    this.turning = true;
    this.runtime.poller?.poke();
    try {
      effect?.();
      this.pump();
    } catch (error) {
      this.fail(error);
    }
    this.turning = false;
    this.order.flush(this.client);
    this.sendToOrigin();
    this.pending.update(this.order.length > 0 && this.origin !== null);
    const socket = this.origin?.socket ?? null;
    this.balance.update(this.client, socket, this.input.isBlocked, this.state !== 'ending', clientBytes, originBytes);
  }

  sendToOrigin(): void {
    if (this.origin !== null) this.runtime.originOut.flush(this.origin.socket);
  }

  /** A turn after a while, if the session is still there. */
  turnLater(delayMs: number): void {
    setTimeout(() => this.turn(), delayMs + 1).unref();
  }

  /** Early returns in order of priority: what can go on now? */
  private pump(): void {
    if (this.state !== 'ready') {
      if (this.draining && this.state !== 'closed' && this.state !== 'ending') this.finish(shutdown);
      return;
    }
    if (this.order.isQuiet && this.transaction.isIdle && !this.input.isInsideFrame) {
      if (this.draining) {
        this.finish(shutdown);
        return;
      }
      this.learn();
    }
    // What waited for replies goes on when they are in, or when it turns out that they wait for it.
    if (this.input.isBlocked && (this.order.length === 0 || !this.order.isSynced)) this.input.resume();
    if (this.clientEnded && !this.input.isBlocked) this.leaveOrigin();
  }

  protected learn(): void {
    this.effects.askContext(this.database);
  }

  /** A failure of the client or the origin ends this session; one of ours does too, and is logged. */
  private fail(error: unknown): void {
    if (!(error instanceof WireError)) this.effects.broken(error, this.link.peer);
    this.runtime.count(Counter.protocolErrors);
    this.finish(failed(error));
  }

  protected step(event: SessionEvent): boolean {
    const next = nextSession(this.state, event);
    if (next === null) throw new Error(`session event ${event} in state ${this.state}`);
    const changed = next !== this.state;
    this.state = next;
    return changed;
  }

  private clientBytes(count: number): void {
    const bytes = this.runtime.readBuffer;
    this.runtime.count(Counter.bytesFromClients, count);
    this.activity.clientSpoke(this.runtime.idle.nowMs, this.runtime.idle.nextTurn());
    if (this.state === 'startup') this.entrance.push(bytes, 0, count);
    else if (this.state === 'tunnelling') this.runtime.originOut.append(bytes, 0, count);
    else if (this.state !== 'ending' && this.state !== 'closed') this.input.push(bytes, 0, count);
  }

  private cancel(packet: Buffer): void {
    clearTimeout(this.timer);
    this.step('cancelAccepted');
    this.runtime.cancel(packet, () => this.turn(() => this.finish(null)));
  }

  /** What a client must send to cancel what runs here. */
  get cancelPacket(): Buffer | null {
    return this.lateCancel.packet;
  }

  private connect(packet: Buffer, parameters: ReadonlyMap<string, string>): void {
    clearTimeout(this.timer);
    this.step('startupAccepted');
    this.startupPacket = Buffer.from(packet);
    this.user = parameters.get('user') ?? '';
    this.database = parameters.get('database') ?? this.user;
    this.tunnelled = wantsReplication(parameters);
    const level = parseLevel(startupLevel(parameters) ?? '');
    if (level !== null) this.consistency = new SessionConsistency(level);
    this.input.block();
    const rest = this.entrance.rest();
    if (rest.length > 0) this.input.push(rest, 0, rest.length);
    this.openOrigin(parameters);
  }

  protected openOrigin(_parameters: ReadonlyMap<string, string>): void {
    this.runtime.count(Counter.originConnections, 1);
    this.origin = new Origin(this.runtime.originTarget, this.runtime.readBuffer, this);
  }

  private clientEnd(): void {
    this.clientEnded = true;
    if (this.state !== 'ready' && this.state !== 'tunnelling') this.finish(null);
    else if (this.state === 'tunnelling') this.leaveOrigin();
  }

  /** The client sends no more: neither does the origin hear more from us, but what it still says is delivered. */
  protected leaveOrigin(): void {
    if (this.origin === null || this.origin.socket.writableEnded) return;
    if (this.order.isQuiet && this.state === 'ready') this.runtime.originOut.appendAll(TERMINATE);
    this.runtime.originOut.flush(this.origin.socket);
    this.origin.socket.end();
  }

  protected clientClosed(): void {
    clearTimeout(this.timer);
    this.effects.fenceOutstanding();
    this.step('clientClosed');
    this.input.stop();
    this.framer.stop();
    if (this.origin !== null) this.closeOrigin();
    this.runtime.sessionClosed(this);
  }

  batch(batch: Batch): boolean {
    const code = batch.bytes[batch.start];
    if (this.state === 'authenticating' && code === Frontend.password) {
      const { bytes, start, end } = batch;
      if (this.login?.response(bytes, start, end) === true) this.runtime.originOut.append(bytes, start, end);
      return true;
    }
    if (this.state !== 'ready') return false;
    if (code === Frontend.terminate) {
      this.finish(null);
      return true;
    }
    return this.router.route(batch);
  }

  /** Whether a batch may go to the origin now. */
  reaches(_batch: Batch): boolean {
    return true;
  }

  mayStream(bytes: Buffer, start: number, end: number): boolean {
    return this.state !== 'ready' || this.router.mayStream(bytes, start, end);
  }

  longFrame(code: number, bytes: Buffer, start: number, end: number): void {
    if (this.login?.isRelaying === true && code === Frontend.password) this.piece(bytes, start, end);
    else if (this.state === 'ready') this.router.routeLong(code, bytes, start, end);
    else throw new WireError(`unexpected message type 0x${code.toString(16)} before authentication`);
  }

  piece(bytes: Buffer, start: number, end: number): void {
    this.runtime.originOut.append(bytes, start, end);
  }

  connected(): void {
    this.turn(() => {
      const { startupPacket, origin } = this;
      if (startupPacket === null || origin === null || this.state === 'ending') return;
      if (this.state === 'connecting') this.step('originConnected');
      this.runtime.originOut.appendAll(startupPacket);
      this.login = beginLogin(this, this.runtime, this.link, origin);
      this.input.resume();
    });
  }

  bytes(count: number): void {
    this.turn(() => this.originBytes(count), 0, count);
  }

  private originBytes(count: number): void {
    this.runtime.count(Counter.bytesToClients, count);
    if (this.order.isQuiet || !this.order.isFree) this.activity.originSpoke(this.runtime.idle.nowMs);
    if (this.state === 'tunnelling' && this.framer.atBoundary)
      this.order.passThrough(this.runtime.readBuffer, 0, count);
    else if (this.state !== 'closed' && this.state !== 'ending') this.framer.push(this.runtime.readBuffer, 0, count);
  }

  drained(): void {
    this.turn();
  }

  /** Whatever it said last has been delivered; only if that was nothing, we say why (lesson 24). */
  ended(error: Error | null): void {
    this.turn(() => {
      this.runtime.count(Counter.originConnections, -1);
      if (this.state === 'ending' || this.state === 'closed') return;
      const isTold = this.effects.fatalSeen || this.clientEnded || this.state === 'tunnelling';
      this.origin = null;
      this.finish(isTold ? null : originLost(this.runtime.config.upstream, this.state === 'connecting', error));
    });
  }

  frame(code: number, bytes: Buffer, start: number, end: number): void {
    if (this.state === 'ready') this.order.frame(code, bytes, start, end);
    else if (this.state === 'authenticating') this.authenticationFrame(code, bytes, start, end);
    else if (this.state === 'tunnelling') this.order.passThrough(bytes, start, end);
  }

  segment(code: number, bytes: Buffer, start: number, end: number, first: boolean, last: boolean): void {
    if (this.state === 'ready') this.order.segment(code, bytes, start, end, first, last);
    else if (this.state === 'tunnelling') this.order.passThrough(bytes, start, end);
    else if (this.state === 'authenticating') throw new WireError('the origin sent rows before authentication');
  }

  protected authenticationFrame(code: number, bytes: Buffer, start: number, end: number): void {
    if (code === Backend.authentication) {
      this.startupPacket = null;
      if (this.login?.request(bytes, start, end) !== true) return;
    } else if (code === Backend.backendKeyData) {
      this.settings.backendPid = decodeBackendPid(bytes, start, end);
      this.lateCancel.learn(bytes, start, end);
    } else if (code === Backend.parameterStatus) this.effects.parameterStatus(bytes, start, end);
    else if (code === Backend.errorResponse) {
      // Not a word about the password yet: pg_hba.conf wants, or does not want, encryption.
      if (this.startupPacket !== null && isRefusal(bytes, start, end) && this.origin?.tryNext() === true) return;
      this.effects.fatalSeen = true;
      this.order.say(explainRefusal(bytes, start, end));
      return;
    }
    this.order.passThrough(bytes, start, end);
    if (code !== Backend.readyForQuery) return;
    this.login = null;
    if (!this.tunnelled) this.home = this.runtime.databases.enter(this.database);
    this.step(this.tunnelled ? 'originTunnelled' : 'authenticated');
    if (this.tunnelled) this.runtime.originOut.appendAll(this.input.release());
  }

  /** Last words, then both connections are closed. */
  finish(error: ErrorToSend | null): void {
    if (this.state === 'closed' || this.state === 'ending') return;
    this.effects.fenceOutstanding();
    this.step('finish');
    clearTimeout(this.timer);
    this.input.stop();
    this.framer.stop();
    if (error !== null && !this.order.isInsideFrame) this.order.say(encodeError(error));
    this.order.flush(this.client);
    if (this.origin !== null) this.closeOrigin();
    this.link.close();
  }

  protected closeOrigin(): void {
    const { origin } = this;
    if (origin === null) return;
    if (origin.isOpen && !origin.socket.writableEnded && !this.tunnelled) this.runtime.originOut.appendAll(TERMINATE);
    if (origin.isOpen) this.runtime.originOut.flush(origin.socket);
    this.runtime.count(Counter.originConnections, -1);
    origin.close();
    this.origin = null;
  }

  /** Ends the session as soon as it is between two statements. */
  drain(): void {
    this.draining = true;
    this.turn();
  }

  shutDown(): void {
    this.turn(() => this.finish(shutdown));
    this.client.destroy();
  }
}
