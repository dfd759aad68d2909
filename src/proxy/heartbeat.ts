/**
 * Notices event loops that no longer turn. The cache thread counts a word up, workers answer a call. Both are judged by
 * main's own ticks, not by time passed: a machine that was paused is not taken for a thread that hangs.
 */
import { ThreadError } from '../shared/errors.ts';
import { Control } from '../shared/memory/layout.ts';
import type { CacheControl, WorkerControl } from '../shared/messages.ts';
import type { Supervised } from './supervised.ts';

const ticksPerHeartbeat = 4;
/** Workers are given longer: a blocked worker hurts its own sessions, ending it ends them. */
const workerHeartbeats = 5;

export class Heartbeat {
  readonly #words: Int32Array;
  readonly #tickMs: number;
  readonly #cache: Supervised<CacheControl>;
  readonly #suspectCache: () => void;
  #timer: NodeJS.Timeout | undefined;
  #beat = 0;
  #generation = 0;
  #silentTicks = 0;

  constructor(words: Int32Array, heartbeatMsMax: number, cache: Supervised<CacheControl>, suspectCache: () => void) {
    this.#words = words;
    this.#tickMs = heartbeatMsMax / ticksPerHeartbeat;
    this.#cache = cache;
    this.#suspectCache = suspectCache;
  }

  start(workers: readonly Supervised<WorkerControl>[]): void {
    const watches = workers.map((worker) => new WorkerWatch(worker));
    this.#timer = setInterval(() => {
      this.#watchCache();
      for (const watch of watches) watch.tick();
    }, this.#tickMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #watchCache(): void {
    const beat = Atomics.load(this.#words, Control.CACHE_HEARTBEAT);
    const { generation, phase } = this.#cache.state;
    if (phase !== 'running' || beat !== this.#beat || generation !== this.#generation) {
      this.#beat = beat;
      this.#generation = generation;
      this.#silentTicks = 0;
      return;
    }
    this.#silentTicks++;
    if (this.#silentTicks === ticksPerHeartbeat) this.#suspectCache();
  }
}

/** Asks a worker for its sessions and counts the ticks until it answers. */
class WorkerWatch {
  readonly #worker: Supervised<WorkerControl>;
  #asked: { generation: number; ticks: number } | undefined;
  #ticks = 0;

  constructor(worker: Supervised<WorkerControl>) {
    this.#worker = worker;
  }

  tick(): void {
    const { thread, state } = this.#worker;
    this.#ticks++;
    if (thread === undefined || (this.#asked !== undefined && this.#asked.generation !== state.generation)) {
      this.#asked = undefined;
    } else if (this.#asked === undefined) {
      if (this.#ticks % ticksPerHeartbeat !== 0) return;
      const asked = { generation: state.generation, ticks: 0 };
      this.#asked = asked;
      const answered = (): void => {
        if (this.#asked === asked) this.#asked = undefined;
      };
      thread.calls.sessions().then(answered, answered); // a death is seen by the supervisor
    } else if (++this.#asked.ticks === ticksPerHeartbeat * workerHeartbeats) {
      this.#worker.unresponsive(new ThreadError(`${this.#worker.name} has not answered for too long`));
    }
  }
}
