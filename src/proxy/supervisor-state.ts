/**
 * The life of a supervised thread, as a pure table: what happens next is decided here, and done in supervised.ts.
 *
 *            begin            started             unresponsive, stop
 *     idle ────────▶ starting ────────▶ running ─────────────────────▶ ending
 *                       ▲  └───exited─────┐│exited                       │ exited
 *                       │                 ▼▼                             ├──▶ backingOff  (unresponsive)
 *                       └──elapsed─── backingOff ◀───────────────────────┘
 *                                         └──stop──▶ stopped ◀── (stop) ─┘     stopped ──begin──▶ starting
 *
 * Back-off doubles from `backoffMsMin` to `backoffMsMax` with each failure in a row; a thread that ran for `backoffMsMax`
 * before it died begins again at the least.
 */

export const ThreadPhases = ['idle', 'starting', 'running', 'ending', 'backingOff', 'stopped'] as const;
export type ThreadPhase = (typeof ThreadPhases)[number];

export interface ThreadState {
  readonly phase: ThreadPhase;
  /** Counts spawns, from 1; 0 before the first. */
  readonly generation: number;
  /** Spawns after the first. */
  readonly restarts: number;
  /** Deaths in a row without a long run between them. */
  readonly failures: number;
  readonly runningSinceMs: number;
  /** Whether `ending` leads to `stopped`. */
  readonly stopWanted: boolean;
}

export type ThreadEvent =
  | { readonly kind: 'begin' }
  | { readonly kind: 'started'; readonly nowMs: number }
  | { readonly kind: 'exited'; readonly nowMs: number }
  | { readonly kind: 'unresponsive' }
  | { readonly kind: 'elapsed' }
  | { readonly kind: 'stop' };
export type ThreadEventKind = ThreadEvent['kind'];

export type ThreadAction =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'spawn' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'wait'; readonly delayMs: number };

export interface BackoffPolicy {
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
}

export interface Transition {
  readonly state: ThreadState;
  readonly action: ThreadAction;
}

export const initialThread: ThreadState = {
  phase: 'idle',
  generation: 0,
  restarts: 0,
  failures: 0,
  runningSinceMs: 0,
  stopWanted: false,
};

type Cell = (state: ThreadState, nowMs: number, policy: BackoffPolicy) => Transition;

const nothing: ThreadAction = { kind: 'nothing' };
const stay: Cell = (state) => ({ state, action: nothing });

const spawn: Cell = (state) => ({
  state: {
    ...state,
    phase: 'starting',
    generation: state.generation + 1,
    restarts: state.restarts + (state.generation > 0 ? 1 : 0),
  },
  action: { kind: 'spawn' },
});

/** A thread that was ended because it was not needed: no restart, and no failure. */
const beginAgain: Cell = (state) => ({
  state: { ...state, phase: 'starting', generation: state.generation + 1, failures: 0, stopWanted: false },
  action: { kind: 'spawn' },
});

const run: Cell = (state, nowMs) => ({
  state: { ...state, phase: 'running', runningSinceMs: nowMs },
  action: nothing,
});

const end: Cell = (state) => ({ state: { ...state, phase: 'ending' }, action: { kind: 'terminate' } });

const endForGood: Cell = (state) => ({
  state: { ...state, phase: 'ending', stopWanted: true },
  action: { kind: 'terminate' },
});

const stopped: Cell = (state) => ({ state: { ...state, phase: 'stopped', stopWanted: true }, action: nothing });

/** A death: `ranMs` is 0 for a thread that never ran. */
function backOff(state: ThreadState, ranMs: number, policy: BackoffPolicy): Transition {
  const failures = ranMs >= policy.backoffMsMax ? 1 : state.failures + 1;
  const delayMs = Math.min(policy.backoffMsMin * 2 ** (failures - 1), policy.backoffMsMax);
  return { state: { ...state, phase: 'backingOff', failures }, action: { kind: 'wait', delayMs } };
}

const diedStarting: Cell = (state, _nowMs, policy) => backOff(state, 0, policy);
const diedRunning: Cell = (state, nowMs, policy) => backOff(state, nowMs - state.runningSinceMs, policy);
const diedEnding: Cell = (state, nowMs, policy) =>
  state.stopWanted ? stopped(state, nowMs, policy) : diedRunning(state, nowMs, policy);

/** Every state with every event; `stay` where the event is late or of no consequence. */
const table: Readonly<Record<ThreadPhase, Readonly<Record<ThreadEventKind, Cell>>>> = {
  idle: { begin: spawn, started: stay, exited: stay, unresponsive: stay, elapsed: stay, stop: stopped },
  starting: { begin: stay, started: run, exited: diedStarting, unresponsive: end, elapsed: stay, stop: endForGood },
  running: { begin: stay, started: stay, exited: diedRunning, unresponsive: end, elapsed: stay, stop: endForGood },
  ending: { begin: stay, started: stay, exited: diedEnding, unresponsive: stay, elapsed: stay, stop: endForGood },
  backingOff: { begin: stay, started: stay, exited: stay, unresponsive: stay, elapsed: spawn, stop: stopped },
  stopped: { begin: beginAgain, started: stay, exited: stay, unresponsive: stay, elapsed: stay, stop: stay },
};

export function nextThread(state: ThreadState, event: ThreadEvent, policy: BackoffPolicy): Transition {
  const nowMs = 'nowMs' in event ? event.nowMs : 0;
  return table[state.phase][event.kind](state, nowMs, policy);
}
