/** What people write in settings: sizes, durations, addresses, connection strings. Each parser says what would be right. */
import { userInfo } from 'node:os';
import type { RedisNode, TcpAddress, Upstream } from '../shared/config.ts';

/** Thrown with a message that completes "cache.memory: …". */
export class BadValue extends Error {}

const sizeUnits: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40 };

/** Bytes. "256MB", "1.5GB", "64kB", "1048576"; units are powers of 1024, as in postgresql.conf. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : sizeUnits[match[2]!.toLowerCase().replace('ib', 'b')];
  if (match === null || unit === undefined) throw new BadValue(`"${text}" is not a size; write 256MB, 1GB or bytes`);
  return Math.round(Number(match[1]) * unit);
}

const durationUnits: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1e3, min: 60e3, m: 60e3, h: 3600e3 };

/** Milliseconds. "500ms", "1s", "1.5s", "5min", "1h"; a bare number is milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : durationUnits[match[2]!.toLowerCase()];
  if (match === null || unit === undefined) throw new BadValue(`"${text}" is not a duration; write 500ms, 1s or 5min`);
  return Math.round(Number(match[1]) * unit);
}

const POLL_US_MAX = 10_000;

/** Microseconds, up to 10 ms. "200us", "0.5ms"; a bare number is microseconds. */
export function parsePollTime(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(us|ms|)$/i.exec(text.trim());
  const us =
    match === null ? Number.NaN : Math.round(Number(match[1]) * (match[2]!.toLowerCase() === 'ms' ? 1_000 : 1));
  if (!(us <= POLL_US_MAX)) throw new BadValue(`"${text}" is not a time from 0 to 10 ms; write 200us`);
  return us;
}

export function parseBoolean(text: string): boolean {
  if (/^(true|on|yes|1)$/i.test(text)) return true;
  if (/^(false|off|no|0)$/i.test(text)) return false;
  throw new BadValue(`"${text}" is neither true nor false`);
}

export function parseCount(text: string, min: number, max: number): number {
  const count = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(count >= min && count <= max)) throw new BadValue(`"${text}" is not a number from ${min} to ${max}`);
  return count;
}

/** "0770", "770": as chmod takes it. */
export function parseFileMode(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text.trim())) throw new BadValue(`"${text}" is not a file mode; write 0770`);
  return Number.parseInt(text, 8);
}

export function parseChoice<C extends string>(text: string, choices: readonly C[]): C {
  const choice = choices.find((each) => each === text);
  if (choice === undefined) throw new BadValue(`"${text}" is none of ${choices.join(', ')}`);
  return choice;
}

/** "127.0.0.1:6432", "[::1]:6432", "localhost:6432", "*:6432" (every address), "6432" (127.0.0.1). Port 0: any free one. */
export function parseAddress(text: string): TcpAddress {
  const match = /^(?:(\[[0-9a-f:.%a-z]+\]|[^:[\]\s]+|):)?(\d{1,5})$/i.exec(text.trim());
  const port = match === null ? Number.NaN : Number(match[2]);
  if (match === null || port > 65535) throw new BadValue(`"${text}" is not HOST:PORT`);
  const host = match[1] === undefined ? '127.0.0.1' : match[1].replace(/^\[|\]$/g, '');
  return { host: host === '*' || host === '' ? '0.0.0.0' : host, port };
}

export function formatAddress(address: TcpAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

const sslmodes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
const upstreamForm = 'write postgres://USER:PASSWORD@HOST:PORT/DATABASE';

/**
 * A connection string as libpq takes it. A Unix socket directory is the `host` parameter, or the percent-encoded host. Without
 * user or database the operating system's user is meant, without password `PGPASSWORD`. Manual: libpq, Connection URIs.
 * The text itself never appears in an error: it may hold a password.
 */
export function parseUpstream(text: string, env: Readonly<Record<string, string | undefined>>): Upstream {
  const url = parseUrl(text);
  const parameters = url.searchParams;
  const user = decodeURIComponent(url.username) || parameters.get('user') || env['PGUSER'] || userInfo().username;
  const portText = url.port || parameters.get('port') || '5432';
  const password = decodeURIComponent(url.password) || parameters.get('password') || env['PGPASSWORD'];
  return {
    host: parameters.get('host') || decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '') || 'localhost',
    port: parseCount(portText, 1, 65535),
    user,
    password: password === undefined || password === '' ? undefined : password,
    database: decodeURIComponent(url.pathname.slice(1)) || parameters.get('dbname') || user,
    sslmode: parseChoice(parameters.get('sslmode') ?? 'prefer', sslmodes),
    ...sslFiles(parameters),
  };
}

/** Only those that are given. */
function sslFiles(parameters: URLSearchParams): Pick<Upstream, 'sslrootcert' | 'sslcert' | 'sslkey'> {
  const names = ['sslrootcert', 'sslcert', 'sslkey'] as const;
  return Object.fromEntries(names.flatMap((name) => (parameters.get(name) ? [[name, parameters.get(name)]] : [])));
}

const redisForm = 'write redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS';

/** The text itself never appears in an error: it may hold a password. */
export function parseRedisUrl(text: string): RedisNode {
  if (!/^rediss?:\/\/./.test(text) || !URL.canParse(text))
    throw new BadValue(`not the URL of a Redis server; ${redisForm}`);
  const url = new URL(text);
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return {
    host: decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: parseCount(url.port || '6379', 1, 65535),
    user: user === '' ? undefined : user,
    password: password === '' ? undefined : password,
    database: parseCount(url.pathname.slice(1) || '0', 0, 65535),
    tls: url.protocol === 'rediss:',
  };
}

function parseUrl(text: string): URL {
  // A URL with a user and no host is refused by the URL parser, and is how libpq's users name a socket directory.
  const withHost = text.replace(/^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?=[/?]|$)/, '$1localhost');
  if (!/^postgres(ql)?:\/\//.test(withHost) || !URL.canParse(withHost)) {
    throw new BadValue(`not a connection string; ${upstreamForm}`);
  }
  return new URL(withHost);
}
