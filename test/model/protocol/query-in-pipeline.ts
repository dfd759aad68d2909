/**
 * PostgreSQL 18 goes on with the pipeline's transaction when a Query comes between an extended message and its Sync, and ends the Sync in a state that makes
 * the next statement fail with XX000 (StartTransactionCommand), whatever it is. Behind pgfresh that may be a question of ours instead of the client's
 * statement. So a ROLLBACK comes next, which leads both to the same place, and what the two servers say to it may differ in that.
 */
import type { Message } from './message.ts';

const rollback: Message = { kind: 'query', sql: 'ROLLBACK' };

/** Puts a ROLLBACK behind each Sync whose pipeline had a Query or a FunctionCall in it; those put before, of which some may be missing, are put anew. */
export function withRollbacks(messages: readonly Message[]): Message[] {
  let isOpen = false;
  let hasQuery = false;
  return messages.flatMap((message) => {
    if (message === rollback) return [];
    if (message.kind === 'query' || message.kind === 'call') hasQuery ||= isOpen;
    else isOpen = message.kind !== 'sync';
    if (isOpen || !hasQuery) return [message];
    hasQuery = false;
    return [message, rollback];
  });
}

const isStateError = (line: string): boolean =>
  line.startsWith('E ') && line.includes('CXX000\0MStartTransactionCommand: unexpected state ');

const isNothingToEnd = (line: string): boolean => line.startsWith('N ') && line.includes('C25P01\0');

/** Both answers as they would be without that error, where the server said it directly: neither it nor what ROLLBACK says outside of a block. */
export function withoutStateError(direct: readonly string[], proxied: readonly string[]): (readonly string[])[] {
  if (!direct.some(isStateError)) return [direct, proxied];
  return [direct, proxied].map((lines) =>
    lines.filter((line, i) => {
      const endsNothing = line === 'C ROLLBACK\0' && i > 0 && isNothingToEnd(lines[i - 1]!);
      return !isStateError(line) && !isNothingToEnd(line) && !endsNothing;
    }),
  );
}
