/** The connection to the Redis, or Redis Cluster, of several nodes (ADR-025). */
import { createRequire } from 'node:module';
import type { Cluster, Redis } from 'ioredis';
import type { RedisNode, SecondTierConfig } from './config.ts';

const RECONNECT_MS_MAX = 2_000;

/** It connects at once, and again whenever it has to; what is asked meanwhile fails. Whoever has it listens for `error`. */
export function connectRedis({ nodes, cluster, timeoutMs }: SecondTierConfig): Redis | Cluster {
  // Few have one, and loading it takes a good part of a start.
  const ioredis = createRequire(import.meta.url)('ioredis') as typeof import('ioredis');
  const first = nodes[0]!;
  const retryStrategy = (attempt: number): number => Math.min(RECONNECT_MS_MAX, 100 * 2 ** Math.min(attempt, 10));
  const common = { enableOfflineQueue: false } as const;
  const connection = {
    ...common,
    ...credentialsOf(first),
    commandTimeout: timeoutMs,
    connectTimeout: RECONNECT_MS_MAX,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };
  if (!cluster)
    return new ioredis.Redis({ ...connection, host: first.host, port: first.port, db: first.database, retryStrategy });
  const startupNodes = nodes.map(({ host, port }) => ({ host, port }));
  // The internal connections of a cluster wait for themselves.
  const redisOptions = { ...connection, enableOfflineQueue: true };
  return new ioredis.Cluster(startupNodes, { ...common, redisOptions, clusterRetryStrategy: retryStrategy });
}

function credentialsOf({ user, password, tls, host }: RedisNode) {
  return {
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: { servername: host } }),
  };
}
