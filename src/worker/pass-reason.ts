/** Why a statement that was sent to the origin was sent there. */
import type { Reason } from '../shared/reasons.ts';
import { isStoredYetUnused, type Outcome } from './serve.ts';
import type { Session } from './session.ts';
import type { VerdictSlot } from './verdicts.ts';

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
