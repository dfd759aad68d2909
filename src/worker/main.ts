/** A worker thread: what main may call (threads.js), and the port on which connections arrive. */
import { expose } from 'threads/worker';
import { type Descriptors, loadDescriptors } from '../shared/descriptors.ts';
import { receiveHandoffs } from '../shared/handoff.ts';
import { createLogger } from '../shared/log.ts';
import { watchLoopDelay } from '../shared/loop-delay.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { CacheLink, ReasonExamples, SessionSummary, TlsMaterial, WorkerInit } from '../shared/messages.ts';
import { collectWhenSettled } from '../shared/settled-heap.ts';
import { Runtime } from './runtime.ts';

let runtime: Runtime | undefined;
/** Loaded when a session is to move for the first time. */
let descriptors: Descriptors | null = null;

function running(): Runtime {
  if (runtime === undefined) throw new Error('the worker was not started');
  return runtime;
}

expose({
  async start(init: WorkerInit): Promise<void> {
    collectWhenSettled();
    const started = new Runtime(init, createLogger(init.config, `worker-${init.workerId}`));
    runtime = started;
    watchLoopDelay(({ p99Ms, maxMs }) => {
      started.counters[Counter.loopDelayP99Ms] = p99Ms;
      started.counters[Counter.loopDelayMaxMs] = maxMs;
    });
    receiveHandoffs(init.handoff, (arrival) => void started.accept(arrival), {
      release: (count, move) => {
        descriptors ??= loadDescriptors();
        if (descriptors !== null) started.release(count, descriptors, move);
      },
      receive: (arrival, originFd, baggage) => started.accept(arrival).arrive(originFd, baggage),
    });
  },
  async attach(link: CacheLink): Promise<void> {
    running().attach(link);
  },
  async drain(graceMs: number): Promise<void> {
    await running().drain(graceMs);
  },
  async reloadTls(material: TlsMaterial | null): Promise<void> {
    running().reloadTls(material);
  },
  async sessions(): Promise<readonly SessionSummary[]> {
    return running().summaries();
  },
  async examples(): Promise<ReasonExamples> {
    return running().examples.all();
  },
});
