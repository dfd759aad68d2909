/** What became of a batch at the cache, and why a statement was sent to the origin. */
import type { Reason } from '../shared/reasons.ts';
import type { Session } from './session.ts';
import type { VerdictSlot } from './verdicts.ts';

/** 'notFound': the store has no such entry; a reason: it was not even looked for, or may not be used. */
export type Outcome = 'served' | 'hold' | 'notFound' | Reason;

/** The answer is in the store, and waits for a round. */
export function isBehind(why: Outcome): boolean {
  return why === 'cache.fenced' || why === 'cache.unconfirmed';
}

/** The answer is in the store, but not to be used, or not yet. */
export function isStoredYetUnused(why: Outcome): boolean {
  return isBehind(why) || why === 'cache.bypass';
}

/**
 * 'miss', or the reason of a pass-through.
 * @param why what kept its batch from being answered here
 * @param mayFill whether its answer could be stored
 */
export function reasonOf(
  session: Session,
  why: Outcome,
  slot: VerdictSlot | null,
  hasContext: boolean,
  mayFill: boolean,
): Reason | 'miss' {
  if (why === 'cache.off' || why === 'cache.down' || why === 'session.inTransaction') return why;
  if (why === 'session.database' || why === 'statement.skipped') return why;
  if (slot === null && !hasContext) return session.settings.reason;
  if (slot === null) return session.statements.hasRoom ? 'statement.protocol' : 'session.statementLimit';
  if (slot.verdict === null) return slot.failed ? 'statement.unparseable' : 'statement.pending';
  if (slot.verdict.reason !== null) return slot.verdict.reason;
  if (why === 'notFound' || why === 'hold' || why === 'served') return 'miss';
  return mayFill && !isPassed(why) ? 'miss' : why;
}

/** Reasons for which a cacheable statement is not counted as a miss. */
function isPassed(why: Reason): boolean {
  return why === 'cache.stale' || why === 'statement.execute' || isStoredYetUnused(why);
}
