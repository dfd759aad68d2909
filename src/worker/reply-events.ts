/** What a session hears of the replies of the origin. */
import type { Owed, SyncGroup } from './owed.ts';

/** What the session does about replies, always before their bytes go on. */
export interface ReplyEvents {
  /** ReadyForQuery: everything in `group` has taken effect. */
  ready(status: number, group: SyncGroup, forClient: boolean): void;
  /** Not for SELECT, INSERT, UPDATE and DELETE. */
  commandComplete(owed: Owed, tag: string): void;
  /** The reply is complete. */
  answered(owed: Owed): void;
  /** A message of the extended protocol was answered with an error. */
  failed(owed: Owed, sqlstate: string): void;
  /** The origin will never answer this message: it was skipped after an error. */
  skipped(owed: Owed): void;
  /** A cancel met a question of ours. `statementBehind`: one of the client's was sent already. */
  questionCancelled(statementBehind: boolean, group: SyncGroup, message: string): void;
  /** The origin ends the connection; its words are about to be passed on. */
  fatal(): void;
  asynchronous(code: number, bytes: Buffer, start: number, end: number): void;
}
