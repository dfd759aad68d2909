/** Every bound in one place: name, unit and rank last. Configurable ones are defaults here and fields of `Config`. */
export const Limits = {
  /** Largest startup packet accepted, as in PostgreSQL (MAX_STARTUP_PACKET_LENGTH, 10000). */
  startupPacketBytesMax: 10_000,
  /** Largest frontend frame that is assembled for a decision; larger ones are streamed to the origin undecoded. */
  assembledFrameBytesMax: 64 * 1024,
  /** Largest client batch (up to its Sync or Flush) held back while it is being completed. */
  heldBatchBytesMax: 128 * 1024,
  /** For how long, too: a server executes messages as they come. */
  heldBatchMsMax: 20,
  /** PostgreSQL's own limit on a frontend message (PQ_LARGE_MESSAGE_LIMIT, MaxAllocSize - 1). */
  frameBytesMax: 0x3fffffff,
  /** The longest statement text that is analysed or keyed. */
  statementBytesMax: 64 * 1024,
  /** The longest key (context, text, parameters) an entry may have. */
  keyBytesMax: 64 * 1024,
  /** Read buffer shared by all sockets of a worker. */
  readBufferBytes: 64 * 1024,
  /** Bytes queued towards a peer beyond which its counterpart is no longer read. */
  peerQueueBytesMax: 256 * 1024,
  /** Slabs of 256 KiB that a worker keeps for the next pending write once sockets are done with them. */
  spareSlabsMax: 32,
  /** Prepared statements remembered per session for local answers; beyond it the session passes through. */
  statementsPerSessionMax: 10_000,
  /** Verdicts remembered per worker and database, and the text they are found by in UTF-16 units. One takes some 2 KiB. */
  verdictsPerWorkerMax: 6_000,
  verdictsTextMax: 8 * 1024 * 1024,
  /** Analyses a worker may have in flight; beyond it a statement passes through unanalysed. */
  analysesInFlightMax: 256,
  /** Offers a worker may have unconsumed in the cache thread's inbox; beyond it answers are not captured. */
  offersInFlightMax: 512,
  offerBytesInFlightMax: 8 * 1024 * 1024,
  /** Share of the store, of its memory and of its slots, up to which entries that a hint pins are not evicted. */
  pinnedShareMax: 1 / 4,
  /** Row changes, and transactions, kept for checking late fills; older tokens are refused. 20,000 transactions of a row: ten seconds of 2,000 a second. */
  changeLogRowsMax: 40_000,
  /** Row changes of one transaction and table kept one by one; beyond it the whole table counts as changed by it. */
  changeLogRowsPerTableMax: 256,
  /** Text kept by the change log, in UTF-16 units and 16 a value. */
  changeLogTextMax: 16 * 1024 * 1024,
  /** Value tuples one entry may be filed under per relation (IN lists); beyond it the longest list is ignored. */
  tuplesPerEntryMax: 128,
  /** Sets of columns compared, and used beside them, per relation; entries of further shapes depend on every row. */
  signaturesPerRelationMax: 128,
  /** Answers that wait to be corrected in place, and the bytes of key and answer beyond which one is not. */
  correctionsMax: 4_096,
  correctionBytesMax: 16 * 1024,
  /** Lists among them, the rows of one, and the changes of a table in one transaction beyond which its lists are left to the next miss. */
  listCorrectionsMax: 256,
  listedRowsMax: 128,
  listChangesMax: 1_000,
  /** Hot answers that wait for the change that took them out to settle, and how many a second are asked for again. */
  refreshesWaitingMax: 1_024,
  refreshesPerSecondMax: 200,
  /** Of those, a worker has so many under way and in line; the origin is busy when so many sessions of it wait for an answer. */
  refreshesInFlightMax: 2,
  refreshesInLineMax: 128,
  refreshPendingMax: 4,
  /** How long the origin may work at one: a client's statement may have to wait for it. */
  refreshMsMax: 100,
  /** Sessions looked at for one that is idle in the right context. */
  refreshSessionsMax: 1_000,
  /** Tables whose fall-backs (changes with an old row that is not told) are counted. */
  tablesCountedMax: 1_000,
  /** Analyses remembered by the cache thread, and the text they are found by in UTF-16 units. One takes some 3 KiB. */
  analysesMax: 6_000,
  analysesTextMax: 8 * 1024 * 1024,
  /** How long the cache thread analyses before it looks at its other work. */
  analysisSliceMs: 4,
  /** Offers handled before the cache thread looks at its other work. */
  offersPerSliceMax: 64,
  /** Entries that a change takes out, and those looked at and slots passed by where a database is cleared, before it does so. */
  invalidatedPerSliceMax: 1_024,
  clearedEntriesPerSliceMax: 2_048,
  clearedSlotsPerSliceMax: 65_536,
  /** Settings of applications in the key of every answer. */
  keySettingsMax: 32,
  /** Tables on the stream that one entry may need: the partitions of what it read. */
  streamedTablesPerEntryMax: 512,
  /** Relations one entry may depend on. */
  relationsPerEntryMax: 16,
  /** Rows of one table that a transaction fences one by one; beyond it the whole table. */
  fencePointsPerTableMax: 64,
  /** Rows of one table that an entry may be pointed at; beyond it it needs every write to the table. */
  fencePointsPerEntryMax: 8,
  /** The longest header of the PROXY protocol, TLVs included; balancers send some hundred bytes. */
  proxyHeaderBytesMax: 4096,
  /** How often sessions are looked at for being idle: an eighth of the shortest timeout, within these. */
  idleLookMsMin: 10,
  idleLookMsMax: 1000,
  /** How long a client may keep its end open after our last words. */
  lingerMsMax: 5_000,
  /** The loosest `max_staleness` that a hint may ask for. */
  hintStalenessMsMax: 60_000,
  /** How long an acknowledgement may wait for the verdict that says what was written; and how much behind it. */
  verdictWaitMsMax: 100,
  /** The same for tables that may have lost their replica identity. */
  lookOverWaitMsMax: 1_000,
  withheldBytesMax: 256 * 1024,
  /** A miss that takes the origin less than this is not worth waiting for, when somebody else has sent the same. */
  sharedMissMsMin: 2,
  /** How long a miss is worth waiting for that nothing is known of; with four times what it took before, if that is known. */
  sharedMissWaitMsMin: 50,
  /** How long a read stands in line for somebody else's answer (worker/read-lines.ts). */
  readLineMsMax: 10,
  /** Bytes on their way to Redis; beyond it answers are not left there. */
  tier2BytesUnderWayMax: 8 * 1024 * 1024,
  /** After so many questions for answers of a shape that found none, only every so many-th is asked. */
  tier2PatienceMax: 8,
  tier2ProbeEvery: 16,
  /** How long a statement waits for the round that its session's floor needs (monotonic). */
  floorWaitMsMax: 10,
  /** How long an answer that was offered may take to be admitted until those who wait for it send their own. */
  admissionWaitMsMax: 100,
  /** How long a statement may wait for the verdict that says whether any connection of a pool may run it. */
  poolVerdictWaitMsMax: 100,
  /** Statements that ran unjudged in a session, remembered to be judged later; beyond it the session keeps its connection. */
  poolDoubtsMax: 32,
  /** Statements prepared on a pooled connection; with more it is closed when its session is done with it. */
  pooledStatementsMax: 1_000,
  /** How long a client's statement may wait for its session's settings to be read. */
  contextWaitMsMax: 20,
  /** The same where the catalog has to be loaded first. */
  catalogWaitMsMax: 5,
  /** Length of a statement shown as an example of a reason. */
  exampleCharsMax: 300,
  /** Entries of one statement that `explain` lists, and contexts in which it looks for them. */
  explainedEntriesMax: 20,
  explainedContextsMax: 10_000,
  /** How long a client waits for an explanation before it is told what is known without it. */
  explainWaitMsMax: 2_000,
  /** How long DROP DATABASE and its kin wait for the cache thread to let go of the database. */
  databaseHoldMsMax: 3_000,
  /** Tables that cannot be cached, listed in /status. */
  uncacheableTablesMax: 100,
  /** A session with more prepared statements stays in its worker. */
  movedStatementsMax: 500,
  /** Sessions that a busy worker gives up at once. */
  movedSessionsMax: 8,
  /**
   * V8's young generation, of each thread: it would grow to 48 to 100 MB under a flood of new statements (ADR-021), and a larger one makes nothing
   * faster here (ADR-015).
   */
  youngGenerationMib: 12,
  /** When a thread has loaded what it needs, and its heap is collected once. */
  heapSettledMs: 6_000,
  /** How much of what was alive after a full collection may be added to a heap before the next one: V8 lets a small heap grow to four times that (ADR-021). */
  heapGrowingPercent: 50,
  /** What was freed goes back to the system so often, which takes 1 to 4 ms of the main thread. */
  trimEveryMs: 10_000,
  workersMax: 64,
  /** Change streams, as many as the store's header has slots (memory/layout.ts). */
  databasesMax: 32,
} as const;
