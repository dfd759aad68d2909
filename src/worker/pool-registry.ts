/**
 * A worker's pools, and what its pooled sessions are cancelled by. A CancelRequest comes to any worker, as a connection of its own: it is told to
 * all of them, and the one whose session has the key sends the origin's own to the connection that runs the session's statement now.
 */
import { randomBytes } from 'node:crypto';
import { BroadcastChannel } from 'node:worker_threads';
import { Backend } from '../shared/wire/codes.ts';
import { encodeCancel, encodeFrame } from '../shared/wire/frontend.ts';
import type { OriginEvents } from './origin.ts';
import { OriginPool } from './pool.ts';
import { PooledOrigin } from './pooled-origin.ts';
import type { Runtime } from './runtime.ts';

/** Pools without connections and sessions are looked for when there are more than these. */
const POOLS_SWEPT_AT = 64;

export interface Cancellable {
  /** `done`: the origin has been told. */
  cancelOrigin(done: () => void): void;
}

/** What workers tell each other. */
type Told =
  | { readonly kind: 'cancel'; readonly key: string }
  | { readonly kind: 'leave'; readonly database: string | null };

/** A session's own BackendKeyData, and the CancelRequest that repeats it. */
export interface SessionKey {
  readonly frame: Buffer;
  readonly packet: Buffer;
}

interface Entry {
  readonly pool: OriginPool;
  readonly database: string;
  sessions: number;
}

export class OriginPools {
  /** Begins every name of ours for a prepared statement; no client can guess it. */
  readonly namePrefix = `pgfresh ${randomBytes(6).toString('hex')} `;
  private names = 0;
  private readonly runtime: Runtime;
  private readonly entries = new Map<string, Entry>();
  private readonly keys = new Map<string, Cancellable>();
  private readonly channel = new BroadcastChannel('pgfresh pools');

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.channel.onmessage = (event: unknown) => this.told((event as { readonly data: Told }).data);
    this.channel.unref();
  }

  readonly nextName = (): number => ++this.names;

  /** The pool of a startup packet, which names role, database and parameters. To be followed by `left`. */
  enter(startupPacket: Buffer, database: string): OriginPool {
    const name = startupPacket.toString('latin1');
    let entry = this.entries.get(name);
    if (entry === undefined) {
      if (this.entries.size >= POOLS_SWEPT_AT) this.sweep();
      entry = { pool: new OriginPool(this.runtime, startupPacket), database, sessions: 0 };
      this.entries.set(name, entry);
    }
    entry.sessions++;
    return entry.pool;
  }

  /** A connection that the session's client logs in to. */
  open(pool: OriginPool, session: OriginEvents): PooledOrigin {
    return new PooledOrigin(this.runtime, pool, pool.startupPacket, session, null);
  }

  left(pool: OriginPool): void {
    const entry = this.entries.get(pool.startupPacket.toString('latin1'));
    if (entry !== undefined) entry.sessions--;
  }

  private sweep(): void {
    for (const [name, { pool, sessions }] of this.entries) {
      if (sessions === 0 && pool.isEmpty) this.entries.delete(name);
    }
  }

  newKey(session: Cancellable): SessionKey {
    const body = randomBytes(8);
    // A process id is positive.
    body[0]! &= 0x7f;
    const frame = encodeFrame(Backend.backendKeyData, body);
    const packet = encodeCancel(frame, 0, frame.length);
    this.keys.set(packet.toString('hex'), session);
    return { frame, packet };
  }

  forgetKey({ packet }: SessionKey): void {
    this.keys.delete(packet.toString('hex'));
  }

  /** `done`: the origin has been told, or the other workers have. */
  cancel(packet: Buffer, done: () => void): void {
    const key = packet.toString('hex');
    const session = this.keys.get(key);
    if (session !== undefined) session.cancelOrigin(done);
    else {
      this.channel.postMessage({ kind: 'cancel', key } satisfies Told);
      done();
    }
  }

  /** A database is to be dropped or renamed: connections that nobody uses are not to be in the way. Null: any database. */
  leaveDatabase(database: string | null): void {
    this.channel.postMessage({ kind: 'leave', database } satisfies Told);
    this.closeIdle(database);
  }

  private told(told: Told): void {
    if (told.kind === 'leave') this.closeIdle(told.database);
    else this.keys.get(told.key)?.cancelOrigin(() => undefined);
  }

  private closeIdle(database: string | null): void {
    for (const entry of this.entries.values()) {
      if (database === null || entry.database === database) entry.pool.closeIdle();
    }
  }

  close(): void {
    this.closeIdle(null);
    this.channel.close();
  }
}
