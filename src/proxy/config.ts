/** Builds the configuration: flag over environment over file over default. Errors name the key, where it stood, and what is right. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parse as parseToml } from 'smol-toml';
import type { Config } from '../shared/config.ts';
import { ConfigError, toError } from '../shared/errors.ts';
import { Limits } from '../shared/limits.ts';
import { planConcurrency } from './concurrency.ts';
import { BadValue, parseUpstream } from './config-text.ts';
import {
  environmentName,
  flagName,
  type Setting,
  type SettingKey,
  settingKeys,
  settings,
  type Values,
} from './settings.ts';

export interface ConfigSources {
  /** Values of flags by setting; as the user typed them, lists joined by commas. */
  readonly flags: Readonly<Partial<Record<SettingKey, string>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the TOML file. */
  readonly file: string | undefined;
  /** Whether logs go to a terminal. */
  readonly terminal: boolean;
}

interface Given {
  readonly text: string;
  /** "--cache-memory", "PGFRESH_CACHE_MEMORY" or "cache.memory in pgfresh.toml". */
  readonly where: string;
}

/** @throws ConfigError in one line, without secrets. */
export function loadConfig(sources: ConfigSources): Config {
  const file = sources.file === undefined ? {} : readFile(sources.file);
  const given = Object.fromEntries(
    settingKeys.map((key) => [key, fromFlag(key, sources) ?? fromEnvironment(key, sources) ?? file[key]]),
  ) as Readonly<Record<SettingKey, Given | undefined>>;
  const values = Object.fromEntries(
    settingKeys.map((key) => [key, settingValue(key, given[key])]),
  ) as unknown as Values;
  return build(values, given, sources);
}

function fromFlag(key: SettingKey, { flags }: ConfigSources): Given | undefined {
  const text = flags[key];
  return text === undefined ? undefined : { text, where: `--${flagName(key)}` };
}

function fromEnvironment(key: SettingKey, { env }: ConfigSources): Given | undefined {
  const text = env[environmentName(key)];
  return text === undefined || text === '' ? undefined : { text, where: environmentName(key) };
}

function settingValue(key: SettingKey, given: Given | undefined): unknown {
  const { fallback, parse }: Setting<unknown> = settings[key];
  if (given !== undefined) return attempt(given.where, () => parse(given.text));
  return fallback === null ? undefined : parse(fallback);
}

function attempt<V>(where: string, read: () => V): V {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof BadValue) throw new ConfigError(`${where}: ${thrown.message}`);
    if (thrown instanceof URIError) throw new ConfigError(`${where}: a stray % (write %25 for a percent sign)`);
    throw thrown;
  }
}

/** Values are present where the table has a default; the rest is checked here. */
function build(values: Values, given: Readonly<Record<SettingKey, Given | undefined>>, sources: ConfigSources): Config {
  const { upstream: upstreamGiven, 'cdc.url': cdcGiven } = given;
  if (upstreamGiven === undefined) {
    throw new ConfigError('no origin: give --upstream postgres://user:password@host:port/database or PGFRESH_UPSTREAM');
  }
  const upstream = attempt(upstreamGiven.where, () => parseUpstream(upstreamGiven.text, sources.env));
  const cdcUpstream = cdcGiven ? attempt(cdcGiven.where, () => parseUpstream(cdcGiven.text, sources.env)) : upstream;
  const workersGiven = values['concurrency.pool_size'] || values.workers;
  const config: Config = {
    upstream,
    cdcUpstream,
    listen: values.listen!,
    listenUnix: values.listen_unix,
    listenUnixMode: values.listen_unix_mode!,
    proxyProtocol: values.proxy_protocol ?? [],
    tls: {
      mode: values.client_tls ?? (values['tls.cert'] === undefined ? 'disable' : 'allow'),
      cert: values['tls.cert'],
      key: values['tls.key'] ?? values['tls.cert'],
      ca: values['tls.ca'],
    },
    auth: {
      query: values['auth.query'],
      file: values['auth.file'],
      askPassword: values['auth.ask_password']!,
    },
    keepaliveMs: values.keepalive!,
    admin: values.admin,
    workers: workersGiven ?? Math.min(availableParallelism(), Limits.workersMax),
    areWorkersGiven: workersGiven !== undefined,
    concurrency: {
      model: values['concurrency.model']!,
      tcp: values['concurrency.tcp'],
      unix: values['concurrency.unix'],
      maxThreads: values['concurrency.max_threads']!,
      threadIdleMs: values['concurrency.thread_idle']!,
      queueDepthMax: values['concurrency.max_queue_depth']!,
      optimizeFor: values['concurrency.optimize_for']!,
      pollUs: values['concurrency.poll']!,
    },
    consistency: values.consistency!,
    cache: {
      memoryBytes: values['cache.memory']!,
      entryBytesMax: values['cache.max_entry']!,
      maxStalenessMs: values['cache.max_staleness']!,
      singleFlightWaitMs: values['cache.single_flight_wait']!,
      inPlace: values['cache.in_place']!,
      refreshAhead: values['cache.refresh_ahead']!,
    },
    tier2:
      values['tier2.redis'] === undefined
        ? null
        : {
            nodes: values['tier2.redis'],
            cluster: values['tier2.cluster']!,
            costMsMin: values['tier2.min_cost']!,
            ttlMs: values['tier2.ttl']!,
            timeoutMs: values['tier2.timeout']!,
          },
    transactions: { lazyBegin: values['transactions.lazy_begin']! },
    pool: {
      mode: values['pool.mode']!,
      size: values['pool.size']!,
      idleTimeoutMs: values['pool.idle_timeout']!,
      waitTimeoutMs: values['pool.wait_timeout']!,
      waitingMax: values['pool.max_waiting']!,
    },
    limits: {
      connectionsMax: values['limits.max_connections']!,
      startupTimeoutMs: values['limits.startup_timeout']!,
      originConnectTimeoutMs: values['limits.origin_connect_timeout']!,
      idleTimeoutMs: values['limits.idle_timeout']!,
    },
    cdc: {
      slot: values['cdc.slot'],
      slotLagBytesMax: values['cdc.max_slot_lag']!,
      lockTimeoutMs: values['cdc.lock_timeout']!,
      slotTimeoutMs: values['cdc.slot_timeout']!,
      databasesMax: values['cdc.databases_max']!,
      databaseIdleMs: values['cdc.database_idle']!,
    },
    restart: {
      backoffMsMin: values['restart.backoff_min']!,
      backoffMsMax: values['restart.backoff_max']!,
      heartbeatMsMax: values['restart.heartbeat_max']!,
    },
    drain: { graceMs: values['drain.grace']! },
    log: { level: values['log.level']!, pretty: values['log.pretty'] ?? sources.terminal },
    wait: values.wait!,
    faults: values.faults ?? [],
  };
  checkTogether(config);
  planConcurrency(config, availableParallelism());
  return config;
}

/** What no single setting can get wrong. */
function checkTogether(config: Config): void {
  const { cache, restart, tls, auth, tier2 } = config;
  if (cache.entryBytesMax > cache.memoryBytes / 4) {
    throw new ConfigError('cache.max_entry must be at most a quarter of cache.memory');
  }
  if (tier2 !== null && !tier2.cluster && tier2.nodes.length > 1) {
    throw new ConfigError('several tier2.redis are the nodes of a Cluster: set tier2.cluster, or give one');
  }
  if (tier2?.cluster === true && tier2.nodes.some(({ database }) => database !== 0)) {
    throw new ConfigError('a Redis Cluster has database 0 alone: leave it out of tier2.redis');
  }
  if (tier2 !== null && cache.singleFlightWaitMs === 0) {
    throw new ConfigError(
      'tier2.redis needs cache.single_flight_wait: a statement waits for what Redis has as for a miss of others',
    );
  }
  if (restart.backoffMsMin > restart.backoffMsMax) {
    throw new ConfigError('restart.backoff_min must not exceed restart.backoff_max');
  }
  if (tls.mode !== 'disable' && tls.cert === undefined) {
    throw new ConfigError(`client_tls = ${tls.mode} needs tls.cert and tls.key`);
  }
  if (tls.mode === 'verify' && tls.ca === undefined) {
    throw new ConfigError('client_tls = verify needs tls.ca, the authority that signs the certificates of clients');
  }
  if (auth.query !== undefined && auth.file !== undefined) {
    throw new ConfigError('give auth.query or auth.file, not both');
  }
}

// ── the file ──

function readFile(file: string): Readonly<Partial<Record<SettingKey, Given>>> {
  let content: unknown;
  try {
    content = parseToml(readFileSync(file, 'utf8'));
  } catch (thrown) {
    throw new ConfigError(`cannot read ${file}: ${firstLine(toError(thrown).message)}`, thrown);
  }
  const given: Partial<Record<SettingKey, Given>> = {};
  for (const [key, value] of flatten(content as Record<string, unknown>, '')) {
    if (!isSettingKey(key)) throw new ConfigError(`unknown key "${key}" in ${file}${suggestion(key)}`);
    given[key] = { text: Array.isArray(value) ? value.join(',') : String(value), where: `${key} in ${file}` };
  }
  return given;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!;
}

function* flatten(table: Readonly<Record<string, unknown>>, prefix: string): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(table)) {
    const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isTable) yield* flatten(value as Record<string, unknown>, `${prefix}${key}.`);
    else yield [`${prefix}${key}`, value];
  }
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(settings, key);
}

function suggestion(key: string): string {
  const nearest = settingKeys
    .map((candidate) => ({ candidate, distance: editDistance(key, candidate) }))
    .reduce((best, each) => (each.distance < best.distance ? each : best));
  return nearest.distance <= Math.max(3, key.length / 2) ? `; did you mean "${nearest.candidate}"?` : '';
}

/** Levenshtein distance, by rows. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
  }
  return row[b.length]!;
}
