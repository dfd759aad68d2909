/**
 * One connection to the origin that sessions share, one after the other. Its events go to the session that has it; between two sessions
 * it listens itself, and ends quietly when the origin ends it.
 *
 *   a client's login ─┐
 *   login of ours ────┴▶ idle ⇄ attached to a session ─▶ closed
 */
import { toError } from '../shared/errors.ts';
import { Limits } from '../shared/limits.ts';
import { Counter } from '../shared/memory/layout.ts';
import { Backend, backendCodes, streamedBackendCodes } from '../shared/wire/codes.ts';
import { Framer, type FrameSink } from '../shared/wire/framer.ts';
import { TERMINATE } from '../shared/wire/frontend.ts';
import { isRefusal } from './auth-begin.ts';
import { type CarriedSettings, noSettings } from './carried-settings.ts';
import { Origin, type OriginEvents } from './origin.ts';
import { originEndPoint } from './origin-tls.ts';
import { type Credentials, Greeting, PoolLogin } from './pool-login.ts';
import type { Runtime } from './runtime.ts';
import type { LearnedContext } from './settings.ts';
import type { Resolution } from './statement.ts';
import type { Told } from './told.ts';

/** A statement that the connection has under a name of ours, what it was resolved to there (C7), and how it was described. */
export interface PooledStatement {
  readonly name: string;
  readonly resolution: Resolution | null;
  readonly told: Readonly<Told>;
}

/** What a connection tells of its own life. */
export interface PooledOriginEvents {
  /** Logged in by itself. */
  opened(pooled: PooledOrigin): void;
  /** It is gone, while no session had it. `words`: what the origin said at its login. */
  lost(pooled: PooledOrigin, words: Buffer | null, sqlstate: string, error: Error | null): void;
}

export class PooledOrigin implements OriginEvents, FrameSink {
  readonly origin: Origin;
  readonly greeting = new Greeting();
  /** Who has it. */
  session: OriginEvents | null;
  applied: CarriedSettings = noSettings;
  /** Names of applications' settings that are defined here, whatever their value: nothing undefines them. */
  readonly customNames = new Set<string>();
  readonly prepared = new Map<string, PooledStatement>();
  /** Names of statements that were made anew since. */
  readonly retired: string[] = [];
  /** The context of sessions here, by the fingerprint of their settings. */
  readonly contexts = new Map<string, LearnedContext>();
  /** Whose values currval and lastval would show; 'several': not one session's. */
  drawnBy: object | 'several' | null = null;
  idleSinceMs = 0;
  /** A Query came between extended messages and their Sync: PostgreSQL 18 answers whatever comes behind that with XX000, once. */
  isSpoiled = false;
  /** Cancels on their way to it: until they have arrived it may not go to another session. */
  cancelling = 0;
  private readonly runtime: Runtime;
  private readonly events: PooledOriginEvents;
  private readonly startupPacket: Buffer;
  private readonly framer = new Framer(this, backendCodes, streamedBackendCodes);
  private login: PoolLogin | null = null;
  private readonly credentials: Credentials | null;
  private words: Buffer | null = null;
  private sqlstate = '';
  private isClosed = false;

  /** @param session whose client logs in; null: it logs in with the credentials */
  constructor(
    runtime: Runtime,
    events: PooledOriginEvents,
    startupPacket: Buffer,
    session: OriginEvents | null,
    credentials: Credentials | null,
  ) {
    this.runtime = runtime;
    this.events = events;
    this.startupPacket = startupPacket;
    this.session = session;
    this.credentials = credentials;
    runtime.count(Counter.originConnections, 1);
    this.origin = new Origin(runtime.originTarget, runtime.readBuffer, this);
  }

  /** Another session may have it. */
  get isUsable(): boolean {
    const hasRoom = this.prepared.size + this.retired.length <= Limits.pooledStatementsMax;
    return !this.isClosed && !this.isSpoiled && this.origin.isOpen && this.login === null && hasRoom;
  }

  connected(): void {
    if (this.session !== null) {
      this.session.connected();
      return;
    }
    this.write(this.startupPacket);
    this.login = new PoolLogin(this.credentials!, originEndPoint(this.origin.socket), this.greeting, {
      toOrigin: (frame) => this.write(frame),
      ready: () => {
        this.login = null;
        this.events.opened(this);
      },
      failed: (words, sqlstate) => {
        this.words = words;
        this.sqlstate = sqlstate;
      },
    });
  }

  bytes(count: number): void {
    if (this.session !== null) {
      this.session.bytes(count);
      return;
    }
    if (this.isClosed) return;
    this.runtime.count(Counter.bytesToClients, count);
    try {
      this.framer.push(this.runtime.readBuffer, 0, count);
    } catch (thrown) {
      this.gone(toError(thrown));
    }
  }

  drained(): void {
    this.session?.drained();
  }

  ended(error: Error | null): void {
    if (this.isClosed) return;
    if (this.session !== null) {
      this.isClosed = true;
      this.session.ended(error);
      return;
    }
    this.gone(error);
  }

  /** Nobody has it: a parameter may change with the origin's configuration; an error is its last word; anything else was not asked for. */
  frame(code: number, bytes: Buffer, start: number, end: number): void {
    const { login } = this;
    if (login !== null) {
      if (code === Backend.errorResponse && isRefusal(bytes, start, end) && this.origin.tryNext()) {
        this.login = null;
        return;
      }
      login.frame(code, bytes, start, end);
    } else if (code === Backend.parameterStatus) this.greeting.parameterStatus(bytes, start, end);
    else if (code !== Backend.noticeResponse) this.gone(null);
  }

  segment(): void {
    this.gone(null);
  }

  /** Straight away: no session's turn is under way. */
  private write(bytes: Buffer): void {
    this.origin.socket.write(bytes);
  }

  private gone(error: Error | null): void {
    if (this.isClosed) return;
    this.close();
    this.events.lost(this, this.words, this.sqlstate, error);
  }

  /** Closes the connection, with a word if it is between two statements. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.framer.stop();
    this.session = null;
    this.runtime.count(Counter.originConnections, -1);
    if (this.origin.isOpen && !this.origin.socket.writableEnded) this.write(TERMINATE);
    this.origin.close();
  }
}
