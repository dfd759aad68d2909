/**
 * Threads: the only file that knows threads.js (https://threads.js.org) and the native Worker beneath it.
 *
 * What threads.js 1.7 does that we must not have, and how it is kept out:
 * - its `Worker` class guesses the script's path from the call stack and may load ts-node: we pass `spawn` a native Worker
 *   of our own that has the two methods it needs;
 * - loading it installs SIGINT and SIGTERM handlers that end all threads and exit 0: exactly those it added are removed;
 * - a call to a thread that has died never settles: every call here races with the thread's exit;
 * - an uncaught error in a thread is reported 250 ms late and does not end the thread: on such a report we terminate it;
 * - a rejection with something that is no Error is swallowed: the thread runs with `--unhandled-rejections=strict`.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ResourceLimits, type Transferable, Worker } from 'node:worker_threads';
import { assert, ThreadError, toError } from '../shared/errors.ts';
import { Limits } from '../shared/limits.ts';
import type { FaultKind } from './fault-hook.ts';

type Signal = 'SIGINT' | 'SIGTERM';

/** What we use of it; its own type declarations are out of reach of `nodenext` resolution. */
interface ThreadsLibrary {
  spawn(worker: Worker, options: { readonly timeout: number }): Promise<Readonly<Record<string, RemoteCall>>>;
  Transfer(payload: unknown, transferables: readonly Transferable[]): object;
}
type RemoteCall = (...args: unknown[]) => PromiseLike<unknown>;

function requireWithoutSignalHandlers(): ThreadsLibrary {
  const signals: readonly Signal[] = ['SIGINT', 'SIGTERM'];
  const before = new Map(signals.map((signal) => [signal, new Set(process.listeners(signal))]));
  const library = createRequire(import.meta.url)('threads') as ThreadsLibrary;
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)!.has(listener)) process.removeListener(signal, listener);
    }
  }
  return library;
}

const threadsLibrary = requireWithoutSignalHandlers();

/** The main file of a kind of thread: TypeScript in a checkout, JavaScript in the package. */
export function threadFile(kind: 'worker' | 'cache'): string {
  const own = fileURLToPath(import.meta.url);
  return path.resolve(path.dirname(own), '..', kind, `main${path.extname(own)}`);
}

type Listener = (event: { readonly data: unknown }) => void;

/** A native Worker that speaks as much of the browser's dialect as threads.js listens for. */
class ListeningWorker extends Worker {
  readonly #wrapped = new WeakMap<Listener, (data: unknown) => void>();

  addEventListener(name: string, listener: Listener): void {
    const wrapper = (data: unknown): void => listener({ data });
    this.#wrapped.set(listener, wrapper);
    this.on(name, wrapper);
  }

  removeEventListener(name: string, listener: Listener): void {
    const wrapper = this.#wrapped.get(listener);
    if (wrapper !== undefined) this.off(name, wrapper);
  }
}

/** How a thread ended. `error` is null after a plain exit or a termination that nobody explained. */
export interface ThreadExit {
  readonly exitCode: number;
  readonly error: Error | null;
}

/** What a thread exposes, as main calls it. An argument may be wrapped by `transfer`. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: { [I in keyof A]: A[I] | Transferring<A[I]> }) => Promise<Awaited<R>>
    : never;
};

declare const transferred: unique symbol;
interface Transferring<A> {
  readonly [transferred]: A;
}

/** Marks an argument whose `transferables` (ports, buffers) are moved to the thread. */
export function transfer<A>(payload: A, transferables: readonly Transferable[]): Transferring<A> {
  return threadsLibrary.Transfer(payload, transferables) as Transferring<A>;
}

export interface Thread<T> {
  readonly name: string;
  readonly calls: Remote<T>;
  /** Settles once, when the native thread has ended and its handles are closed. Never rejects. */
  readonly exited: Promise<ThreadExit>;
  /**
   * Share of time the event loop was busy since the last call, 0–1.
   * @param lookedMs since the thread's start: looked for work instead of sleeping, which is not called busy
   */
  utilization(lookedMs: number): number;
  /** The same over the last half second or more, however often it is asked for. */
  load(): number;
  /** Breaks the thread on purpose; needs `ThreadOptions.faults`. */
  fault(kind: FaultKind): void;
  /** Ends the thread at once, even one that never returns to its event loop; resolves as `exited`. */
  terminate(reason?: Error): Promise<ThreadExit>;
}

/** The shortest time that `load` is taken over. */
const loadMs = 500;

export interface ThreadOptions {
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
  /** From spawning to `expose()`; beyond it the thread is terminated. */
  readonly startTimeoutMs: number;
  readonly resourceLimits?: ResourceLimits;
  /** Load the hook through which tests kill the thread. */
  readonly faults?: boolean;
}

/**
 * Starts a thread and waits until it has exposed its methods.
 * @throws ThreadError when it ends, fails or stays silent before that; it has then exited.
 */
export async function spawnThread<T>(options: ThreadOptions): Promise<Thread<T>> {
  assert(path.isAbsolute(options.file), `thread file must be absolute: ${options.file}`);
  const worker = new ListeningWorker(options.file, {
    name: options.name,
    execArgv: [...process.execArgv.filter(isInheritable), '--unhandled-rejections=strict', ...faultHook(options)],
    resourceLimits: { maxYoungGenerationSizeMb: Limits.youngGenerationMib, ...options.resourceLimits },
  });
  const life = watch(worker);
  const spawning = threadsLibrary.spawn(worker, { timeout: options.startTimeoutMs });
  spawning.catch(() => undefined); // observed below unless the thread ends first
  try {
    const exposed = await Promise.race([
      spawning,
      life.exited.then((exit) => Promise.reject(endedError(options.name, exit))),
    ]);
    return makeThread<T>(options.name, worker, life, exposed);
  } catch (thrown) {
    await life.terminate(toError(thrown));
    throw thrown instanceof ThreadError ? thrown : new ThreadError(`${options.name} did not start`, thrown);
  }
}

/** Of the process's own Node flags only those that a thread takes and needs to load its code; none of them has a value apart. */
function isInheritable(flag: string): boolean {
  return /^--(import=|conditions=|experimental-strip-types|experimental-transform-types|enable-source-maps|no-warnings)/.test(
    flag,
  );
}

function faultHook({ faults }: ThreadOptions): string[] {
  if (faults !== true) return [];
  return ['--import', new URL(`./fault-hook${path.extname(fileURLToPath(import.meta.url))}`, import.meta.url).href];
}

interface Life {
  readonly exited: Promise<ThreadExit>;
  terminate(reason?: Error): Promise<ThreadExit>;
}

function watch(worker: ListeningWorker): Life {
  let error: Error | null = null;
  let ending = false;
  const exited = new Promise<ThreadExit>((resolve) => {
    worker.once('exit', (exitCode) => resolve({ exitCode, error }));
  });
  const terminate = (reason?: Error): Promise<ThreadExit> => {
    error ??= reason ?? null;
    if (!ending) void worker.terminate();
    ending = true;
    return exited;
  };
  worker.on('error', (thrown) => {
    error ??= toError(thrown);
  });
  worker.on('message', (message: { readonly type?: unknown; readonly error?: unknown } | null) => {
    if (message?.type === 'uncaughtError') void terminate(describe(message.error));
  });
  return { exited, terminate };
}

/** threads.js sends errors as `{ __error_marker, message, name, stack }`. */
function describe(serialised: unknown): Error {
  const { message, stack } = (serialised ?? {}) as { readonly message?: unknown; readonly stack?: unknown };
  const error = new Error(typeof message === 'string' ? message : String(serialised));
  if (typeof stack === 'string') error.stack = stack;
  return error;
}

function endedError(name: string, exit: ThreadExit): ThreadError {
  const why = exit.error === null ? `exit code ${exit.exitCode}` : exit.error.message;
  return new ThreadError(`${name} ended (${why})`, exit.error ?? undefined);
}

function makeThread<T>(
  name: string,
  worker: ListeningWorker,
  life: Life,
  exposed: Readonly<Record<string, RemoteCall>>,
): Thread<T> {
  const underWay = new Set<(error: Error) => void>();
  let ended: ThreadError | undefined;
  void life.exited.then((exit) => {
    ended = endedError(name, exit);
    for (const reject of underWay) reject(ended);
  });
  const callThread = (method: RemoteCall, args: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended);
      underWay.add(reject);
      method(...args)
        .then(resolve, reject)
        .then(() => underWay.delete(reject));
    });
  const calls = Object.fromEntries(
    Object.entries(exposed).map(([key, method]) => [key, (...args: unknown[]) => callThread(method, args)]),
  ) as Remote<T>;
  let previous = worker.performance.eventLoopUtilization();
  let previousLookedMs = 0;
  const utilization = (lookedMs: number): number => {
    const current = worker.performance.eventLoopUtilization();
    const { active, idle } = worker.performance.eventLoopUtilization(current, previous);
    const share = (active - (lookedMs - previousLookedMs)) / (active + idle);
    previous = current;
    previousLookedMs = lookedMs;
    return Number.isFinite(share) ? Math.max(0, share) : 0;
  };
  let before = previous;
  let share = 0;
  const load = (): number => {
    const current = worker.performance.eventLoopUtilization();
    const since = worker.performance.eventLoopUtilization(current, before);
    if (since.active + since.idle < loadMs) return share;
    before = current;
    share = since.utilization;
    return share;
  };
  const fault = (kind: FaultKind): void => worker.postMessage({ fault: kind });
  return { name, calls, exited: life.exited, utilization, load, fault, terminate: life.terminate };
}
