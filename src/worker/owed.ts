/**
 * What the origin owes for each forwarded message, as a transition function. Manual: Message Flow.
 *
 *   Parse → 1 · Bind → 2 · Close → 3 · Describe statement → t (T|n) · Describe portal → T|n · Sync → Z
 *   Execute → D* (C|I|s), or G … C, or H d* c C · Query → any of these, several times, then Z · FunctionCall → V? Z
 */
import { decodeError } from '../shared/wire/backend.ts';
import { Backend } from '../shared/wire/codes.ts';
import type { Capture } from './capture.ts';
import type { Points } from './points.ts';
import type { PreparedBySql } from './prepared-by-sql.ts';
import type { ReadLine } from './read-lines.ts';
import type { Statement } from './statement.ts';
import type { StatementReply } from './statements.ts';
import type { VerdictSlot } from './verdicts.ts';

export const OwedKinds = [
  'parse',
  'bind',
  'close',
  'describeStatement',
  'describePortal',
  'execute',
  'sync',
  'query',
  'functionCall',
  /** Marks where the client's CopyDone or CopyFail stands among its messages; nothing is owed for it. */
  'copyEnd',
] as const;
export type OwedKind = (typeof OwedKinds)[number];

/** Messages of a question of ours, its Sync apart (`encodeQuestion`). */
export const questionKinds: readonly OwedKind[] = ['close', 'parse', 'bind', 'execute', 'close'];

/** Messages that refresh an answer, their Sync apart (`encodeRefresh`). */
export const refreshKinds: readonly OwedKind[] = [
  ...(['close', 'parse', 'bind', 'execute'] as const),
  ...(['close', 'parse', 'bind', 'describePortal', 'execute', 'close'] as const),
];

export const OwedPhases = ['none', 'described', 'copyIn', 'copyOut', 'failed'] as const;
export type OwedPhase = (typeof OwedPhases)[number];

/** A statement sent to the origin, as far as fences and settings are concerned. */
export interface Work {
  /** Null: nothing is known about it. */
  readonly slot: VerdictSlot | null;
  /** It begins a READ COMMITTED block, if none is open. */
  readonly begins?: boolean;
  /** Verdicts of older catalogs by which the origin may run it instead (resolving.ts). */
  readonly past: readonly VerdictSlot[];
  /** Sent while the settings it ran under were in doubt, or not all of these verdicts are known. */
  readonly suspect: boolean;
  /** The rows it names, where its verdict was there when it was sent and says that it names them. */
  readonly points: Points | null;
}

/** Nothing is known about it. */
export const unknownWork: Work = { slot: null, past: [], suspect: false, points: null };

/** Whether it is proven to write nothing. */
export function isReadOnly({ slot, past, suspect }: Work): boolean {
  if (suspect || slot?.verdict?.readOnly !== true) return false;
  return past.every(({ verdict }) => verdict?.readOnly === true);
}

/** Whether it is proven to change nothing that a later statement of the block sees or means, nor the block itself. */
export function isHarmless(work: Work): boolean {
  if (!isReadOnly(work)) return false;
  return isInnocent(work.slot!) && work.past.every(isInnocent);
}

function isInnocent({ verdict }: VerdictSlot): boolean {
  return !verdict!.changesContext && !verdict!.transactionControl;
}

/** Everything between two ReadyForQuery. */
export class SyncGroup {
  readonly works: Work[] = [];
  readonly captures: Capture[] = [];
  /** Those who wait for what one of its statements is answered. */
  line: ReadLine | null = null;
  /** When it was sent, if it is timed; else 0. */
  sentMs = 0;
  /** It counts among the samples of latency. */
  isSampled = false;
  /** An error, notice or changed parameter came: nothing of it is captured. */
  broken = false;
  /** It is about nothing of the client's. */
  background: Background | null = null;
}

/** Where the replies to a message of ours go instead of the client. */
export interface ReplySink {
  row(bytes: Buffer, start: number, end: number, last: boolean): void;
  done(failed: boolean): void;
  /** Gets the ErrorResponse, and with it what a cancel of the client's is told. */
  failed?(bytes: Buffer, start: number, end: number): void;
}

/** For replies that nobody wants to know of. */
export const nowhere: ReplySink = { row: () => undefined, done: () => undefined };

/** Something of ours that the client's statements need not wait for: it changes nothing of the session's. */
export class Background implements ReplySink {
  private readonly endMs: number;
  private readonly over: (isFailed: boolean, nowMs: number) => void;
  private isOver = false;

  /** @param endMs when the origin ends it */
  constructor(endMs: number, over: (isFailed: boolean, nowMs: number) => void) {
    this.endMs = endMs;
    this.over = over;
  }

  row(): void {
    // What is wanted of it is captured.
  }

  done(): void {
    // `end` is called before.
  }

  /**
   * Whether the origin has ended it for the time it took, rather than for a cancel of the client's: both have one SQLSTATE. In other languages than
   * English the time tells, since somebody's cancel would mostly have come sooner.
   */
  isOutOfTime(message: string, nowMs: number): boolean {
    if (message.startsWith('canceling statement due to ')) return message.endsWith('statement timeout');
    return nowMs >= this.endMs;
  }

  end(isFailed: boolean, nowMs: number): void {
    if (this.isOver) return;
    this.isOver = true;
    this.over(isFailed, nowMs);
  }
}

export class Owed implements StatementReply {
  readonly kind: OwedKind;
  readonly group: SyncGroup;
  /** Not for the client: a replayed Parse, a context query. */
  readonly swallow: boolean;
  phase: OwedPhase = 'none';
  /** The statement that a Parse makes. */
  statement: Statement | null = null;
  before: StatementReply['before'] = 'absent';
  /** What the message changes about prepared statements, settled with its reply. */
  changes: StatementReply['changes'] = null;
  /** Name in a DEALLOCATE. */
  closes: string | null = null;
  /** What a PREPARE makes when it succeeds. */
  prepares: PreparedBySql | null = null;
  /** It puts another unnamed portal, or none, in the place of the one that was made here (unnamed-portal.ts). */
  replacesPortal = false;
  /** A statement of it has completed. */
  hasCompleted = false;
  /** The statement that the client is told the columns of, for the first time. */
  describes: Statement | null = null;
  /** Listens to the rows; null where nothing is captured. */
  capture: Capture | null = null;
  sink: ReplySink | null = null;
  /** What the client is told instead of the origin's error (remaking.ts). */
  fault: Buffer | null = null;

  constructor(kind: OwedKind, group: SyncGroup, swallow: boolean) {
    this.kind = kind;
    this.group = group;
    this.swallow = swallow;
  }

  /** The client is told the columns of the statement. */
  tells(statement: Statement): void {
    if (!statement.isTold) this.describes = statement;
  }

  /** ReadyForQuery is its answer, or the end of it. */
  get endsGroup(): boolean {
    return this.kind === 'sync' || this.kind === 'query' || this.kind === 'functionCall';
  }
}

/** A phase: the reply goes on. 'done': nothing more is owed. null: the message does not fit (lesson 18). */
export type Step = OwedPhase | 'done' | null;

function executeStep(phase: OwedPhase, code: number): Step {
  switch (code) {
    case Backend.dataRow:
      return phase === 'none' ? 'none' : null;
    case Backend.copyInResponse:
      return phase === 'none' ? 'copyIn' : null;
    case Backend.copyOutResponse:
      return phase === 'none' ? 'copyOut' : null;
    case Backend.copyData:
      return phase === 'copyOut' ? 'copyOut' : null;
    case Backend.copyDone:
      return phase === 'copyOut' ? 'none' : null;
    case Backend.commandComplete:
      return phase === 'copyOut' ? null : 'done';
    case Backend.emptyQueryResponse:
    case Backend.portalSuspended:
      return phase === 'none' ? 'done' : null;
    default:
      return null;
  }
}

function queryStep(phase: OwedPhase, code: number): Step {
  if (code === Backend.readyForQuery) return phase === 'none' || phase === 'failed' ? 'done' : null;
  if (phase === 'failed') return null;
  if (code === Backend.rowDescription) return phase === 'none' ? 'none' : null;
  if (code === Backend.portalSuspended) return null;
  const step = executeStep(phase, code);
  return step === 'done' ? 'none' : step;
}

/** What `code` does to a reply of `kind` in `phase`. Errors and asynchronous messages are not asked for here. */
export function replyStep(kind: OwedKind, phase: OwedPhase, code: number): Step {
  switch (kind) {
    case 'parse':
      return code === Backend.parseComplete ? 'done' : null;
    case 'bind':
      return code === Backend.bindComplete ? 'done' : null;
    case 'close':
      return code === Backend.closeComplete ? 'done' : null;
    case 'describeStatement':
      if (phase === 'none') return code === Backend.parameterDescription ? 'described' : null;
      return code === Backend.rowDescription || code === Backend.noData ? 'done' : null;
    case 'describePortal':
      return code === Backend.rowDescription || code === Backend.noData ? 'done' : null;
    case 'execute':
      return executeStep(phase, code);
    case 'sync':
      return code === Backend.readyForQuery ? 'done' : null;
    case 'query':
      return queryStep(phase, code);
    case 'functionCall':
      if (code === Backend.readyForQuery) return 'done';
      return code === Backend.functionCallResponse && phase === 'none' ? 'none' : null;
    case 'copyEnd':
      return null;
  }
}

/** True for messages that come at any time and answer nothing. */
export function isAsynchronous(code: number): boolean {
  return code === Backend.noticeResponse || code === Backend.parameterStatus || code === Backend.notificationResponse;
}

/** A notice of a statement that is none of the client's; but not that the server is about to end (class 57). */
export function isOfOurs(head: Owed | undefined, code: number, bytes: Buffer, start: number, end: number): boolean {
  if (code !== Backend.noticeResponse || head === undefined || head.group.background === null) return false;
  return !decodeError(bytes, start, end).sqlstate.startsWith('57');
}
