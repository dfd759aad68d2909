/** A Redis server of a test's own, from the machine (`.ci/run` installs it where there is none): nothing of it outlives the test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll } from 'vitest';
import { freePort } from './postgres.ts';
import { waitFor } from './wait.ts';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** A connection of the test's. */
  readonly client: Redis;
  /** Names of all that is there. */
  addresses(): Promise<string[]>;
  /** It takes connections and answers nothing, as one that hangs. */
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** On the same port, empty. */
  start(): Promise<void>;
}

const cleanups: (() => void)[] = [];
afterAll(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** @throws Error when there is no redis-server on this machine. */
export async function startRedis(options: { readonly cluster?: boolean } = {}): Promise<RedisServer> {
  const port = await freePort();
  const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-redis-'));
  // The bus of a cluster would listen on the port + 10000, which may be none.
  const cluster =
    options.cluster === true
      ? ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(await freePort())]
      : [];
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    folder,
    ...cluster,
  ];
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, maxRetriesPerRequest: 1 });
  client.on('error', () => undefined);
  let child: ChildProcess | null = null;
  let failure: Error | null = null;
  cleanups.push(() => {
    client.disconnect();
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    child = spawn('redis-server', args, { stdio: 'ignore' });
    child.once('error', (error) => {
      failure = new Error(`no redis-server here (apt-get install redis-server): ${error.message}`);
    });
    await waitFor('Redis to answer', async () => {
      if (failure !== null) throw failure;
      return client.ping().then(
        () => true,
        () => false,
      );
    });
    if (options.cluster === true) await untilCluster(client);
  }

  await start();
  return {
    ...{ port, client, start, url: `redis://127.0.0.1:${port}` },
    addresses: () => client.keys('*'),
    pause: () => void child!.kill('SIGSTOP'),
    resume: () => void child!.kill('SIGCONT'),
    async kill() {
      const gone = new Promise((resolve) => child!.once('close', resolve));
      child!.kill('SIGKILL');
      await gone;
    },
  };
}

/** One node that has all slots. */
async function untilCluster(client: Redis): Promise<void> {
  await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await waitFor('the cluster to be whole', async () =>
    String(await client.call('CLUSTER', 'INFO')).includes('state:ok'),
  );
}
