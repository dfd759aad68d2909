/** What a user can do about a reason; nothing where that is for the best, or only passing. */
import type { Reason } from './reasons.ts';

export const Remedies: Readonly<Partial<Record<Reason, string>>> = {
  'cache.down': 'see "problem" in /status, and run pgfresh doctor',
  'cache.stale': 'see lag in /status; raise cache.max_staleness if a longer lag is acceptable',
  'cache.fenced': 'passing; with SET pgfresh.consistency = session only a session’s own writes count',
  'cache.off': 'SET pgfresh.consistency = strong, or the consistency option',
  'session.inTransaction': 'read before the first write, or outside of the transaction; READ COMMITTED only',
  'session.isolation':
    'default_transaction_isolation = read committed, with BEGIN ISOLATION LEVEL … where more is needed',
  'session.temporarySchema': 'DISCARD TEMP, or use temporary tables in sessions of their own',
  'session.settings': 'standard_conforming_strings = on',
  'session.pooler': 'connect pgfresh to PostgreSQL itself, and the pooler to pgfresh if one is needed',
  'session.standby': 'point --upstream at the primary',
  'session.database': 'name the database in --upstream',
  'session.statementLimit': 'close prepared statements that are not used any more',
  'statement.tooLong': 'send long lists as one array parameter: = ANY($1)',
  'statement.multiple': 'send one statement a query',
  'statement.cursor': 'select the rows without a cursor where they are few',
  'statement.rowLimit': 'fetch all rows at once (setFetchSize(0)); LIMIT in the statement is cached',
  'statement.execute':
    'prepare by the protocol, as drivers do, or write arguments as plain constants; PREPARE again after DDL',
  'uncacheable.lockingClause': 'leave FOR UPDATE / FOR SHARE out where no lock is needed',
  'uncacheable.volatileFunction': 'compute the value in the application and pass it as a parameter',
  'uncacheable.userFunction': 'write the expression out, or use built-in functions',
  'uncacheable.systemColumn': 'do not select ctid, xmin and their kin',
  'uncacheable.notPermanent': 'ALTER TABLE … SET LOGGED',
  'uncacheable.replicaIdentity': 'add a primary key, or ALTER TABLE … REPLICA IDENTITY FULL',
  'uncacheable.notPublished': 'pgfresh doctor names the privilege that is missing',
  'uncacheable.unknownRelation': 'check the name and the search_path of the session',
  'fill.tooLarge': 'raise cache.max_entry, or select fewer rows or columns',
  'fill.full': 'raise cache.memory',
};
