/**
 * Why a statement was passed through, or an answer not admitted. One closed table: logs, `/status`, `/metrics` and
 * `explain` all print these codes, and a remedy where the user can do something about it.
 */
export const Reasons = {
  // the cache as a whole
  'cache.down': 'the cache thread or its change stream is not live',
  'cache.stale': 'the change stream has not confirmed freshness within max_staleness',
  'cache.fenced': 'a write acknowledged through pgfresh has not been applied yet',
  'cache.off': 'consistency level is off',
  'cache.unconfirmed': 'the answer was stored a moment ago: that nothing else changed meanwhile is being confirmed',
  'cache.bypass': 'the origin answers statements of this shape as cheaply as the cache',
  // the session
  'session.contextUnknown': 'the session settings are being read from the origin',
  'session.inTransaction': 'inside a transaction block',
  'session.isolation': 'default isolation level is above READ COMMITTED',
  'session.temporarySchema': 'the session has temporary objects that may shadow tables',
  'session.settings': 'standard_conforming_strings is off, which changes how statements are read',
  'session.pooler': 'a connection pooler stands between pgfresh and the origin',
  'session.standby': 'the origin is a standby or not the server the change stream comes from',
  'session.database': 'this database has no change stream',
  'session.statementLimit': 'too many prepared statements in the session',
  // the statement
  'statement.pending': 'the statement has not been analysed yet',
  'statement.unparseable': 'the statement could not be parsed',
  'statement.tooLong': 'the statement is too long to analyse',
  'statement.multiple': 'several statements in one string',
  'statement.write': 'the statement writes',
  'statement.utility': 'the statement is not a SELECT',
  'statement.execute':
    'EXECUTE of a statement that is not known for sure, or with arguments that are not plain constants',
  'statement.transactionControl': 'transaction control',
  'statement.settings': 'the statement changes or reads settings',
  'statement.cursor': 'cursors are not cached',
  'statement.copy': 'COPY is not cached',
  'statement.rowLimit': 'Execute with a row limit',
  'statement.skipped': 'a hint of the statement asks for the answer of the origin',
  'statement.unknownHint': 'a hint that is none (counted beside what became of its statement)',
  'statement.protocol': 'a message sequence that is only relayed',
  'uncacheable.noTable': 'no table is read',
  'uncacheable.lockingClause': 'FOR UPDATE / FOR SHARE takes locks',
  'uncacheable.volatileFunction': 'a volatile, session- or time-dependent function',
  'uncacheable.userFunction': 'a user-defined function proves nothing about what it reads',
  'uncacheable.userType': 'a type or operator whose behaviour is not built in',
  'uncacheable.systemCatalog': 'system catalogs and statistics views put nothing on the change stream',
  'uncacheable.systemColumn': 'system columns (ctid, xmin …) change without the row changing',
  'uncacheable.tableSample': 'TABLESAMPLE is random',
  'uncacheable.view': 'the definition of a view cannot be read',
  'uncacheable.inheritance': 'a partition or heir that the catalog snapshot does not have',
  'uncacheable.rowSecurity': 'a policy of row level security depends on more than rows and what is in the key',
  'uncacheable.relationKind': 'not a table or view (foreign table, sequence …)',
  'uncacheable.notPermanent': 'unlogged and temporary tables are not in the change stream',
  'uncacheable.replicaIdentity': 'the table has no usable replica identity',
  'uncacheable.notPublished': 'the table could not be added to the publication',
  'uncacheable.publishing': 'the table is being added to the publication',
  'uncacheable.unknownRelation': 'a relation that the catalog snapshot does not have',
  'uncacheable.unknownColumn': 'a column that could not be resolved',
  'uncacheable.construct': 'a construct that the analysis does not cover',
  'uncacheable.tooManyRelations': 'more relations than an entry may depend on',
  // the fill
  'fill.tooLarge': 'the answer is larger than cache.max_entry',
  'fill.notComplete': 'error, notice, cancel or partial answer',
  'fill.stored': 'the answer is stored already, and nothing has changed it since',
  'fill.changed': 'a matching change was applied or is not settled since the answer was asked for',
  'fill.generation': 'the cache generation, stream or catalog changed meanwhile',
  'fill.full': 'no room in the store',
  'fill.firstSight':
    'few answers of this shape are asked for again: they are kept when they are asked for a second time',
  'fill.changesTooOften': 'answers of this shape change before they are asked for again: hardly any is kept',
  'fill.queueFull': 'too many answers waiting for admission',
  // hot answers that are asked for again (counted beside the statements)
  'refresh.noSession': 'no idle session of a worker has the role and settings of the answer to be refreshed',
  'refresh.busy': 'sessions wait for the origin, or too many answers are being refreshed',
  'refresh.needless': 'the answer to be refreshed is back, is being asked for, or is not worth its cost',
  'refresh.failed': 'the origin answered the refreshing statement with an error, or not in time',
} as const;

/** Why a session keeps its connection to the origin although they are pooled (ADR-020): it has, or may have, state that no other one has. */
const PinReasons = {
  'pool.unknown': 'a function, trigger, view or statement of which it is not known what it leaves in its session',
  'pool.unproven': 'nothing could be found out about a statement: the cache is down, or its settings are not known',
  'pool.prepare': 'PREPARE, EXECUTE, DEALLOCATE, or a look at prepared statements',
  'pool.listen': 'LISTEN',
  'pool.temporary': 'a temporary table',
  'pool.advisoryLock': 'an advisory lock of the session',
  'pool.cursor': 'a cursor WITH HOLD',
  'pool.role': 'SET ROLE or SET SESSION AUTHORIZATION',
  'pool.load': 'LOAD',
  'pool.discard': 'DISCARD',
  'pool.sequence': 'nextval, setval, currval or lastval',
  'pool.backend': 'pg_backend_pid: the connection has been looked at',
  'pool.settings': 'a setting that cannot be carried to another connection, or one changed under prepared statements',
  'pool.protocol': 'a FunctionCall, or a statement too long to look at',
} as const;

export type PinReason = keyof typeof PinReasons;
export const pinReasons = Object.keys(PinReasons) as readonly PinReason[];

export type Reason = keyof typeof Reasons;
export const reasonCodes = Object.keys(Reasons) as readonly Reason[];
/** Dense number of a reason, for counters in shared memory. */
export const reasonIndex = Object.freeze(Object.fromEntries(reasonCodes.map((code, i) => [code, i]))) as Readonly<
  Record<Reason, number>
>;
