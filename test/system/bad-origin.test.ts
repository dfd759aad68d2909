import { connect, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, spawnCli, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, freePort, run, startCluster } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let pgfresh: Pgfresh | undefined;
let cluster: Cluster | undefined;

afterEach(async () => {
  await pgfresh?.stop();
  await cluster?.stop();
  [pgfresh, cluster] = [undefined, undefined];
});

/** The problem as an operator finds it: in /status and in the log. */
async function problem(pattern: RegExp): Promise<string> {
  const status = await pgfresh!.waitForStatus('the problem in /status', ({ cdc }) => pattern.test(String(cdc.problem)));
  await waitFor('the problem in the log', () => pgfresh!.lines.some((line) => pattern.test(line)));
  expect(status.state).not.toBe('live');
  return String(status.cdc.problem);
}

async function servesUncached(): Promise<void> {
  const before = (await pgfresh!.status()).cache;
  for (let i = 0; i < 20; i++) expect(await rowsOf(pgfresh!.url, 'SELECT 1 + 1')).toEqual([[2]]);
  const after = (await pgfresh!.status()).cache;
  expect(after.hits).toBe(before.hits);
  expect(after.passthrough - before.passthrough).toBeGreaterThanOrEqual(20);
}

describe('an origin that cannot feed a cache is served uncached, with the remedy', () => {
  it('when its wal_level is not logical', async () => {
    cluster = await startCluster({ version: 18, settings: ['wal_level=replica'] });
    pgfresh = await startPgfresh({ upstream: cluster.url, waitUntil: 'accepting' });
    expect(await problem(/wal_level/)).toMatch(/logical/);
    await servesUncached();
  });

  it('when the role lacks REPLICATION', async () => {
    const database = await createDatabase(inject('pg15roles'));
    const role = `plain_${database.name}`;
    await run(
      database.url,
      `CREATE ROLE ${role} LOGIN PASSWORD 'pw'; GRANT CREATE ON DATABASE ${database.name} TO ${role}`,
    );
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'pw'];
    pgfresh = await startPgfresh({ upstream: url.href, waitUntil: 'accepting' });
    expect(await problem(/REPLICATION/)).toMatch(/ALTER ROLE/);
    await servesUncached();
    await pgfresh.stop();
    pgfresh = undefined;
    await database.drop();
    await run(inject('pg15roles'), `DROP ROLE ${role}`);
  });

  it('when no replication slot is free', async () => {
    cluster = await startCluster({ version: 15, settings: ['max_replication_slots=1'] });
    await run(cluster.url, "SELECT pg_create_logical_replication_slot('taken', 'pgoutput')");
    pgfresh = await startPgfresh({ upstream: cluster.url, waitUntil: 'accepting' });
    expect(await problem(/slot/)).toMatch(/max_replication_slots/);
    await servesUncached();
    // The remedy works without a restart of pgfresh.
    await run(cluster.url, "SELECT pg_drop_replication_slot('taken')");
    await pgfresh.waitForStatus('the cache to be live', ({ state }) => state === 'live', 60_000);
  });
});

describe('an origin that is not there', () => {
  it('ends the start with one line that names it, and exit code 1', async () => {
    const port = await freePort();
    const { lines, exited } = spawnCli([
      'serve',
      '--upstream',
      `postgres://u:secretword@127.0.0.1:${port}/db`,
      '--listen',
      `127.0.0.1:${await freePort()}`,
    ]);
    expect((await exited).code).toBe(1);
    expect(lines.join('\n')).toContain(`127.0.0.1:${port}`);
    expect(lines.join('\n')).not.toContain('secretword');
    expect(lines.join('\n')).not.toMatch(/^\s+at /m);
  });

  it('is waited for with --wait, clients get 08006 meanwhile, and then it is cached', async () => {
    cluster = await startCluster({ version: 18 });
    await cluster.halt();
    pgfresh = await startPgfresh({ upstream: cluster.url, args: ['--wait'], waitUntil: 'accepting' });
    await expect(rowsOf(pgfresh.url, 'SELECT 1')).rejects.toMatchObject({
      code: '08006',
      message: expect.stringContaining(`127.0.0.1:${cluster.port}`),
    });
    await cluster.start();
    await pgfresh.waitForStatus('the cache to be live', ({ state }) => state === 'live', 60_000);
    expect(await rowsOf(pgfresh.url, 'SELECT 2')).toEqual([[2]]);
  });

  it('is cached again after it was restarted, and no stale row is served', async () => {
    cluster = await startCluster({ version: 18 });
    await run(cluster.url, 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)');
    pgfresh = await startPgfresh({ upstream: cluster.url });
    const read = () => rowsOf(pgfresh!.url, 'SELECT v FROM t WHERE id = 1');
    const warm = async () => {
      const { hits } = (await pgfresh!.status()).cache;
      await waitFor('a hit', async () => {
        await read();
        return (await pgfresh!.status()).cache.hits > hits;
      });
    };
    await warm();
    await cluster.halt();
    await cluster.start();
    await run(cluster.url, 'UPDATE t SET v = 2');
    await pgfresh.waitForStatus('the cache to be live', ({ state }) => state === 'live', 60_000);
    await waitFor('the new row', async () => (await read())[0]![0] === 2);
    await warm();
    expect(await read()).toEqual([[2]]);
  });
});

/** Sends raw bytes and collects what comes back until the other side closes. */
function exchange(port: number, chunks: readonly Buffer[]): Promise<Buffer> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port }, () => {
      for (const chunk of chunks) socket.write(chunk);
    });
    socket.on('data', (chunk) => void received.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(received)));
  });
}

const int32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => void bytes.writeInt32BE(value, i * 4));
  return bytes;
};

describe('garbage on the port', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let shared: Pgfresh;
  beforeAll(async () => {
    database = await createDatabase(inject('pg18roles'));
    shared = await startPgfresh({ upstream: database.url });
  });
  afterAll(async () => {
    await shared.stop();
    await database.drop();
  });

  it.each([
    ['an HTTP request', [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]],
    ['an oversized length', [int32(0x7fffffff, 196608), Buffer.alloc(64)]],
    ['a negative length', [int32(-1, 196608)]],
    ['a length of zero', [int32(0, 196608)]],
    ['an unknown protocol version', [int32(9, 99 << 16), Buffer.from([0])]],
    ['a startup packet without a terminator', [int32(16, 196608), Buffer.from('useruser')]],
  ])('%s ends that connection with an error, and no other', async (_what, chunks) => {
    const answer = await exchange(shared.port, chunks);
    expect(String.fromCharCode(answer[0] ?? 0)).toBe('E');
    expect(answer.toString('latin1')).toMatch(/FATAL/);
    expect(await rowsOf(shared.url, 'SELECT 3')).toEqual([[3]]);
  });

  it('half a startup packet is given up after the startup timeout, and costs no connection of the origin', async () => {
    pgfresh = await startPgfresh({ upstream: database.url, env: { PGFRESH_STARTUP_TIMEOUT: '500ms' } });
    const halves = [int32(200, 196608), Buffer.from('user\0post')];
    await exchange(pgfresh.port, halves);
    expect(await rowsOf(pgfresh.url, 'SELECT 4')).toEqual([[4]]);
  });
});

it('a port that is in use is one clear line and a failing exit code', async () => {
  const database = await createDatabase(inject('pg18roles'));
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const { lines, exited } = spawnCli(['serve', '--upstream', database.url, '--listen', `127.0.0.1:${port}`]);
  const { code } = await exited;
  await new Promise((resolve) => taken.close(resolve));
  expect(code).toBe(1);
  expect(lines.filter((line) => line.includes(`127.0.0.1:${port}`))).toHaveLength(1);
  expect(lines.join('\n')).not.toMatch(/^\s+at /m);
  await database.drop();
});
