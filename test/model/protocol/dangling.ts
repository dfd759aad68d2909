/**
 * PostgreSQL (seen in 15.18 and 18.4) keeps the unnamed portal of a simple Query that failed while it ran, until its block ends, but not the statements of that
 * portal: they go with the Query. Whoever executes or describes the unnamed portal then makes the server read freed memory (exec_execute_message,
 * IsTransactionExitStmtList), which mostly ends in 25P02 and now and then in a segmentation fault of the backend and a restart of the whole server.
 * No client does that, so the model does not either. What a Query that succeeds, or fails before it has a portal, leaves to Execute is compared in
 * `regress/transaction-of-reads`.
 */
import type { Message } from './message.ts';

const beginsBlock = (message: Message): boolean => 'sql' in message && /\b(BEGIN|START)\b/.test(message.sql);

/** Leaves out what may meet such a portal: a Query came in a block, and no Bind since then in the same pipeline. */
export function withoutDangling(messages: readonly Message[]): Message[] {
  let mayBeInBlock = false;
  let mayDangle = false;
  // A Bind that fails in the failed block makes the server skip what is behind it, up to the Sync.
  let isBound = false;
  return messages.filter((message) => {
    mayBeInBlock ||= beginsBlock(message);
    if (message.kind === 'query') mayDangle ||= mayBeInBlock;
    if (message.kind === 'query' || message.kind === 'sync') isBound = false;
    if (message.kind === 'bind' && message.portal === '') isBound = true;
    const meets =
      (message.kind === 'execute' && message.portal === '') ||
      (message.kind === 'describe' && message.target === 'P' && message.name === '');
    return !(meets && mayDangle && !isBound);
  });
}
