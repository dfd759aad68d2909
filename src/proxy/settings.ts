/**
 * The table of settings: one line each, from which flags, environment variables, file keys and help are made.
 * `cache.max_staleness` in the file is `--cache-max-staleness` as a flag and `PGFRESH_CACHE_MAX_STALENESS` in the environment;
 * `limits.` is left out of both.
 */
import { ClientTlsModes, ConcurrencyModels, ConsistencyLevels, PoolModes, type TcpAddress } from '../shared/config.ts';
import { toError } from '../shared/errors.ts';
import { Limits } from '../shared/limits.ts';
import { TrustedProxies } from '../shared/proxy-protocol.ts';
import {
  BadValue,
  parseAddress,
  parseBoolean,
  parseChoice,
  parseCount,
  parseDuration,
  parseFileMode,
  parsePollTime,
  parseRedisUrl,
  parseSize,
} from './config-text.ts';

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export interface Setting<V> {
  /** Null: there is no default. */
  readonly fallback: string | null;
  readonly parse: (text: string) => V;
  /** How the value is called in help; undefined: a switch without value. */
  readonly placeholder: string | undefined;
  readonly help: string;
  /** May be given several times (flag), as an array (file), separated by commas (environment). */
  readonly list?: true;
}

function setting<V>(
  fallback: string | null,
  placeholder: string | undefined,
  parse: (text: string) => V,
  help: string,
): Setting<V> {
  return { fallback, placeholder, parse, help };
}

const addressList = (text: string): readonly TcpAddress[] => text.split(',').map(parseAddress);

function networkList(text: string): readonly string[] {
  const entries = text.split(',').map((entry) => entry.trim());
  try {
    new TrustedProxies(entries);
  } catch (thrown) {
    throw new BadValue(toError(thrown).message);
  }
  return entries;
}

function positive(parse: (text: string) => number, min: number): (text: string) => number {
  return (text) => {
    const value = parse(text);
    if (value < min) throw new BadValue(`"${text}" is too small`);
    return value;
  };
}

const text = (value: string): string => value;
const model = (value: string) => parseChoice(value, ConcurrencyModels);
const MIB = 2 ** 20;

export const settings = {
  upstream: setting(null, 'URL', text, 'the origin: postgres://user:password@host:port/database'),
  'cdc.url': setting(null, 'URL', text, 'where the change stream comes from, when not --upstream'),
  listen: { ...setting('127.0.0.1:6432', 'HOST:PORT', addressList, 'address for clients (repeatable)'), list: true },
  listen_unix: setting(null, 'DIR', text, 'directory for the Unix socket .s.PGSQL.PORT'),
  listen_unix_mode: setting('0777', 'MODE', parseFileMode, 'permission bits of the Unix socket, in octal'),
  proxy_protocol: {
    ...setting(
      null,
      'NETWORK',
      networkList,
      'load balancers that speak the PROXY protocol v2: addresses, networks or unix',
    ),
    list: true,
  },
  keepalive: setting('60s', 'TIME', parseDuration, 'silence after which TCP asks whether a peer is there (0: never)'),
  'tls.cert': setting(null, 'FILE', text, 'certificate shown to clients (PEM, with its chain); SIGHUP reads it again'),
  'tls.key': setting(null, 'FILE', text, 'its private key (PEM)'),
  'tls.ca': setting(null, 'FILE', text, 'who signs the certificates of clients (PEM)'),
  client_tls: setting(
    null,
    'MODE',
    (t) => parseChoice(t, ClientTlsModes),
    `${ClientTlsModes.join(', ')} (default allow with a certificate)`,
  ),
  'auth.query': setting(null, 'SQL', text, "finds a role's SCRAM verifier: $1 is the role, the last column counts"),
  'auth.file': setting(null, 'FILE', text, 'file of SCRAM verifiers, "role" "SCRAM-SHA-256$…" a line'),
  'auth.ask_password': setting(
    'true',
    'BOOL',
    parseBoolean,
    'ask for passwords over TLS where SCRAM cannot be relayed',
  ),
  admin: setting(
    '127.0.0.1:9432',
    'HOST:PORT',
    (t) => (t === 'off' ? undefined : parseAddress(t)),
    'admin page, or off',
  ),
  workers: setting(
    null,
    'N',
    (t) => parseCount(t, 1, Limits.workersMax),
    'worker threads; unless given, one for each core, but with auto a single one on up to two cores',
  ),
  'concurrency.model': setting('auto', 'MODEL', model, `threads for connections: ${ConcurrencyModels.join(', ')}`),
  'concurrency.tcp': setting(null, 'MODEL', model, 'the model for TCP, when it is another'),
  'concurrency.unix': setting(null, 'MODEL', model, 'the model for Unix sockets, when it is another'),
  'concurrency.pool_size': setting('0', 'N', (t) => parseCount(t, 0, Limits.workersMax), 'as --workers (0: that)'),
  'concurrency.max_threads': setting(
    '32',
    'N',
    (t) => parseCount(t, 1, Limits.workersMax),
    'threads of per-connection; what comes then waits',
  ),
  'concurrency.thread_idle': setting('10s', 'TIME', parseDuration, 'how long such a thread waits for the next one'),
  'concurrency.max_queue_depth': setting(
    '1000',
    'N',
    (t) => parseCount(t, 0, 1_000_000),
    'connections that may wait for a worker; beyond it 53300',
  ),
  'concurrency.optimize_for': setting(
    'latency',
    'GOAL',
    (t) => parseChoice(t, ['latency', 'throughput'] as const),
    'latency or throughput: what auto decides by',
  ),
  'concurrency.poll': setting(
    '200us',
    'TIME',
    parsePollTime,
    'how long a worker looks for more before it sleeps, while processors are idle and it mostly finds some (0: never)',
  ),
  consistency: setting('strong', 'LEVEL', (t) => parseChoice(t, ConsistencyLevels), ConsistencyLevels.join(', ')),
  'cache.memory': setting('256MB', 'SIZE', positive(parseSize, MIB), 'shared memory for cached answers'),
  'cache.max_entry': setting('1MB', 'SIZE', positive(parseSize, 1), 'the largest answer that is cached'),
  'cache.max_staleness': setting('1s', 'TIME', positive(parseDuration, 1), 'no hit when freshness is older'),
  'cache.single_flight_wait': setting(
    '1s',
    'TIME',
    parseDuration,
    'longest wait for the same miss of others; 0: never',
  ),
  'cache.in_place': setting('on', 'BOOL', parseBoolean, 'correct answers of one row from the change stream'),
  'cache.refresh_ahead': setting('off', 'BOOL', parseBoolean, 'ask again for hot answers that a write took out'),
  'tier2.redis': {
    ...setting(
      null,
      'URL',
      (t) => t.split(',').map((each) => parseRedisUrl(each.trim())),
      'Redis where several pgfresh leave dear answers for each other: redis://host:port (repeatable for a Cluster)',
    ),
    list: true,
  },
  'tier2.cluster': setting('false', undefined, parseBoolean, 'it is a Redis Cluster, of which tier2.redis names some'),
  'tier2.min_cost': setting('5ms', 'TIME', parseDuration, 'answers that took the origin less are not worth it'),
  'tier2.ttl': setting('10min', 'TIME', positive(parseDuration, 1), 'how long an answer stays there'),
  'tier2.timeout': setting('20ms', 'TIME', positive(parseDuration, 1), 'how long Redis is waited for'),
  'transactions.lazy_begin': setting('true', 'BOOL', parseBoolean, 'hold BEGIN back until the origin is needed'),
  'pool.mode': setting(
    'session',
    'MODE',
    (t) => parseChoice(t, PoolModes),
    'how clients share connections to the origin: session or transaction',
  ),
  'pool.size': setting(
    '20',
    'N',
    (t) => parseCount(t, 1, 10_000),
    'connections of a worker for each role, database and startup parameters (pool.mode = transaction)',
  ),
  'pool.idle_timeout': setting(
    '60s',
    'TIME',
    positive(parseDuration, 1),
    'close a pooled connection not used for so long',
  ),
  'pool.wait_timeout': setting(
    '120s',
    'TIME',
    positive(parseDuration, 1),
    'how long a statement waits for a pooled connection; then 53300',
  ),
  'pool.max_waiting': setting(
    '1000',
    'N',
    (t) => parseCount(t, 0, 1_000_000),
    'sessions that may wait for a connection of one pool; beyond it 53300',
  ),
  'limits.max_connections': setting('10000', 'N', (t) => parseCount(t, 1, 1_000_000), 'clients at once'),
  'limits.startup_timeout': setting('60s', 'TIME', positive(parseDuration, 1), 'time for a client to log in'),
  'limits.origin_connect_timeout': setting('10s', 'TIME', positive(parseDuration, 1), 'time to reach the origin'),
  'limits.idle_timeout': setting('0', 'TIME', parseDuration, 'end sessions idle outside a transaction (0: never)'),
  'cdc.slot': setting(null, 'NAME', text, 'a named replication slot instead of a temporary one'),
  'cdc.max_slot_lag': setting('1GB', 'SIZE', positive(parseSize, MIB), 'give the slot up when it holds back more WAL'),
  'cdc.lock_timeout': setting('2s', 'TIME', positive(parseDuration, 1), 'lock_timeout of ALTER PUBLICATION'),
  'cdc.slot_timeout': setting('10s', 'TIME', positive(parseDuration, 1), 'time for the creation of the slot'),
  'cdc.databases_max': setting(
    '8',
    'N',
    (t) => parseCount(t, 1, Limits.databasesMax),
    'databases cached at once; each has a change stream of its own',
  ),
  'cdc.database_idle': setting(
    '10s',
    'TIME',
    parseDuration,
    'a change stream without sessions ends after this time (not that of --upstream)',
  ),
  'restart.backoff_min': setting('100ms', 'TIME', positive(parseDuration, 1), 'first wait before a thread restarts'),
  'restart.backoff_max': setting('5s', 'TIME', positive(parseDuration, 1), 'longest wait before a thread restarts'),
  'restart.heartbeat_max': setting(
    '2s',
    'TIME',
    positive(parseDuration, 40),
    'a cache thread silent for longer is replaced',
  ),
  'drain.grace': setting('10s', 'TIME', parseDuration, 'time for running statements at shutdown'),
  'log.level': setting('info', 'LEVEL', (t) => parseChoice(t, logLevels), logLevels.join(', ')),
  'log.pretty': setting(null, 'BOOL', parseBoolean, 'readable lines instead of JSON (default: on a terminal)'),
  wait: setting('false', undefined, parseBoolean, 'start even when the origin cannot be reached, and keep trying'),
  faults: {
    ...setting(null, 'NAME', (t): readonly string[] => t.split(',').filter(Boolean), 'for tests only'),
    list: true,
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type SettingKey = keyof typeof settings;
export const settingKeys = Object.keys(settings) as readonly SettingKey[];
export type Values = { readonly [K in SettingKey]: ReturnType<(typeof settings)[K]['parse']> | undefined };

/** "cache.max_staleness" → "cache-max-staleness", "limits.max_connections" → "max-connections". */
export function flagName(key: SettingKey): string {
  return key.replace(/^limits\./, '').replace(/[._]/g, '-');
}

/** "cache.max_staleness" → "PGFRESH_CACHE_MAX_STALENESS". */
export function environmentName(key: SettingKey): string {
  return `PGFRESH_${flagName(key).replaceAll('-', '_').toUpperCase()}`;
}
