/** Main's own connections to the origin: short ones, for the check at start, `doctor`, `cleanup` and the probe of /readyz. */
import pg from 'pg';
import type { Upstream } from '../shared/config.ts';
import { ConfigError, OriginUnreachableError, toError } from '../shared/errors.ts';
import { connectPg } from '../shared/tls-origin.ts';

/** "127.0.0.1:5432", or the directory of the Unix socket. Never the password. */
export function describeUpstream(upstream: Upstream): string {
  return upstream.host.startsWith('/')
    ? `${upstream.host}/.s.PGSQL.${upstream.port}`
    : `${upstream.host}:${upstream.port}`;
}

function makeClient(upstream: Upstream, connectMsMax: number, ssl: NonNullable<pg.ClientConfig['ssl']>): pg.Client {
  const { host, port, user, password, database } = upstream;
  return new pg.Client({
    host,
    port,
    user,
    database,
    ...(password === undefined ? {} : { password }),
    ssl,
    connectionTimeoutMillis: connectMsMax,
    application_name: 'pgfresh',
  });
}

/**
 * Runs `use` on a connection of its own.
 * @throws ConfigError when the origin refuses user, password or database; OriginUnreachableError when it does not answer.
 */
export async function withOrigin<R>(
  upstream: Upstream,
  connectMsMax: number,
  use: (client: pg.Client) => Promise<R>,
): Promise<R> {
  let client: pg.Client;
  try {
    client = await connectPg(upstream, (ssl) => makeClient(upstream, connectMsMax, ssl));
  } catch (thrown) {
    throw thrown instanceof ConfigError ? thrown : explainRefusal(upstream, toError(thrown));
  }
  let lost: Error | undefined;
  client.on('error', (error) => {
    lost = error; // the query under way rejects as well
  });
  try {
    return await use(client);
  } finally {
    if (lost === undefined) await client.end();
  }
}

/** Class 28: authorization; 3D000: no such database. Manual: Appendix A. */
function explainRefusal(upstream: Upstream, error: Error & { readonly code?: string }): Error {
  const where = describeUpstream(upstream);
  if (error.code === '3D000' || error.code?.startsWith('28') === true) {
    return new ConfigError(`the origin ${where} refused the login of "${upstream.user}": ${error.message}`, error);
  }
  if (/password must be a string/.test(error.message)) {
    return new ConfigError(`the origin ${where} wants a password for "${upstream.user}"`, error);
  }
  const why = error.message === '' ? (error.code ?? 'no answer') : error.message;
  return new OriginUnreachableError(`the origin ${where} cannot be reached: ${why} (--wait keeps trying)`, error);
}
