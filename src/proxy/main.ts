/** Composition of the main thread: listeners, dispatcher, supervisor, admin page, log line of each minute, drain. */
import { createHash } from 'node:crypto';
import { availableParallelism, hostname } from 'node:os';
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { loadDescriptors } from '../shared/descriptors.ts';
import type { Logger } from '../shared/log.ts';
import { openControl, publishSpareProcessors } from '../shared/memory/control.ts';
import { TrustedProxies } from '../shared/proxy-protocol.ts';
import { historyStepMs } from './admin/history.ts';
import { type Admin, startAdmin } from './admin/http.ts';
import { Reporter } from './admin/report.ts';
import { planConcurrency } from './concurrency.ts';
import { formatAddress } from './config-text.ts';
import { Dispatcher, dispatcherOptions } from './dispatcher.ts';
import { drain } from './drain.ts';
import type { Incoming } from './handoff.ts';
import { type Listener, listen } from './listener.ts';
import { withOrigin } from './origin.ts';
import { watchProcessors } from './spare-processors.ts';
import { Supervisor } from './supervisor.ts';
import { threadFile } from './thread.ts';
import { loadTls, reloadTls } from './tls-material.ts';

const retryHandoffMs = 5;
const pollStateMs = 50;
const reportMs = 60_000;

export interface ProxyPorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once, when connections are accepted and the cache is live. */
  onReady(address: string): void;
}

export interface RunningProxy {
  readonly supervisor: Supervisor;
  readonly listener: Listener;
  readonly dispatcher: Dispatcher;
  readonly reporter: Reporter;
  readonly admin: Admin | undefined;
  /** Reads certificates and keys again, for connections from now on. Bad files are a log line, and the old ones stay. */
  reloadTls(): Promise<void>;
  /** Stops accepting, lets statements finish within the grace, removes what was made on the origin, ends all threads. */
  stop(): Promise<void>;
}

/**
 * Names what this node makes on the origin: the same after a restart, so that leftovers are found and taken over, and
 * different for two nodes in front of one origin.
 */
export function nodeName(listener: Listener): string {
  const seed = [hostname(), ...listener.addresses.map(formatAddress), listener.unixPath ?? ''].join('|');
  return createHash('sha256').update(seed).digest('hex').slice(0, 12);
}

/**
 * Starts everything; clients are served (uncached at first) when it resolves.
 * @throws ConfigError, OriginUnreachableError (without `wait`), ListenError.
 */
export async function startProxy(config: Config, ports: ProxyPorts): Promise<RunningProxy> {
  const { clock, log } = ports;
  const tls = loadTls(config, log);
  await checkOrigin(config, log);
  const descriptors = config.faults.includes('relay') ? null : loadDescriptors();
  if (descriptors === null)
    log.warn('sockets cannot be handed over here (no koffi): the main thread relays the bytes of clients');
  let supervisor: Supervisor | undefined;
  const plan = planConcurrency(config, availableParallelism());
  log.info(plan, 'concurrency');
  const dispatcher = new Dispatcher(dispatcherOptions(config, plan), {
    clock,
    threads: {
      grow: () => supervisor?.grow() ?? false,
      growing: () => supervisor?.growing() ?? 0,
      rest: (slot) => supervisor?.rest(slot),
      after: (ms, task) => void setTimeout(task, ms).unref(),
    },
    sessionsOpen: () => supervisor?.counters.total('sessionsOpen') ?? 0,
    later: (task) => void setTimeout(task, retryHandoffMs),
    warn: (message, err) => log.warn({ err }, message),
  });
  const listenOptions = { unixMode: config.listenUnixMode, keepaliveMs: config.keepaliveMs };
  const proxies = new TrustedProxies(config.proxyProtocol);
  const accept = (incoming: Incoming): void =>
    dispatcher.dispatch({ ...incoming, proxied: proxies.trusts(incoming.transport, incoming.peer) });
  const listener = await listen(config.listen, config.listenUnix, accept, listenOptions);
  const files = { worker: threadFile('worker'), cache: threadFile('cache') };
  supervisor = new Supervisor({
    ...{ config, plan, nodeName: nodeName(listener), files, dispatcher, descriptors, clock, log, tls },
    startMsMax: 60_000,
  });
  const reporter = new Reporter({ supervisor, dispatcher, listener, config, plan, clock, startedMs: clock.nowMs() });
  let admin: Admin | undefined;
  try {
    admin =
      config.admin === undefined
        ? undefined
        : await startAdmin(config.admin, { reporter, supervisor, listener, config });
  } catch (error) {
    await listener.close();
    throw error;
  }
  supervisor.start();
  const timers = [
    announce(supervisor, reporter, listener, ports),
    reportMinutely(reporter, log),
    setInterval(() => reporter.sample(), historyStepMs).unref(),
  ];
  const words = openControl(supervisor.control);
  const unwatch = watchProcessors(config.concurrency, plan, {
    nowMs: () => performance.now(),
    lookedMs: () => supervisor.counters.total('polledMs'),
    publish: (isSpare) => publishSpareProcessors(words, isSpare),
  });
  return {
    ...{ supervisor, listener, dispatcher, reporter, admin },
    reloadTls: () => reloadTls(config, supervisor, log),
    async stop() {
      for (const timer of timers) clearInterval(timer);
      unwatch?.();
      await drain({ config, listener, dispatcher, supervisor, admin, log });
    },
  };
}

async function checkOrigin(config: Config, log: Logger): Promise<void> {
  try {
    await withOrigin(config.upstream, config.limits.originConnectTimeoutMs, async () => undefined);
  } catch (err) {
    if (!config.wait) throw err;
    log.warn({ err }, 'starting without the origin; clients get 08006 until it answers');
  }
}

/** Watches the state word: says `ready` once, warns about each new problem of the change stream. */
function announce(supervisor: Supervisor, reporter: Reporter, listener: Listener, ports: ProxyPorts): NodeJS.Timeout {
  let ready = false;
  let state: string | undefined;
  let problem: string | null = null;
  const poll = async (): Promise<void> => {
    const now = supervisor.cache().state;
    if (now !== state) ports.log.info({ state: now, generation: supervisor.cache().generation }, 'cache state');
    state = now;
    if (now === 'live' && !ready && supervisor.workersRunning() > 0) {
      ready = true;
      ports.onReady(formatAddress(listener.addresses[0]!));
    }
    const current = now === 'live' ? null : await reporter.problem();
    if (current !== null && current !== problem) {
      ports.log.warn({ problem: current }, `statements pass through uncached: ${current}`);
    }
    problem = current;
  };
  return setInterval(() => void poll(), pollStateMs);
}

function reportMinutely(reporter: Reporter, log: Logger): NodeJS.Timeout {
  return setInterval(() => {
    void reporter.minute().then((line) => log.info(line, 'minute'));
  }, reportMs).unref();
}
