/**
 * Encryption towards the origin, the same for clients' sessions and for pgfresh's own connections: libpq's table of sslmode.
 * Manual: libpq, SSL Support ("Client Verification of Server Certificates", "SSL Mode Descriptions").
 *
 * Two differences, both documented in docs/tls.md: without `sslrootcert` the authorities that Node trusts are taken (and
 * NODE_EXTRA_CA_CERTS), where libpq looks for ~/.postgresql/root.crt; and TLS below 1.2 is never spoken.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import type pg from 'pg';
import type { Upstream } from './config.ts';
import { ConfigError, toError } from './errors.ts';

export const TLS_VERSION_MIN = 'TLSv1.2';
/** Registered with IANA; PostgreSQL 17 and later insist on it when TLS begins without an SSLRequest. */
export const ALPN_PROTOCOL = 'postgresql';

/** One way to connect: in the clear, or with these options for `tls.connect`. */
export type OriginAttempt = false | tls.ConnectionOptions;

/** @throws ConfigError naming the parameter and the file. */
export function readPem(parameter: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new ConfigError(`${parameter}: cannot read ${file}: ${toError(thrown).message}`, thrown);
  }
}

/** @throws ConfigError when a file cannot be read or holds nothing usable. */
function secureContext(upstream: Upstream): tls.SecureContext {
  const { sslrootcert, sslcert, sslkey } = upstream;
  const own =
    sslcert === undefined ? {} : { cert: readPem('sslcert', sslcert), key: readPem('sslkey', sslkey ?? sslcert) };
  const ca = sslrootcert === undefined ? {} : { ca: readPem('sslrootcert', sslrootcert) };
  try {
    return tls.createSecureContext({ ...own, ...ca, minVersion: TLS_VERSION_MIN });
  } catch (thrown) {
    throw new ConfigError(`sslcert, sslkey, sslrootcert: ${toError(thrown).message}`, thrown);
  }
}

/**
 * The ways to try, in order; the next one only when the last was refused for what it is (`mayTryNext`). Reads the files.
 * @throws ConfigError
 */
export function originAttempts(upstream: Upstream): readonly OriginAttempt[] {
  // On a Unix socket libpq ignores sslmode, and so do servers.
  if (upstream.sslmode === 'disable' || upstream.host.startsWith('/')) return [false];
  const base: tls.ConnectionOptions = {
    secureContext: secureContext(upstream),
    ALPNProtocols: [ALPN_PROTOCOL],
    host: upstream.host,
    ...(net.isIP(upstream.host) === 0 ? { servername: upstream.host } : {}),
  };
  const unverified = { ...base, rejectUnauthorized: false };
  const authority = { ...base, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  switch (upstream.sslmode) {
    case 'allow':
      return [false, unverified];
    case 'prefer':
      return [unverified, false];
    case 'require':
      // As libpq: whoever names a root certificate wants it checked.
      return [upstream.sslrootcert === undefined ? unverified : authority];
    case 'verify-ca':
      return [authority];
    case 'verify-full':
      return [{ ...base, rejectUnauthorized: true }];
  }
}

/** Whether another way may succeed: encryption was not to be had, or the origin's pg_hba.conf wants it otherwise. */
function mayTryNext(error: Error & { readonly code?: string }): boolean {
  if (error.code === '28000') return true;
  if (error.code === undefined) return !/timeout/.test(error.message);
  return !/^[0-9A-Z]{5}$/.test(error.code) && !unreachable.has(error.code);
}
const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ETIMEDOUT',
]);

/**
 * Connects a `pg` client as sslmode says.
 * @throws what `pg` throws, of the last attempt: errors with `code` of the origin (SQLSTATE) or of Node (ECONNREFUSED …).
 */
export async function connectPg(
  upstream: Upstream,
  make: (ssl: NonNullable<pg.ClientConfig['ssl']>) => pg.Client,
): Promise<pg.Client> {
  const attempts = originAttempts(upstream);
  let failure: Error = new Error('no attempt was made');
  for (const ssl of attempts) {
    const client = make(ssl);
    // Errors of an idle connection are reported by the owner's own listener; without any they would end the thread.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (thrown) {
      failure = toError(thrown);
      client.connection.stream.destroy();
      if (!mayTryNext(failure)) break;
    }
  }
  throw failure;
}
