/** What the freshness clock (clock.ts) needs of the rest of the cache thread, and its limits. */
import type { Clock } from '../shared/clock.ts';
import type { Lsn } from '../shared/lsn.ts';
import type { NudgeLimits } from './nudges.ts';
import type { PaceLimits } from './pace.ts';
import type { RoundAnswer, RoundQuestion } from './round.ts';
import type { OriginSnapshot } from './settle.ts';
import type { ProbeAnswer } from './snapshot-probe.ts';

export interface ClockPorts {
  /** Monotonic, shared by all threads. */
  readonly clock: Clock;
  /** Time of day, only to notice that the machine was paused (C14). */
  readonly wallClock: Clock;
  readonly ask: (question: RoundQuestion) => Promise<RoundAnswer>;
  /** Makes the origin write and flush its log up to `target` (C12). */
  readonly nudge: (target: Lsn) => Promise<void>;
  /** Asks for a snapshot alone. */
  readonly probe: () => Promise<ProbeAnswer>;
  readonly appliedLsn: () => Lsn;
  /** A round waits until everything up to here has been applied. */
  readonly awaited: (lsn: Lsn) => void;
  /** Tables that the publication must show, as of now. */
  readonly published: () => ReadonlySet<number>;
  /** Sessions open in all workers. */
  readonly sessions: () => number;
  /** Raises STARTED_ROUND and returns it. Called before the question is sent. */
  readonly beginRound: () => number;
  /** Reads passed through so far for want of a round; 32 bits that go round. */
  readonly readsBehind: () => number;
  /** Everything acknowledged before `startMs`, when round `round` began, has been applied; its snapshot shows what settled up to this stamp. */
  readonly publish: (round: number, startMs: number, settleStamp: number) => void;
  /** Returns the stamp of what it or one before has settled. */
  readonly onSnapshot: (snapshot: OriginSnapshot) => number;
  readonly onOriginLsn: (lsn: Lsn) => void;
  /** The slot holds back this much log: told on heartbeats. */
  readonly onRetained: (bytes: number) => void;
  /** The catalog differs from the one given to `accept`. No round runs until `accept` is called again. */
  readonly onCatalogChanged: (catalogs: readonly string[]) => void;
  /** These materialized views have other rows in the answer's snapshot than at the last one. Synchronous, as the one before. */
  readonly onRefreshed: (oids: readonly number[]) => void;
  /** Tables are missing in the publication, or it is gone: changes have been lost. No round runs any more. */
  readonly onPublicationAltered: (missing: readonly number[]) => void;
  /** Time of day went on by so much more than the monotonic clock: nothing said about freshness before holds. */
  readonly onJump: (jumpMs: number) => void;
  /** The origin did not answer. No round runs any more. */
  readonly onError: (error: Error) => void;
}

export interface ClockLimits extends NudgeLimits {
  /** A round starts at least this often while there are sessions or published tables. */
  readonly heartbeatMs: number;
  /** How long a round that statements stand still for waits for an answer that it could confirm. */
  readonly fillWaitMs: number;
  readonly probeGapMs: number;
  readonly pace: PaceLimits;
  /** Rounds that may wait for the stream. */
  readonly waitingMax: number;
  /** A difference between the two clocks that is no mere adjustment. */
  readonly jumpMs: number;
}
