/** Carries out what supervisor-state.ts decides for one thread: spawns it, waits, ends it, tells its owner. */
import type { Clock } from '../shared/clock.ts';
import { ThreadError, toError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import {
  type BackoffPolicy,
  initialThread,
  nextThread,
  type ThreadEvent,
  type ThreadState,
} from './supervisor-state.ts';
import type { Thread, ThreadExit } from './thread.ts';

export interface Hooks<T> {
  /** Spawns and starts. When it rejects, the thread has exited (or never existed). */
  spawn(generation: number): Promise<Thread<T>>;
  /** The thread runs. */
  up(thread: Thread<T>, generation: number): void;
  /** The thread has ended, or did not start. Called before any successor is spawned. */
  down(exit: ThreadExit, generation: number): Promise<void> | void;
}

export class Supervised<T> {
  readonly name: string;
  #state: ThreadState = initialThread;
  #thread: Thread<T> | undefined;
  readonly #hooks: Hooks<T>;
  readonly #policy: BackoffPolicy;
  readonly #clock: Clock;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #endReason: Error | undefined;
  readonly #whenStopped: (() => void)[] = [];

  constructor(name: string, hooks: Hooks<T>, policy: BackoffPolicy, clock: Clock, log: Logger) {
    this.name = name;
    this.#hooks = hooks;
    this.#policy = policy;
    this.#clock = clock;
    this.#log = log;
  }

  /** Why the thread last ended; null when it has not, or said nothing. */
  lastError: Error | null = null;

  get state(): ThreadState {
    return this.#state;
  }

  /** The thread while it runs. */
  get thread(): Thread<T> | undefined {
    return this.#state.phase === 'running' ? this.#thread : undefined;
  }

  begin(): void {
    this.#dispatch({ kind: 'begin' });
  }

  /** Its event loop no longer turns. */
  unresponsive(reason: Error): void {
    this.#endReason = reason;
    this.#dispatch({ kind: 'unresponsive' });
  }

  /** Ends the thread for good. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenStopped.push(resolve);
      this.#dispatch({ kind: 'stop' });
    });
  }

  #dispatch(event: ThreadEvent): void {
    const { state, action } = nextThread(this.#state, event, this.#policy);
    this.#state = state;
    if (action.kind === 'spawn') void this.#spawn(state.generation);
    else if (action.kind === 'terminate') void this.#thread?.terminate(this.#endReason);
    else if (action.kind === 'wait') this.#wait(action.delayMs);
    if (state.phase === 'stopped') this.#finish();
  }

  #wait(delayMs: number): void {
    this.#log.info({ of: this.name, delayMs: Math.round(delayMs) }, 'thread will be started again');
    this.#timer = setTimeout(() => this.#dispatch({ kind: 'elapsed' }), delayMs);
  }

  #finish(): void {
    clearTimeout(this.#timer);
    for (const resolve of this.#whenStopped.splice(0)) resolve();
  }

  async #spawn(generation: number): Promise<void> {
    this.#endReason = undefined;
    let thread: Thread<T>;
    try {
      thread = await this.#hooks.spawn(generation);
    } catch (thrown) {
      await this.#ended({ exitCode: 1, error: toError(thrown) }, generation);
      return;
    }
    this.#thread = thread;
    void thread.exited.then((exit) => this.#ended(exit, generation));
    if (this.#state.phase === 'starting') {
      this.#dispatch({ kind: 'started', nowMs: this.#clock.nowMs() });
      this.#hooks.up(thread, generation);
    } else {
      void thread.terminate(this.#endReason); // stopped or given up while it was starting
    }
  }

  async #ended(exit: ThreadExit, generation: number): Promise<void> {
    this.#thread = undefined;
    this.lastError = exit.error;
    if (!this.#state.stopWanted) {
      this.#log.error({ of: this.name, generation, exitCode: exit.exitCode, err: exit.error }, 'thread ended');
    }
    try {
      await this.#hooks.down(exit, generation);
    } catch (thrown) {
      this.#log.error({ of: this.name, err: thrown }, 'cleaning up after a thread failed');
    }
    this.#dispatch({ kind: 'exited', nowMs: this.#clock.nowMs() });
  }
}

/** @throws ThreadError when `promise` is not settled within `msMax`. */
export async function within<R>(promise: Promise<R>, msMax: number, what: string): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ThreadError(`${what} took longer than ${msMax} ms`)), msMax);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
