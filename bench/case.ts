/** What a case says of itself. It names data, load and peers; the runner owns everything else. */
import type { Child, Household } from './household.ts';
import type { PauseWatch } from './load/pauses.ts';
import type { Latency, Target } from './load/pgbench.ts';
import type { Profiles } from './load/profiles.ts';
import type { Origin } from './origin.ts';

export type Mode = 'simple' | 'extended' | 'prepared';
export const modes: readonly Mode[] = ['simple', 'extended', 'prepared'];
/** `tls`: TCP, encrypted up to the peer. */
export type Transport = 'tcp' | 'unix' | 'tls';

/** What a figure is, and which way is better. */
export const Units = {
  rate: { label: 'tx/s', better: 'higher' },
  rows: { label: 'rows/s', better: 'higher' },
  memory: { label: 'KiB/session', better: 'lower' },
  peak: { label: 'MiB', better: 'lower' },
  time: { label: 'ms', better: 'lower' },
  percent: { label: '%', better: 'higher' },
} as const;
export type Unit = keyof typeof Units;

export interface Script {
  /** pgbench's script language: several statements are one transaction of the figure. */
  readonly sql: string;
  readonly weight?: number;
}

export interface PgbenchLoad {
  readonly mode: Mode;
  readonly clients: number;
  readonly transport: Transport;
  readonly scripts: readonly Script[];
  /** A new connection for each transaction. */
  readonly reconnect?: boolean;
}

/** Cores used during a measurement: 1 = one core busy; null where the system does not say. */
export interface CpuShares {
  /** pgbench. */
  readonly load: number | null;
  /** The server measured; null for PostgreSQL itself. */
  readonly peer: number | null;
  readonly origin: number | null;
  /** Programs that have nothing to do with the measurement. */
  readonly others: number | null;
}

/** One measurement of one peer. */
export interface Sample {
  readonly value: number;
  readonly latencyMs?: Latency;
  /** Cores used while it ran (1 = one core busy); null where the system does not say. */
  readonly cpu?: CpuShares;
  /** Of pgfresh: statements answered from the cache, 0 … 1. */
  readonly hitRatio?: number | null;
  /** Of pgbench, in all. */
  readonly transactions?: number;
  /** Markdown, and SVG by name, for the report: those of the last round are kept. */
  readonly listing?: string;
  readonly pictures?: Readonly<Record<string, string>>;
  /** Further figures of the case's own, printed beside. */
  readonly extra?: Readonly<Record<string, number>>;
}

/** What a measurement of a case's own has to work with. */
export interface Stage {
  readonly household: Household;
  readonly origin: Origin;
  readonly peer: RunningPeer;
  readonly database: string;
  readonly seconds: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly quick: boolean;
  /** Runs pgbench against the peer and adds processor shares and hit ratio. */
  load(load: PgbenchLoad, seconds?: number, seed?: number): Promise<Sample>;
}

export interface Cell {
  /** Unique within the case: "prepared, 8 clients, tcp". */
  readonly name: string;
  /** Where it stands on the axis of the case's line chart. */
  readonly x?: { readonly line: string; readonly at: string };
  readonly load: PgbenchLoad | ((stage: Stage) => Promise<Sample>);
  /** Also part of `--quick`. */
  readonly quick?: boolean;
  /** Fewer rounds than the case has. */
  readonly roundsMax?: number;
  /**
   * What a measurement takes at least where the load is pgbench's: with many clients, the cold first statement of each session is much of a second.
   * Not in a quick run.
   */
  readonly secondsMin?: number;
  /** What one measurement takes where the load is a function, for the plan of the run; the run's `--seconds` when absent. */
  readonly secondsPlanned?: number;
  /** By name, which peers it runs on; all of the case's when absent. */
  readonly runsOn?: (peer: string, options: CaseOptions) => boolean;
  /** The load warms up nothing: each statement is new, or the measurement starts cold. */
  readonly cold?: boolean;
  /** Peers are warmed for so long at least, those without a cache once for the case: code is compiled as it runs, which takes longer than filling
   * a cache. Not in a quick run. */
  readonly warmSecondsMin?: number;
}

export interface CellResult {
  readonly name: string;
  readonly x?: { readonly line: string; readonly at: string };
  /** By peer, a sample per round. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
  /** Peers that could not run it, and why. */
  readonly failures: ReadonlyMap<string, string>;
}

/** A figure computed from several cells: name, value, and in words. */
export interface Derived {
  readonly name: string;
  readonly value: number;
  readonly text: string;
}

/**
 * `case`: all peers run side by side from the case's start to its end. `turn`: a peer with a change stream runs only while it is measured,
 * since each of them costs the origin's writers something. `measurement`: every peer is started anew for each measurement.
 */
export type Lifetime = 'case' | 'turn' | 'measurement';

export interface BenchCase {
  readonly name: string;
  /** One sentence: what it shows. */
  readonly shows: string;
  readonly setup: readonly string[];
  readonly unit: Unit;
  /** How long servers live; "case" when absent. */
  readonly lifetime?: Lifetime;
  /** For cases of which a round is long. */
  readonly roundsMax?: number;
  readonly peers: (options: CaseOptions) => readonly PeerSpec[];
  readonly cells: readonly Cell[];
  readonly derive?: (cells: readonly CellResult[]) => readonly Derived[];
}

export interface CaseOptions {
  /** Numbers of pgfresh's workers to measure, ascending: [1, 2]. */
  readonly workers: readonly number[];
  readonly quick: boolean;
}

export interface Site {
  readonly household: Household;
  readonly origin: Origin;
  readonly database: string;
}

/** A server to measure. */
export interface PeerSpec {
  readonly name: string;
  /** It reads the origin's change stream while it runs. */
  readonly streams?: boolean;
  /** It has a cache of its own: it needs warming up for longer. */
  readonly caches?: boolean;
  /** Null: it is not installed here. */
  readonly start: (site: Site) => Promise<RunningPeer | null>;
}

export interface Counters {
  readonly hits: number;
  readonly misses: number;
  readonly passthrough: number;
  readonly entries: number;
  readonly bytes: number;
}

export interface RunningPeer {
  readonly name: string;
  /** Its version, where it is not our own. */
  readonly version?: string;
  /** The PostgreSQL behind it, where that is none that it shares with the others. */
  readonly origin?: Pick<Origin, 'pid'>;
  readonly port: number;
  readonly unixFolder: string;
  readonly counters?: () => Promise<Counters>;
  /** Breaks threads of pgfresh ("cache-throw"), and says which generation of its cache is live; null: none. */
  readonly faults?: {
    inflict(kind: string): Promise<void>;
    liveGeneration(): Promise<number | null>;
  };
  /** How long its threads keep their event loops; where it was started to tell. */
  readonly pauses?: PauseWatch;
  /** Where its threads spend their time; where it was started to tell. */
  readonly profiles?: Profiles;
  /** Its process; null where there is none beside the origin's. */
  readonly child: Child | null;
  stop(): Promise<void>;
}

export const targetOf = (peer: RunningPeer, database: string, transport: Transport): Target => ({
  host: transport === 'unix' ? peer.unixFolder : '127.0.0.1',
  port: peer.port,
  database,
  tls: transport === 'tls',
});
