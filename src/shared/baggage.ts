/** What a session is, besides its two sockets, when it goes from one worker to another: plain data (ADR-016, worker/moving-session.ts). */
import type { Consistency } from './config.ts';
import type { Verdict } from './messages.ts';

export interface CarriedStatement {
  /** The Parse message as it came. */
  readonly parse: Uint8Array;
  readonly origin: 'absent' | 'held' | 'outdated';
  /** What the client was told of it (told.ts). */
  readonly told: {
    readonly parameters: number;
    readonly rows: number;
    readonly round: number;
    readonly isConfirmed: boolean;
  };
  /** Where it was resolved, if that is the context of now; a null verdict: it has not come. */
  readonly resolution: {
    readonly contextId: number;
    readonly catalogVersion: number;
    readonly row: string;
    readonly verdict: Verdict | null;
  } | null;
}

/** Level, and the rounds that the session's next hit needs: they rise across generations of the cache. */
export interface CarriedConsistency {
  readonly initial: Consistency;
  readonly level: Consistency;
  readonly floorRound: number;
  readonly writtenRound: number;
}

export interface SessionBaggage {
  readonly user: string;
  readonly database: string;
  readonly backendPid: number;
  readonly utf8: boolean;
  /** CancelRequest of the origin's process. */
  readonly cancelPacket: Uint8Array | null;
  readonly consistency: CarriedConsistency;
  readonly statementsSeen: number;
  /** `Transaction.listens`. */
  readonly listens: boolean;
  /** Of the cache thread that the resolutions are of; 0: none. */
  readonly generation: number;
  readonly statements: readonly CarriedStatement[];
  /** Indices in `statements` of what the name '' stands for, here and at the origin; -1: nothing. */
  readonly unnamed: number;
  readonly unnamedAtOrigin: number;
}

/** A session on its way: the descriptors belong to whoever holds the message. */
export interface MovingSession {
  readonly clientFd: number;
  readonly originFd: number;
  readonly transport: 'tcp' | 'unix';
  readonly peer: string;
  readonly baggage: SessionBaggage;
}
