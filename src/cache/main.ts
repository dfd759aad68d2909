/**
 * The cache thread: what main may call (threads.js). A fault of ours ends the thread at once, with the state word down first, so that no worker
 * reads what a broken writer left; main starts the next generation.
 */
import type { MessagePort } from 'node:worker_threads';
import { expose as exposeToWorker } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { expose } from 'threads/worker';
import { monotonicClock, wallClock } from '../shared/clock.ts';
import { toError } from '../shared/errors.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import { watchLoopDelay } from '../shared/loop-delay.ts';
import { beatCacheHeartbeat, openControl, publishCacheLoopDelay } from '../shared/memory/control.ts';
import type { CacheControl, CacheInit } from '../shared/messages.ts';
import { collectWhenSettled } from '../shared/settled-heap.ts';
import { Analyser } from './analyse/analyser.ts';
import { Parser } from './analyse/parser.ts';
import { CacheRuntime } from './runtime.ts';

/** Beats within the time that main gives a thread before it counts as hung. */
const BEATS_PER_LIMIT = 10;

let runtime: CacheRuntime | undefined;
let log: Logger | undefined;
const services = new Map<number, MessagePort>();

function running(): CacheRuntime {
  if (runtime === undefined) throw new Error('the cache thread was not started');
  return runtime;
}

/** threads.js would report the error and let the thread go on. */
function die(thrown: unknown): never {
  runtime?.shut();
  log?.fatal({ err: toError(thrown) }, 'the cache thread ends');
  process.exit(1);
}
process.prependListener('uncaughtException', die);
process.prependListener('unhandledRejection', die);

function disconnect(workerSlot: number): void {
  services.get(workerSlot)?.close();
  services.delete(workerSlot);
  runtime?.disconnectWorker(workerSlot);
}

const control: CacheControl = {
  async start(init: CacheInit): Promise<SharedArrayBuffer> {
    log = createLogger(init.config, 'cache');
    const words = openControl(init.control);
    watchLoopDelay((delay) => publishCacheLoopDelay(words, delay));
    collectWhenSettled();
    const parser = await Parser.load();
    setInterval(() => {
      if (parser.broken) die(new Error('the parser of statements is broken'));
      beatCacheHeartbeat(words);
    }, init.config.restart.heartbeatMsMax / BEATS_PER_LIMIT);
    runtime = new CacheRuntime(init, {
      clock: monotonicClock,
      wallClock,
      log,
      analyserOf: (catalog) => new Analyser(catalog, parser),
    });
    runtime.start();
    return runtime.store.memory;
  },
  async connectWorker(workerSlot, service, offers) {
    disconnect(workerSlot);
    services.set(workerSlot, service);
    exposeToWorker(running().connectWorker(workerSlot, offers), nodeEndpoint(service));
  },
  async disconnectWorker(workerSlot) {
    disconnect(workerSlot);
  },
  async status() {
    return running().status();
  },
  async explain(sql) {
    return running().explain(sql);
  },
  async flush() {
    return running().flush();
  },
  async stop() {
    await running().stop();
  },
};

expose(control as unknown as Parameters<typeof expose>[0]);
