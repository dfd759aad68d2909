/** The end-to-end probe of /readyz: a client like any other goes through our own listener to the origin and back. */
import pg from 'pg';
import type { Config } from '../../shared/config.ts';
import { toError } from '../../shared/errors.ts';
import type { Listener } from '../listener.ts';

const probeMsMax = 5_000;

/** Any-address listeners are reached through loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/** Null when `SELECT 1` came back, otherwise what went wrong. */
export async function probe(listener: Listener, config: Config): Promise<string | null> {
  const address = listener.addresses[0]!;
  const { user, password, database } = config.upstream;
  const client = new pg.Client({
    ...{ host: reachable(address.host), port: address.port, user, database },
    ...(password === undefined ? {} : { password }),
    ...{ connectionTimeoutMillis: probeMsMax, query_timeout: probeMsMax, application_name: 'pgfresh readyz' },
  });
  let failure: string | null = null;
  const fail = (thrown: unknown): void => {
    failure ??= toError(thrown).message;
  };
  client.on('error', fail);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (thrown) {
    fail(thrown);
  }
  client.end().catch(fail);
  return failure;
}
