/** A worker runtime in this process, behind a listening socket: what main does for a worker, without threads. */
import net from 'node:net';
import type { Clock } from '../../src/shared/clock.ts';
import type { Config } from '../../src/shared/config.ts';
import type { Arrival, OpenOptions } from '../../src/shared/handoff.ts';
import { silentLogger } from '../../src/shared/log.ts';
import { createControl } from '../../src/shared/memory/control.ts';
import { createCounters, openCounters } from '../../src/shared/memory/counters.ts';
import { Counter } from '../../src/shared/memory/layout.ts';
import { type Reason, reasonIndex } from '../../src/shared/reasons.ts';
import { Runtime } from '../../src/worker/runtime.ts';

export interface TestWorker {
  readonly runtime: Runtime;
  readonly port: number;
  /** The same URL with the worker's port. */
  url(origin: string): string;
  count(counter: keyof typeof Counter): number;
  reason(code: Reason): number;
  stop(): Promise<void>;
}

/** A configuration for tests; `origin` is a postgres:// URL or an address. */
export function testConfig(origin: { host: string; port: number }, changes: Partial<Config> = {}): Config {
  const upstream = {
    ...origin,
    user: 'postgres',
    password: 'secret',
    database: 'postgres',
    sslmode: 'disable' as const,
  };
  return {
    upstream,
    cdcUpstream: upstream,
    listen: [],
    listenUnix: undefined,
    listenUnixMode: 0o777,
    proxyProtocol: [],
    tls: { mode: 'disable', cert: undefined, key: undefined, ca: undefined },
    auth: { query: undefined, file: undefined, askPassword: true },
    keepaliveMs: 60_000,
    admin: undefined,
    workers: 1,
    areWorkersGiven: true,
    concurrency: {
      ...{ model: 'pool', tcp: undefined, unix: undefined, maxThreads: 1, threadIdleMs: 1000 },
      ...{ queueDepthMax: 100, optimizeFor: 'latency', pollUs: 0 },
    },
    consistency: 'strong',
    cache: {
      memoryBytes: 16 << 20,
      entryBytesMax: 1 << 20,
      maxStalenessMs: 1000,
      singleFlightWaitMs: 1000,
      inPlace: true,
      refreshAhead: false,
    },
    tier2: null,
    transactions: { lazyBegin: false },
    pool: { mode: 'session', size: 4, idleTimeoutMs: 60_000, waitTimeoutMs: 5_000, waitingMax: 100 },
    limits: { connectionsMax: 100, startupTimeoutMs: 60_000, originConnectTimeoutMs: 5_000, idleTimeoutMs: 0 },
    cdc: {
      ...{ slot: undefined, slotLagBytesMax: 1 << 30, lockTimeoutMs: 1000, slotTimeoutMs: 5000 },
      ...{ databasesMax: 8, databaseIdleMs: 60_000 },
    },
    restart: { backoffMsMin: 10, backoffMsMax: 1000, heartbeatMsMax: 1000 },
    drain: { graceMs: 1000 },
    log: { level: 'silent', pretty: false },
    wait: false,
    faults: [],
    ...changes,
  };
}

/** For a worker before this origin with a cache whose freshness nobody renews (fake-cache.ts), and nothing in it that the tests did not ask for. */
export function cachedConfig(originUrl: string, changes: Partial<Config> = {}): Config {
  const base = testConfig(addressOf(originUrl));
  const cache = { ...base.cache, entryBytesMax: 100_000, maxStalenessMs: 3_600_000, inPlace: false };
  return { ...base, ...changes, cache };
}

export function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

function arrivalOf(socket: net.Socket): Arrival {
  const open = (options: OpenOptions) => {
    const onread = options.onread;
    if (onread === undefined) return socket;
    socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += onread.buffer.length) {
        const piece = chunk.subarray(at, at + onread.buffer.length);
        onread.buffer.set(piece);
        onread.callback(piece.length, onread.buffer);
      }
    });
    return socket;
  };
  return { transport: 'tcp', peer: `${socket.remoteAddress}:${socket.remotePort}`, open };
}

export async function startWorker(config: Config, workerSlot = 0, clock?: Clock): Promise<TestWorker> {
  const control = createControl();
  const counters = createCounters();
  const runtime = new Runtime({ workerSlot, config, control, counters }, silentLogger(), clock);
  const server = net.createServer({ allowHalfOpen: true }, (socket) => runtime.accept(arrivalOf(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    runtime,
    port,
    url: (origin) => {
      const url = new URL(origin);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    count: (counter) => openCounters(counters)[Counter[counter]]!,
    reason: (code) => openCounters(counters)[Counter.reasons + reasonIndex[code]]!,
    stop: async () => {
      server.close();
      await runtime.drain(0);
    },
  };
}
