/**
 * The one place for numbers of shared-memory words. Two kinds of memory:
 *
 *   control (one per process, survives cache generations)      store (one per cache generation)
 *   ┌──────────────────────────────────────────┐              ┌───────────────────────────────────────┐
 *   │ words, a cache line each                 │              │ words, a cache line each              │
 *   │ worker epoch words, a cache line each    │              │ index: buckets of 8 (tag, block)      │
 *   │ fences: FENCE_COUNT round numbers        │              │ blocks: units of 64 bytes             │
 *   │ a fence for each database, a line each   │              │                                       │
 *   │ misses under way: FLIGHT_COUNT pairs     │              │                                       │
 *   └──────────────────────────────────────────┘              └───────────────────────────────────────┘
 *
 * Every word is an Int32 read and written with Atomics, and has exactly one writing thread (named beside it), except
 * the fences, ROUND_WANTED, ROUND_WISHED, ROUND_AWAITED and ROUND_CONFIRMING, which rise by compare-and-swap (and are lowered by the cache thread alone, renumber.ts), and
 * READS_BEHIND, which is added to.
 *
 * **Databases** (ADR-013). Each database that has a change stream has a slot of the store's header: one line of words that say how
 * far its answers may be trusted, written by the cache thread, and one line that workers write. `--upstream`'s has slot 0. A
 * session of another database reads other words at the same distance, and does nothing more.
 *
 * **Rounds** are the logical time of consistency (ADR-003). The cache thread raises STARTED_ROUND and only then asks
 * the origin for a WAL position; FRESH_ROUND = r says that every commit acknowledged before round r started is applied.
 * A write whose acknowledgement arrives while STARTED_ROUND reads s is therefore covered by every round > s, so its
 * fence is s + 1, and a hit needs FRESH_ROUND >= fence. No two threads ever compare clocks.
 */
const LINE = 16; // Int32 words in a 64-byte cache line

export const LIMIT_ROUND = 0x7fff0000;
/** Rounds that have come so far are numbered anew (cache/renumber.ts): halfway, since it waits for nothing. */
export const RENUMBER_ROUND = 0x40000000;

/** Words of the control memory. */
export const Control = {
  /** Generation whose store may be read; 0 while the cache is down. Writer: main. */
  CURRENT_GENERATION: 0 * LINE,
  /** Highest round begun, in every generation. Writer: the cache thread. */
  STARTED_ROUND: 1 * LINE,
  /** Sessions open in all workers. Writers: workers (Atomics.add). */
  SESSIONS: 3 * LINE,
  /** Heartbeat of the cache thread's event loop, counts up. Writer: the cache thread. */
  CACHE_HEARTBEAT: 5 * LINE,
  /** Delay of the cache thread's event loop lately, microseconds (shared/loop-delay.ts). Writer: the cache thread. */
  CACHE_LOOP_MAX_US: 7 * LINE,
  CACHE_LOOP_P99_US: 8 * LINE,
  /** 1 while processors are idle: workers may look for work before they sleep (worker/polling.ts). Writer: main. */
  SPARE_PROCESSORS: 9 * LINE,
} as const;

const CONTROL_WORDS = 16 * LINE;
export const WORKERS_MAX = 64;
/** Epoch word of worker w (0-based slot) is at EPOCHS + w * LINE. Writer: that worker; the supervisor clears a dead one's. */
const EPOCHS = CONTROL_WORDS;
export const epochWord = (workerSlot: number): number => EPOCHS + workerSlot * LINE;
export const FENCE_COUNT = 1 << 16;
export const FENCES = EPOCHS + WORKERS_MAX * LINE;
/** Fences of writes whose tables are unknown, by hash of the database, a cache line each since every hit reads one. Writers: workers (raise). */
export const DATABASE_FENCE_COUNT = 1 << 12;
export const DATABASE_FENCES = FENCES + FENCE_COUNT;
export const databaseFenceWord = (hash: number): number => DATABASE_FENCES + (hash & (DATABASE_FENCE_COUNT - 1)) * LINE;
/** Misses under way, and until when each is worth waiting for (flights.ts). Writer of a word: the worker that claimed it; main for a dead one. */
export const FLIGHT_COUNT = 1 << 12;
export const FLIGHTS = DATABASE_FENCES + DATABASE_FENCE_COUNT * LINE;
export const FLIGHTS_UNTIL = FLIGHTS + FLIGHT_COUNT;
/**
 * Hits by shape: Float64 lanes behind the words, one for each worker slot. Writer of a lane: that worker; a replacement counts on.
 * Shape 0 stands for all that have no number (cache/shape-numbers.ts).
 */
export const SHAPE_NUMBERS = 1024;
export const SHAPE_HITS_BYTE = (FLIGHTS_UNTIL + FLIGHT_COUNT) * 4;
export const CONTROL_BYTES = SHAPE_HITS_BYTE + WORKERS_MAX * SHAPE_NUMBERS * 8;

/** State word of a store. */
export const StoreState = { starting: 0, live: 1, down: 2 } as const;
export type StoreState = (typeof StoreState)[keyof typeof StoreState];

/** Slots for databases in a store's header. */
export const DATABASE_SLOTS = 32;
const DATABASES = 80 * LINE;
const WANTED = DATABASES + DATABASE_SLOTS * LINE;

/** Words of a store's header. Writer of all but those from ROUND_WANTED on: its cache thread. */
export const Store = {
  GENERATION: 0 * LINE,
  /** Epoch of memory reclamation. */
  RECLAIM_EPOCH: 7 * LINE,
  /** Offers taken from each worker's inbox so far: CONSUMED + w * LINE. */
  CONSUMED: 8 * LINE,
  /** Bucket count of the index, a power of two; written once. */
  BUCKETS: 72 * LINE,
  /** First block's position in units of 64 bytes from the start of the memory; written once. */
  BLOCKS_START: 73 * LINE,
  /** Memory size in units of 64 bytes; written once. */
  BLOCKS_END: 74 * LINE,
  /** 1 since an entry was evicted to make room, until an eighth of the memory is free. */
  FULL: 75 * LINE,

  // Of the database in slot 0; those of slot s are `databaseWords(s)` further on.
  STATE: DATABASES,
  /** Highest round completed. */
  FRESH_ROUND: DATABASES + 1,
  /** Start time of that round, milliseconds of the monotonic clock truncated to 32 bits; compare by difference. */
  FRESH_AS_OF_MS: DATABASES + 2,
  /** Rises each time applied transactions become visible to new snapshots: the token of fills. */
  SETTLE_STAMP: DATABASES + 3,
  /** Rises when the stream is begun anew; part of the token. */
  STREAM_EPOCH: DATABASES + 4,
  /** Rises when the database's catalog changed: verdicts and contexts of older versions are unknown. */
  CATALOG_VERSION: DATABASES + 5,
  /** Highest round that somebody waits for. Writers: workers (raise). */
  ROUND_WANTED: WANTED,
  /** Highest round that a write made desirable though nobody waits for it yet. Writers: workers (raise). */
  ROUND_WISHED: WANTED + 1,
  /** Reads passed through for want of a round, counted round and round. Writers: workers (add). */
  READS_BEHIND: WANTED + 2,
  /** Highest round that statements stand still for. Writers: workers (raise). */
  ROUND_AWAITED: WANTED + 3,
  /** Highest round that would confirm an answer that statements stand still for. Writers: workers (raise). */
  ROUND_CONFIRMING: WANTED + 4,
} as const;
export const STORE_HEADER_BYTES = 160 * LINE * 4;
export const databaseWords = (databaseSlot: number): number => databaseSlot * LINE;
export const consumedWord = (workerSlot: number): number => Store.CONSUMED + workerSlot * LINE;

export const BLOCK_UNIT_BYTES = 64;
export const BUCKET_SLOTS = 8;

/**
 * A block, Int32 words then bytes. Immutable between its publication and its reclamation, except VISITED.
 *
 *   word 0 HASH · 1 KEY_BYTES · 2 FRAMES_BYTES · 3 VISITED · 4 FILLED_ROUND · 5 ADMISSION · 6 ROW_DESCRIPTION_BYTES
 *   7 FENCE_PAIRS (n) · 8 ENTRY · then 2n fence slots · then the key, then the frames (each starting at a multiple of 4)
 *
 * The frames are whole backend messages: for a portal `[T] D* C`, T present iff ROW_DESCRIPTION_BYTES > 0.
 */
export const Block = {
  HASH: 0,
  KEY_BYTES: 1,
  FRAMES_BYTES: 2,
  /**
   * Bit 0 (`VISITED_BIT`) set by readers, without any order, cleared by the eviction hand; `HOT_BIT` set by the reader who finds bit 0 set; `PIN_BIT`
   * is never changed: a hint asked to pin it.
   */
  VISITED: 3,
  /** Floor a session gets by reading this answer under `monotonic`: STARTED_ROUND + 1 when it arrived. */
  FILLED_ROUND: 4,
  /** For people: number of the shape (low 10 bits), seconds of the monotonic clock at admission (22 bits, compare by difference). */
  ADMISSION: 5,
  ROW_DESCRIPTION_BYTES: 6,
  FENCE_PAIRS: 7,
  /** For the writer alone: number of the entry in its books (cache/entry-numbers.ts). */
  ENTRY: 8,
  HEADER_WORDS: 9,
} as const;

export const VISITED_BIT = 1;
export const PIN_BIT = 2;
export const HOT_BIT = 4;

/** Per-worker counters: a Float64Array of its own, written by that worker alone, summed by main. */
export const Counter = {
  hits: 0,
  misses: 1,
  passthrough: 2,
  admittedOffers: 3,
  bytesFromClients: 4,
  bytesToClients: 5,
  sessionsOpened: 6,
  sessionsOpen: 7,
  originConnections: 8,
  protocolErrors: 9,
  bytesHit: 10,
  statements: 11,
  /** Sessions that wait for an answer of the origin. */
  originPending: 12,
  /** Delay of the worker's event loop lately (shared/loop-delay.ts). */
  loopDelayMaxMs: 13,
  loopDelayP99Ms: 14,
  /** Given up to other workers. */
  sessionsMoved: 15,
  /** Hot answers asked for again. */
  refreshes: 16,
  /** Of the hits: answers that another session of the worker was given by the origin (worker/read-lines.ts). */
  shared: 17,
  // Transaction pooling (ADR-020): connections by state, sessions that wait, and what they waited in all.
  poolIdle: 22,
  poolActive: 23,
  poolPinned: 24,
  poolWaiting: 25,
  poolWaits: 26,
  poolWaitMs: 27,
  poolTimeouts: 28,
  /** Time spent looking for work instead of sleeping (worker/polling.ts). */
  polledMs: 29,
  /** First of `reasonCodes.length` counters, by reason index. */
  reasons: 32,
  /** First of `pinReasons.length` counters: sessions that kept their connection. */
  pins: 224,
  /** First of `LATENCY_BUCKETS` counters each: samples of the time that answers took (memory/latency.ts). */
  latencyCache: 256,
  latencyOrigin: 384,
} as const;
export const LATENCY_BUCKETS = 128;
export const COUNTERS_LENGTH = 512;
