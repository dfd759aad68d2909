/**
 * The pure half of replication.ts: states of a stream, when silence is suspicious, and how far the stream has been applied.
 *
 *   connecting → identifying → creatingSlot → starting → streaming → stopped | failed
 *
 * There is no way back: a stream that ended is replaced by a new one.
 */
import type { Lsn } from '../shared/lsn.ts';

export const StreamStates = [
  'connecting',
  'identifying',
  'creatingSlot',
  'starting',
  'streaming',
  'stopped',
  'failed',
] as const;
export type StreamState = (typeof StreamStates)[number];

export const StreamEvents = ['connected', 'identified', 'slotReady', 'started', 'stop', 'error'] as const;
export type StreamEvent = (typeof StreamEvents)[number];

/** Complete: a new state or event does not compile until every cell is written. */
const transitions: Readonly<Record<StreamState, Readonly<Record<StreamEvent, StreamState | null>>>> = {
  connecting: row({ connected: 'identifying', stop: 'stopped', error: 'failed' }),
  identifying: row({ identified: 'creatingSlot', stop: 'stopped', error: 'failed' }),
  creatingSlot: row({ slotReady: 'starting', stop: 'stopped', error: 'failed' }),
  starting: row({ started: 'streaming', stop: 'stopped', error: 'failed' }),
  streaming: row({ stop: 'stopped', error: 'failed' }),
  // Whatever comes after the end changes nothing: a socket's last words arrive when they like.
  stopped: row({
    connected: 'stopped',
    identified: 'stopped',
    slotReady: 'stopped',
    started: 'stopped',
    stop: 'stopped',
    error: 'stopped',
  }),
  failed: row({
    connected: 'failed',
    identified: 'failed',
    slotReady: 'failed',
    started: 'failed',
    stop: 'failed',
    error: 'failed',
  }),
};

function row(cells: Partial<Record<StreamEvent, StreamState>>): Record<StreamEvent, StreamState | null> {
  return { connected: null, identified: null, slotReady: null, started: null, stop: null, error: null, ...cells };
}

/** @throws Error when the event cannot happen in this state: a fault of ours. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState {
  const next = transitions[state][event];
  if (next === null) throw new Error(`a stream that is ${state} cannot see ${event}`);
  return next;
}

export const isOver = (state: StreamState): boolean => state === 'stopped' || state === 'failed';

/** What to do about a stream from which nothing was heard for `silentMs` (C14: silence proves nothing). */
export type SilenceVerdict = 'wait' | 'ask' | 'dead';

export interface SilenceLimits {
  /** Silence after which the walsender is asked for a keepalive. */
  readonly askMs: number;
  /** Silence after which the stream is given up. */
  readonly deadMs: number;
}

/** @param sinceAskedMs time since the walsender was asked without an answer, null when it was not. A stream dies only after it was
 * asked and given the time to answer: a thread that was itself asleep heard nothing either. */
export function judgeSilence(silentMs: number, sinceAskedMs: number | null, limits: SilenceLimits): SilenceVerdict {
  if (sinceAskedMs === null) return silentMs >= limits.askMs ? 'ask' : 'wait';
  return sinceAskedMs >= limits.deadMs - limits.askMs ? 'dead' : 'wait';
}

/**
 * How far the stream has been applied: every commit whose record ends at or before `applied` has gone through the sink.
 * It rises with the end of an applied commit record and with keepalives, whose `walEnd` says that everything before was sent (C14).
 */
export class AppliedPosition {
  #applied: Lsn = 0n;

  get applied(): Lsn {
    return this.#applied;
  }

  /** @returns whether the position rose. */
  commit(endLsn: Lsn): boolean {
    return this.#raise(endLsn);
  }

  /** A keepalive in the midst of a transaction counts no further than to the start of that transaction's commit record,
   * whatever it says: the rest of the transaction has not been applied.
   * @param openFinalLsn start of the commit record of the transaction being received, or null. */
  keepalive(walEnd: Lsn, openFinalLsn: Lsn | null): boolean {
    return this.#raise(openFinalLsn !== null && walEnd > openFinalLsn ? openFinalLsn : walEnd);
  }

  #raise(lsn: Lsn): boolean {
    if (lsn <= this.#applied) return false;
    this.#applied = lsn;
    return true;
  }
}

/** A frame of the walsender inside CopyData. Manual: Streaming Replication Protocol. */
export type StreamFrame =
  | { readonly kind: 'data'; readonly start: number }
  | { readonly kind: 'keepalive'; readonly walEnd: Lsn; readonly replyRequested: boolean };

const XLOG_DATA = 0x77; // w: start (8), end (8), time (8), then the message
const KEEPALIVE = 0x6b; // k: end (8), time (8), reply requested (1)
const STATUS_UPDATE = 0x72; // r: written (8), flushed (8), applied (8), time (8), reply requested (1)

/** @throws RangeError when the frame is neither. */
export function readStreamFrame(chunk: Buffer): StreamFrame {
  if (chunk[0] === XLOG_DATA && chunk.length > 25) return { kind: 'data', start: 25 };
  if (chunk[0] === KEEPALIVE && chunk.length === 18) {
    return { kind: 'keepalive', walEnd: chunk.readBigUInt64BE(1), replyRequested: chunk[17] !== 0 };
  }
  throw new RangeError(`a frame of type ${chunk[0]} and ${chunk.length} bytes`);
}

/** A standby status update that confirms everything up to `lsn`. The time field is only reported in
 * pg_stat_replication and left at zero (2000-01-01). */
export function statusUpdate(lsn: Lsn, replyRequested: boolean): Buffer {
  const frame = Buffer.alloc(34);
  frame[0] = STATUS_UPDATE;
  frame.writeBigUInt64BE(lsn, 1);
  frame.writeBigUInt64BE(lsn, 9);
  frame.writeBigUInt64BE(lsn, 17);
  frame[33] = replyRequested ? 1 : 0;
  return frame;
}
