/**
 * Keeps the workers and the cache thread alive and connected (docs/internals.md, "Life of the threads").
 *
 * The cache thread is usable iff CURRENT_GENERATION names its generation: the word is written here alone, 0 as soon as
 * the thread is known or suspected to be gone, the new generation once every worker has its link.
 */
import { MessageChannel } from 'node:worker_threads';
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { Descriptors } from '../shared/descriptors.ts';
import { ThreadError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { LoopDelay } from '../shared/loop-delay.ts';
import { cacheLoopDelay } from '../shared/memory/control.ts';
import { endFlightsOf } from '../shared/memory/flights.ts';
import { CONTROL_BYTES, Control, epochWord, RENUMBER_ROUND, Store, StoreState } from '../shared/memory/layout.ts';
import type {
  CacheControl,
  CacheLink,
  CacheStatus,
  ReasonExamples,
  TlsMaterial,
  WorkerControl,
} from '../shared/messages.ts';
import { type Balancer, openBalancer } from './balancer.ts';
import type { Plan } from './concurrency.ts';
import { WorkerCounters } from './counters.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { FaultKind } from './fault-hook.ts';
import { type Lane, type LaneNotice, openLane } from './handoff.ts';
import { Heartbeat } from './heartbeat.ts';
import { Supervised, within } from './supervised.ts';
import type { ThreadPhase } from './supervisor-state.ts';
import { spawnThread, type Thread, transfer } from './thread.ts';

export interface SupervisorOptions {
  readonly config: Config;
  readonly nodeName: string;
  /** Absolute paths of the threads' main files. */
  readonly files: { readonly worker: string; readonly cache: string };
  readonly dispatcher: Dispatcher;
  readonly plan: Plan;
  /** Null: bytes are relayed. */
  readonly descriptors: Descriptors | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** Null or missing: clients are not offered TLS. */
  readonly tls?: TlsMaterial | null;
  /** From spawning a thread to the end of its `start`. */
  readonly startMsMax: number;
}

/** One worker slot: the supervised thread and what belongs to its present incarnation. */
interface WorkerSlot {
  readonly slot: number;
  readonly supervised: Supervised<WorkerControl>;
  lane: Lane | undefined;
}

export interface CacheView {
  readonly state: 'live' | 'starting' | 'down';
  readonly generation: number;
  readonly restarts: number;
}

export class Supervisor {
  readonly control = new SharedArrayBuffer(CONTROL_BYTES);
  readonly counters = new WorkerCounters();
  readonly #words = new Int32Array(this.control);
  /** Moves sessions (work-stealing); null where none move. */
  readonly balancer: Balancer | null;
  readonly #options: SupervisorOptions;
  readonly #workers: readonly WorkerSlot[];
  readonly #cache: Supervised<CacheControl>;
  readonly #heartbeat: Heartbeat;
  #store: SharedArrayBuffer | undefined;
  #tls: TlsMaterial | null;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { config, clock, log } = options;
    this.#tls = options.tls ?? null;
    // Test-only: as after months.
    if (config.faults.includes('rounds')) this.#words[Control.STARTED_ROUND] = RENUMBER_ROUND - 40;
    this.#workers = Array.from({ length: options.plan.poolSlots + options.plan.threadSlots }, (_, slot) =>
      this.#makeWorker(slot),
    );
    const pool = this.#workers.slice(0, options.plan.poolSlots);
    this.balancer = openBalancer(pool, this.counters, options.plan, options.descriptors);
    const hooks = {
      spawn: (generation: number) => this.#spawnCache(generation),
      up: (cache: Thread<CacheControl>, generation: number) => void this.#cacheUp(cache, generation),
      down: () => this.#publishGeneration(0),
    };
    this.#cache = new Supervised('cache', hooks, config.restart, clock, log);
    this.#heartbeat = new Heartbeat(this.#words, config.restart.heartbeatMsMax, this.#cache, () =>
      this.#suspectCache(),
    );
  }

  /** Begins all threads; progress shows in `cache()` and `workers()`. */
  start(): void {
    // Of the threads for connections one is there before the first connection.
    for (const { supervised } of this.#workers.slice(0, this.#options.plan.poolSlots + 1)) supervised.begin();
    this.#cache.begin();
    this.balancer?.start();
    this.#heartbeat.start(this.#workers.map(({ supervised }) => supervised));
  }

  workers(): readonly { readonly id: number; readonly sessions: number; readonly restarts: number }[] {
    return this.#begun().map(({ slot, supervised }) => ({
      id: slot + 1,
      sessions: this.counters.of(slot, 'sessionsOpen'),
      restarts: supervised.state.restarts,
    }));
  }

  /** Begins a thread for connections. False: there are as many as may be. */
  grow(): boolean {
    const idle = this.#threads().find(({ supervised: { state } }) => isResting(state.phase));
    if (idle === undefined || this.#stopping) return false;
    idle.supervised.begin();
    return true;
  }

  /** Threads for connections that are on their way. */
  growing(): number {
    const phases = this.#threads().map(({ supervised }) => supervised.state.phase);
    return phases.filter((phase) => phase === 'starting' || phase === 'backingOff').length;
  }

  /** Ends a thread for connections that has none. */
  rest(slot: number): void {
    this.#options.dispatcher.remove(slot);
    void this.#workers[slot]!.supervised.stop();
  }

  workersRunning(): number {
    return this.#workers.filter(({ supervised }) => supervised.thread !== undefined).length;
  }

  cache(): CacheView {
    const { generation, restarts, phase } = this.#cache.state;
    const storeState = this.#store === undefined ? StoreState.starting : new Int32Array(this.#store)[Store.STATE];
    const current = Atomics.load(this.#words, Control.CURRENT_GENERATION) === generation && generation > 0;
    if (current && storeState === StoreState.live) return { state: 'live', generation, restarts };
    const starting = phase === 'starting' || (phase === 'running' && storeState === StoreState.starting);
    return { state: starting ? 'starting' : 'down', generation, restarts };
  }

  /** @throws ThreadError while the cache thread does not run. */
  cacheCalls(): Thread<CacheControl>['calls'] {
    const { thread, lastError } = this.#cache;
    if (thread !== undefined) return thread.calls;
    throw new ThreadError(`the cache thread is not running${lastError === null ? '' : `: ${lastError.message}`}`);
  }

  cacheRuns(): boolean {
    return this.#cache.thread !== undefined;
  }

  async cacheStatus(msMax: number): Promise<CacheStatus> {
    return within(this.cacheCalls().status(), msMax, 'status of the cache thread');
  }

  /** Statements that stand for the reasons of pass-throughs, from the workers that answer in time. */
  async examples(msMax: number): Promise<ReasonExamples> {
    const calls = this.#workers.flatMap(({ supervised: { thread } }) => (thread ? [thread.calls.examples()] : []));
    const answers = await Promise.allSettled(calls.map((call) => within(call, msMax, 'examples of a worker')));
    return Object.assign({}, ...answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : {})));
  }

  /** Share of time each running thread was busy since the last call. */
  utilization(): Readonly<Record<string, number>> {
    const workers = this.#workers.map(({ slot, supervised: { name, thread } }) => ({ name, thread, slot }));
    const { name, thread } = this.#cache;
    const lookedMs = (slot: number): number => this.counters.of(slot, 'polledMs');
    return Object.fromEntries([
      ...(thread ? [[name, thread.utilization(0)]] : []),
      ...workers.flatMap((each) => (each.thread ? [[each.name, each.thread.utilization(lookedMs(each.slot))]] : [])),
    ]);
  }

  /** Delay of each thread's event loop, by the thread's name. */
  loopDelays(): Readonly<Record<string, LoopDelay>> {
    const workers = this.#workers.map(({ slot, supervised }): [string, LoopDelay] => [
      supervised.name,
      { p99Ms: this.counters.of(slot, 'loopDelayP99Ms'), maxMs: this.counters.of(slot, 'loopDelayMaxMs') },
    ]);
    return Object.fromEntries([[this.#cache.name, cacheLoopDelay(this.#words)], ...workers]);
  }

  /** Lets sessions finish: resolves when every worker has drained, or has ended. */
  async drainWorkers(graceMs: number): Promise<void> {
    await Promise.allSettled(
      this.#workers.map(({ supervised }) => supervised.thread?.calls.drain(graceMs) ?? Promise.resolve()),
    );
  }

  /** Every worker uses these certificates for connections from now on, and so do replacements. */
  async reloadTls(material: TlsMaterial | null): Promise<void> {
    this.#tls = material;
    const calls = this.#workers.map(({ supervised }) => supervised.thread?.calls.reloadTls(material));
    await Promise.all(calls.map((call) => ignoringDeath(call ?? Promise.resolve())));
  }

  /** Ends every thread at once and for good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.balancer?.stop();
    this.#heartbeat.stop();
    this.#publishGeneration(0);
    await Promise.all([this.#cache.stop(), ...this.#workers.map(({ supervised }) => supervised.stop())]);
  }

  /** Breaks the cache thread or the first worker that runs, for tests (`faults = ["admin"]`). False: nobody to break. */
  fault(target: 'cache' | 'worker', kind: FaultKind): boolean {
    const candidates = target === 'cache' ? [this.#cache] : this.#workers.map(({ supervised }) => supervised);
    const victim = candidates.find(({ thread }) => thread !== undefined)?.thread;
    victim?.fault(kind);
    return victim !== undefined;
  }

  // ── workers ──

  #threads(): readonly WorkerSlot[] {
    return this.#workers.slice(this.#options.plan.poolSlots);
  }

  /** All but threads for connections that nobody needs. */
  #begun(): readonly WorkerSlot[] {
    const { poolSlots } = this.#options.plan;
    return this.#workers.filter(({ slot, supervised }) => slot < poolSlots || !isResting(supervised.state.phase));
  }

  #makeWorker(slot: number): WorkerSlot {
    const { config, clock, log } = this.#options;
    const hooks = {
      spawn: () => this.#spawnWorker(slot),
      up: (worker: Thread<WorkerControl>) => this.#workerUp(slot, worker),
      down: () => this.#workerDown(slot),
    };
    const supervised = new Supervised(`worker-${slot + 1}`, hooks, config.restart, clock, log);
    return { slot, supervised, lane: undefined };
  }

  async #spawnWorker(slot: number): Promise<Thread<WorkerControl>> {
    const { config, files, startMsMax, descriptors } = this.#options;
    const worker = await spawnThread<WorkerControl>({
      name: `worker-${slot + 1}`,
      file: files.worker,
      startTimeoutMs: startMsMax,
      faults: config.faults.includes('admin'),
    });
    const { lane, workerPort } = openLane(descriptors, this.#noticedBy(slot));
    this.#workers[slot]!.lane = lane;
    const counters = this.counters.open(slot);
    const init = {
      workerId: slot + 1,
      workerSlot: slot,
      config,
      control: this.control,
      counters,
      handoff: workerPort,
      tls: this.#tls,
    };
    await startOrEnd(worker, worker.calls.start(transfer(init, [workerPort])), startMsMax);
    return worker;
  }

  /** Only where a placement wants to know: a message for each connection is not free. */
  #noticedBy(slot: number): ((notice: LaneNotice) => void) | null {
    const { dispatcher, plan } = this.#options;
    const wanted = slot >= plan.poolSlots || plan.tcp === 'work-stealing' || plan.unix === 'work-stealing';
    if (!wanted) return null;
    return (notice) => {
      if (typeof notice === 'string') dispatcher.noticed(slot, notice);
      else this.balancer?.take(slot, notice);
    };
  }

  #workerUp(slot: number, worker: Thread<WorkerControl>): void {
    const { lane } = this.#workers[slot]!;
    if (lane !== undefined) this.#options.dispatcher.add(slot, lane);
    const { thread: cache, state } = this.#cache;
    if (cache !== undefined) void this.#connect(slot, worker, cache, state.generation);
  }

  async #workerDown(slot: number): Promise<void> {
    const { dispatcher, log } = this.#options;
    const own = this.#workers[slot]!;
    dispatcher.remove(slot);
    Atomics.store(this.#words, epochWord(slot), 0);
    endFlightsOf(this.#words, slot);
    Atomics.sub(this.#words, Control.SESSIONS, this.counters.retire(slot));
    const closed = own.lane?.abandon() ?? 0;
    own.lane = undefined;
    if (closed > 0) log.warn({ of: own.supervised.name, closed }, 'connections lost on their way to a worker');
    const { thread: cache } = this.#cache;
    if (cache !== undefined) await ignoringDeath(cache.calls.disconnectWorker(slot));
  }

  // ── the cache thread ──

  async #spawnCache(generation: number): Promise<Thread<CacheControl>> {
    const { config, files, nodeName, startMsMax } = this.#options;
    const cache = await spawnThread<CacheControl>({
      name: 'cache',
      file: files.cache,
      startTimeoutMs: startMsMax,
      faults: config.faults.includes('admin'),
    });
    const starting = cache.calls.start({ generation, config, control: this.control, nodeName });
    this.#store = await startOrEnd(cache, starting, startMsMax);
    return cache;
  }

  async #cacheUp(cache: Thread<CacheControl>, generation: number): Promise<void> {
    await Promise.all(
      this.#workers.map(async ({ slot, supervised }) => {
        const worker = supervised.thread;
        if (worker !== undefined) await this.#connect(slot, worker, cache, generation);
      }),
    );
    if (this.#cache.thread === cache) this.#publishGeneration(generation);
  }

  #suspectCache(): void {
    this.#publishGeneration(0);
    const { heartbeatMsMax } = this.#options.config.restart;
    this.#cache.unresponsive(new ThreadError(`no heartbeat of the cache thread for ${heartbeatMsMax} ms`));
  }

  #publishGeneration(generation: number): void {
    Atomics.store(this.#words, Control.CURRENT_GENERATION, generation);
  }

  /** Gives a worker its two channels to this generation. When either side dies meanwhile, its successor is connected anew. */
  async #connect(
    slot: number,
    worker: Thread<WorkerControl>,
    cache: Thread<CacheControl>,
    generation: number,
  ): Promise<void> {
    const service = new MessageChannel();
    const offers = new MessageChannel();
    const link: CacheLink = { generation, store: this.#store!, service: service.port2, offers: offers.port2 };
    try {
      await cache.calls.connectWorker(
        slot,
        transfer(service.port1, [service.port1]),
        transfer(offers.port1, [offers.port1]),
      );
      await worker.calls.attach(transfer(link, [service.port2, offers.port2]));
    } catch (err) {
      this.#options.log.warn({ of: worker.name, generation, err }, 'worker not connected to the cache thread');
    }
  }
}

const isResting = (phase: ThreadPhase): boolean => phase === 'idle' || phase === 'stopped';

async function startOrEnd<T, R>(thread: Thread<T>, starting: Promise<R>, msMax: number): Promise<R> {
  try {
    return await within(starting, msMax, `start of ${thread.name}`);
  } catch (thrown) {
    await thread.terminate();
    throw thrown;
  }
}

async function ignoringDeath(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (thrown) {
    if (!(thrown instanceof ThreadError)) throw thrown;
  }
}
