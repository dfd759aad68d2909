/** The main thread's listener, dispatcher and supervisor over the fixture threads, and plain sockets to talk to them. */
import { readdirSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { planConcurrency } from '../../src/proxy/concurrency.ts';
import { Dispatcher, dispatcherOptions } from '../../src/proxy/dispatcher.ts';
import { type Listener, listen } from '../../src/proxy/listener.ts';
import { Supervisor } from '../../src/proxy/supervisor.ts';
import { monotonicClock } from '../../src/shared/clock.ts';
import type { Config } from '../../src/shared/config.ts';
import { type Descriptors, loadDescriptors } from '../../src/shared/descriptors.ts';
import { silentLogger } from '../../src/shared/log.ts';
import { waitFor } from './wait.ts';

export const fixtureFile = (name: string): string =>
  fileURLToPath(new URL(`../threads/fixtures/${name}.ts`, import.meta.url));

export interface FixtureProxy {
  readonly supervisor: Supervisor;
  readonly dispatcher: Dispatcher;
  readonly listener: Listener;
  readonly port: number;
  close(): Promise<void>;
}

export async function startFixtureProxy(
  config: Config,
  options: { readonly descriptors?: Descriptors | null; readonly startMsMax?: number } = {},
): Promise<FixtureProxy> {
  const log = silentLogger();
  let supervisor: Supervisor | undefined;
  const plan = planConcurrency(config, 2);
  const dispatcher = new Dispatcher(dispatcherOptions(config, plan), {
    clock: monotonicClock,
    threads: {
      grow: () => supervisor?.grow() ?? false,
      growing: () => supervisor?.growing() ?? 0,
      rest: (slot) => supervisor?.rest(slot),
      after: (ms, task) => void setTimeout(task, ms).unref(),
    },
    sessionsOpen: () => supervisor?.counters.total('sessionsOpen') ?? 0,
    later: (task) => void setTimeout(task, 5),
    warn: () => undefined,
  });
  const listener = await listen(config.listen, config.listenUnix, (incoming) => dispatcher.dispatch(incoming));
  const descriptors = options.descriptors === undefined ? loadDescriptors() : options.descriptors;
  supervisor = new Supervisor({
    ...{ config, plan, nodeName: 'test', dispatcher, descriptors, clock: monotonicClock, log },
    files: { worker: fixtureFile('worker'), cache: fixtureFile('cache') },
    startMsMax: options.startMsMax ?? 60_000,
  });
  supervisor.start();
  const running = supervisor;
  return {
    ...{ supervisor: running, dispatcher, listener, port: listener.addresses[0]!.port },
    async close() {
      const closed = listener.close();
      dispatcher.close();
      await running.stop();
      await closed;
    },
  };
}

export const untilLive = ({ supervisor }: FixtureProxy, workers: number): Promise<void> =>
  waitFor(
    'all threads to run',
    () => supervisor.cache().state === 'live' && supervisor.workersRunning() === workers,
    30_000,
    () => JSON.stringify([supervisor.cache(), supervisor.workers()]),
  );

/** A client that sends text and waits for text. */
export class TextClient {
  readonly socket: net.Socket;
  readonly closed: Promise<void>;
  #received = '';
  isClosed = false;

  constructor(target: number | string) {
    this.socket = typeof target === 'number' ? net.connect(target, '127.0.0.1') : net.connect(target);
    this.socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.isClosed = true;
        resolve();
      });
    });
  }

  get received(): string {
    return this.#received;
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  async ask(text: string): Promise<string> {
    this.#received = '';
    this.send(text);
    await waitFor(`an answer to ${text}`, () => this.#received !== '' || this.isClosed);
    return this.#received;
  }
}

/** Sockets among this process's descriptors (Linux). */
export function socketCount(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed while we looked
    }
  }).length;
}
