/** Everything that crosses a thread boundary as a message. Bulk and hot data is in shared memory (`memory/layout.ts`). */
import type { MessagePort } from 'node:worker_threads';
import type { CanonicalType } from './canonical.ts';
import type { Config } from './config.ts';
import type { ValueSource } from './constants.ts';
import type { PinReason, Reason } from './reasons.ts';

// ── main → worker, over threads.js ────────────────────────────────────────────────────────────────────────────────

export interface WorkerInit {
  /** 1-based, as shown in /status. */
  readonly workerId: number;
  /** 0-based; numbers the epoch word and the consumed word. A replacement gets its predecessor's slot. */
  readonly workerSlot: number;
  readonly config: Config;
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** Carries `Handoff` from main and `HandoffReply` back. */
  readonly handoff: MessagePort;
  /** Null or missing: clients are not offered TLS. */
  readonly tls?: TlsMaterial | null;
}

/** Contents of the PEM files that clients' TLS needs; main reads and checks them. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

/** A worker's way to one generation of the cache thread. */
export interface CacheLink {
  readonly generation: number;
  readonly store: SharedArrayBuffer;
  /** Comlink endpoint of `CacheService`. */
  readonly service: MessagePort;
  /** One-way: `OfferBatch` to the cache thread, `CacheNotice` back. */
  readonly offers: MessagePort;
}

/** `expose`d by src/worker/main.ts. */
export interface WorkerControl {
  start(init: WorkerInit): Promise<void>;
  /** Replaces the link in place; sessions go on. */
  attach(link: CacheLink): Promise<void>;
  /** Sessions let their running statement finish, get 57P01, and end; resolves when none is left or time is up. */
  drain(graceMs: number): Promise<void>;
  /** Certificates for connections from now on; files of the origin's side are read again too. */
  reloadTls(material: TlsMaterial | null): Promise<void>;
  sessions(): Promise<readonly SessionSummary[]>;
  examples(): Promise<ReasonExamples>;
}

export interface SessionSummary {
  readonly user: string;
  readonly database: string;
  readonly peer: string;
  readonly state: string;
  readonly statements: number;
}

/** A client socket on its way to a worker. `fd` is owned by the worker once it has claimed the ticket (handoff.ts). */
export interface Handoff {
  readonly fd: number;
  readonly ticket: number;
  readonly transport: 'tcp' | 'unix';
  readonly peer: string;
}

// ── main → cache thread, over threads.js ──────────────────────────────────────────────────────────────────────────

export interface CacheInit {
  readonly generation: number;
  readonly config: Config;
  readonly control: SharedArrayBuffer;
  /** Unique per node, names the publication (and the slot): stable across generations so that leftovers are found. */
  readonly nodeName: string;
}

/** `expose`d by src/cache/main.ts. */
export interface CacheControl {
  /** Allocates the store and begins to connect; does not wait for the stream. Returns the store's memory. */
  start(init: CacheInit): Promise<SharedArrayBuffer>;
  /** Registers the ports of one worker; the worker's slot numbers its consumed word. */
  connectWorker(workerSlot: number, service: MessagePort, offers: MessagePort): Promise<void>;
  disconnectWorker(workerSlot: number): Promise<void>;
  status(): Promise<CacheStatus>;
  /** As a session of the proxy's own role with the default settings would have it. */
  explain(sql: string): Promise<Explanation>;
  flush(): Promise<number>;
  /** Stops the stream and removes what was created on the origin. */
  stop(): Promise<void>;
}

export interface CacheStatus {
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly admitted: number;
  readonly rejected: number;
  readonly invalidated: number;
  /** Of these, answers that went back into the store corrected. */
  readonly corrected: number;
  /** Of these, answers that were asked for again though nobody did, and admitted. */
  readonly refreshed: number;
  readonly evicted: number;
  /** Entries kept because a hint asked for it, and their memory. */
  readonly pinnedEntries: number;
  readonly pinnedBytes: number;
  readonly cdc: {
    readonly state: 'connecting' | 'catchingUp' | 'streaming' | 'failed';
    /** What is wrong and what to do about it; null while streaming. */
    readonly problem: string | null;
    readonly appliedLsn: string;
    readonly lagBytes: number;
    /** Age of the freshness clock in milliseconds; -1 before the first round. */
    readonly freshAsOfMs: number;
    readonly rounds: number;
    readonly transactions: number;
    readonly rows: number;
  };
  /** Every database that has a stream, that of `--upstream` (which `cdc` is about) first. */
  readonly databases: readonly DatabaseStatus[];
  readonly catalogVersion: number;
  readonly publishedTables: readonly string[];
  readonly uncacheableTables: readonly { readonly table: string; readonly reason: Reason; readonly remedy: string }[];
  /** Tables whose old rows the stream tells by their key alone: how many changes invalidated how many entries for lack of the rest. */
  readonly impreciseTables: readonly {
    readonly table: string;
    readonly changes: number;
    readonly entries: number;
    readonly remedy: string;
  }[];
  /** Refusals of offers and verdicts by reason. */
  readonly reasons: Readonly<Partial<Record<Reason, number>>>;
  /** Null: this node is alone. */
  readonly tier2: SecondTierStatus | null;
  /** Statements analysed so far: another text of a known shape is not. */
  readonly analysed: number;
  readonly examples: ReasonExamples;
}

/** Answers asked of the second tier and left there. */
export interface SecondTierStatus {
  readonly isUp: boolean;
  readonly lookups: {
    readonly taken: number;
    readonly missing: number;
    /** Perhaps no longer right. */
    readonly refused: number;
    readonly failed: number;
  };
  readonly writes: { readonly written: number; readonly dropped: number; readonly failed: number };
}

/** For each reason one statement that was met with it lately, without its constants. */
export type ReasonExamples = Readonly<Partial<Record<Reason, string>>>;

export interface DatabaseStatus {
  readonly name: string;
  readonly state: CacheStatus['cdc']['state'];
  readonly problem: string | null;
  readonly appliedLsn: string;
  readonly lagBytes: number;
  readonly freshAsOfMs: number;
  /** Tables published. */
  readonly tables: number;
  readonly entries: number;
}

// ── worker → cache thread, over Comlink ───────────────────────────────────────────────────────────────────────────

/**
 * What the origin said about a session (worker/settings.ts asks with `contextQuery`): one text or NULL per column, in
 * the query's order. Only the cache thread knows what the columns mean.
 */
export type ContextRow = readonly (string | null)[];

export interface ContextAnswer {
  /** Part of every key; equal for equal rows within a generation. 0: nothing can be said about statements of the session. */
  readonly contextId: number;
  /** Why no answer may be stored or served under the context; with an id, its statements can be analysed all the same. */
  readonly reason: Reason | null;
  readonly catalogVersion: number;
}

export interface AnalyseRequest {
  readonly contextId: number;
  /** Statement text as the client sent it, comments and all. */
  readonly text: string;
  /** Declared parameter type oids of Parse (0 or missing: untyped); empty for the simple protocol. */
  readonly parameterTypes: readonly number[];
  readonly protocol: 'simple' | 'extended';
}

/** The value that a write gives for one column of a primary key. */
export interface KeyConstant {
  readonly type: CanonicalType;
  readonly source: ValueSource;
}

/** The primary key of one row, in the order of the key's columns in the table. */
export type RowKey = readonly KeyConstant[];

export interface WrittenTable {
  /** Its oid; in a verdict mixed with the database, as fences know it (`fencedTable`). */
  readonly relation: number;
  /** The keys of all rows that may change (a point write, C16); null: any row. */
  readonly points: readonly RowKey[] | null;
}

/** What a write touches, for fences: each table once. */
export type Writes = 'none' | 'unknown' | readonly WrittenTable[];

export interface Verdict {
  /** Names the verdict in an offer; unique within a generation. */
  readonly verdictId: number;
  readonly catalogVersion: number;
  readonly cacheable: boolean;
  /** Null exactly when cacheable. */
  readonly reason: Reason | null;
  /** Proven not to write anything: no table, no sequence, no notification. */
  readonly readOnly: boolean;
  /** Tables written, ancestors and descendants included. */
  readonly writes: Writes;
  /** May change settings, role, search_path, temporary objects or SQL-level prepared statements of the session. */
  readonly changesContext: boolean;
  /** Begins, ends or marks a transaction, or may do so inside (CALL, DO, several statements). */
  readonly transactionControl: boolean;
  /** State that it may leave in its session and that cannot be moved to another connection; null: none. */
  readonly pin: PinReason | null;
  /** Settings that it changes for longer than a transaction, or defines, by name in lower case; further ones if `changesContext`. */
  readonly settings: readonly string[];
  /** 'shape': the verdict holds for every text of the same shape (shared/shape.ts); 'text': for this text alone. */
  readonly scope: 'shape' | 'text';
  /** Number of its shape (cache/shape-numbers.ts): 0 when it is not cacheable, or all numbers are given. */
  readonly shape: number;
  /**
   * What a cacheable statement was resolved to and the columns of its answer, hashed by content: equal in two catalog versions or generations
   * when nothing changed that the statement rests on. The first word is equal when the tables are the same. Empty when it is not cacheable.
   */
  readonly signature: string;
  /** A PREPARE that is understood: what it makes. */
  readonly prepared?: PreparedText;
}

/** The statement that a PREPARE makes, as a Parse would make it. */
export interface PreparedText {
  readonly name: string;
  /** Without comments. */
  readonly text: string;
  /** Declared ones; the others are for the server to infer. */
  readonly parameterTypes: readonly number[];
}

/** A statement of a session that no change stream may stand in the way of. */
export interface DatabaseHold {
  /** Unique per worker. */
  readonly id: number;
  /** As the statement has it; null: any database. */
  readonly name: string | null;
  /** With a null name: this one is not meant. */
  readonly except: string | null;
  /** The CancelRequest of its session in hexadecimal digits. */
  readonly cancelKey: string | null;
}

/** A dear answer that is missed, for the second tier. */
export interface SharedAnswerRequest {
  readonly contextId: number;
  /** `Verdict.shape` */
  readonly shape: number;
  readonly hash: number;
  readonly key: Uint8Array<ArrayBuffer>;
}

/** Exposed to workers through Comlink. */
export interface CacheService {
  /** Sessions of the worker are in the database: its stream is started, unless it has one. Its slot in the store; null: no room for it. */
  openDatabase(name: string): Promise<number | null>;
  /** The worker has no sessions in it any more, and has forgotten the slot. */
  closeDatabase(name: string): Promise<void>;
  /** Somebody has logged in to the database, and it has no stream just now. */
  databaseEntered(name: string): Promise<void>;
  /** Resolves when the databases' streams have ended; they stay away until `unholdDatabase`, and a name that is gone until a login. */
  holdDatabase(hold: DatabaseHold): Promise<boolean>;
  /** A CancelRequest has come to a worker, not necessarily that of the session. The hold's promise resolves with true. */
  cancelHold(cancelKey: string): Promise<void>;
  unholdDatabase(id: number, isGone: boolean): Promise<void>;
  /** DDL was answered there that may have taken a table's replica identity: resolves once no such table is published any more (C23). */
  lookOver(database: string): Promise<void>;
  /** The statement that a worker runs on a session's origin connection to learn its context. */
  contextQuery(database: string): Promise<{ readonly sql: string; readonly catalogVersion: number } | null>;
  internContext(database: string, row: ContextRow): Promise<ContextAnswer>;
  analyse(request: AnalyseRequest): Promise<Verdict>;
  /** The round from which on the answer can be served; 0: other nodes have not left any that is right. */
  fetchShared(request: SharedAnswerRequest): Promise<number>;
  explain(request: AnalyseRequest, row: ContextRow): Promise<Explanation>;
}

// ── worker → cache thread, fills ──────────────────────────────────────────────────────────────────────────────────

/** Read from shared memory before Bind or Query was sent (C1, C3). */
export interface FillToken {
  readonly generation: number;
  readonly streamEpoch: number;
  readonly settleStamp: number;
  readonly catalogVersion: number;
}

/** An origin's answer offered for admission. `bytes` holds the key and then the frames. */
export interface Offer {
  readonly verdictId: number;
  /** `Verdict.shape` */
  readonly shape: number;
  readonly contextId: number;
  readonly token: FillToken;
  readonly hash: number;
  readonly keyBytes: number;
  readonly rowDescriptionBytes: number;
  /** STARTED_ROUND + 1, read when the answer had arrived. */
  readonly filledRound: number;
  /** A hint asks to keep it. */
  readonly pin?: boolean;
  /** Of its columns, as the client was told before (told.ts). */
  readonly toldRows?: number;
  /** Others stand still for a round that confirms it. */
  readonly isAwaited?: boolean;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Nobody asked for it: a hot answer that a change had taken out. */
  readonly isRefresh: boolean;
  /** What it took the origin, milliseconds. */
  readonly costMs: number;
}

/** Posted with every `bytes.buffer` transferred. */
export type OfferBatch = readonly Offer[];

// ── cache thread → worker, on the port of the offers ──────────────────────────────────────────────────────────────

/** A hot answer that a settled change took out of the store, to be asked for again. */
export interface RefreshRequest {
  readonly hash: number;
  readonly key: Uint8Array<ArrayBuffer>;
  /** A hint has asked to keep it. */
  readonly pin: boolean;
  /** What the key says (query-key.ts). */
  readonly contextId: number;
  readonly protocol: 'simple' | 'extended';
  readonly text: string;
  readonly parameterTypes: readonly number[];
  /** Where the Bind message's formats and values begin in the key; its end for the simple protocol. */
  readonly tailStart: number;
}

/** Each worker gets all of them; the one that claims the key first (memory/flights.ts) sees to it. */
export type CacheNotice = readonly RefreshRequest[];

// ── answers for people ────────────────────────────────────────────────────────────────────────────────────────────

/** An entry that a statement's text has in the cache, in one context and form. */
export interface ExplainedEntry {
  readonly protocol: 'simple' | 'extended';
  readonly contextId: number;
  readonly bytes: number;
  readonly ageS: number;
}

export interface Explanation {
  readonly cacheable: boolean;
  readonly reason: Reason | null;
  /** What the reason means in general. */
  readonly meaning: string | null;
  readonly detail: string;
  readonly remedy: string | null;
  readonly relations: readonly string[];
  readonly constraints: readonly string[];
  readonly readOnly: boolean;
  readonly writes: readonly string[] | 'none' | 'unknown';
  /** The statement without its constants. */
  readonly shape: string;
  /** What is part of the key besides text and parameters: database, role, settings. Values only for a session's own context. */
  readonly keySettings: readonly { readonly name: string; readonly value: string | null }[];
  /** Null when the statement stands in no session: then entries of all contexts are listed. */
  readonly contextId: number | null;
  readonly entries: readonly ExplainedEntry[];
  /** Hits of the shape since the cache thread started; null when it is not counted (never admitted, or too many shapes). */
  readonly hits: number | null;
}
