/** Sessions through a worker, message by message the same as straight to the origin. */
import net from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { attachFakeCache } from '../support/fake-cache.ts';
import { createDatabase, freePort, run } from '../support/postgres.ts';
import {
  codes,
  connectRaw,
  type Frame,
  type RawClient,
  serialize,
  sqlState,
  statement,
} from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { addressOf, cachedConfig, startWorker, type TestWorker, testConfig } from '../support/worker.ts';

const setup = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g;
  CREATE TABLE copied (a int, b text)`;

const copyData = (text: string) => serialize.copyData(Buffer.from(text));

/** Each is sent message by message; waits are for the letters given. */
const exchanges: Record<string, (client: RawClient) => Promise<Frame[]>> = {
  'several statements in one Query': async (c) => {
    c.send(serialize.query('SELECT 1; SELECT 2 AS two; ; UPDATE t SET v = v WHERE id = 1'));
    return c.until('Z');
  },
  'an empty Query': async (c) => {
    c.send(serialize.query(''));
    return c.until('Z');
  },
  'an error, then a statement': async (c) => {
    c.send(serialize.query('SELECT 1/0'), serialize.query('SELECT 3'));
    return c.until('Z', 2);
  },
  'an error inside a pipeline skips to its Sync': async (c) => {
    c.send(statement('SELECT 1'), statement('SELECT 1/0'), statement('SELECT 2'), serialize.sync());
    c.send(statement('SELECT 4'), serialize.sync());
    return c.until('Z', 2);
  },
  'a Parse error, then Close and a Query before the Sync': async (c) => {
    c.send(serialize.parse({ name: 'x', text: 'SELEC', types: [] }), serialize.flush());
    const first = await c.until('E');
    c.send(serialize.close({ type: 'S', name: 'x' }), serialize.query('SELECT 1'), serialize.sync());
    return [...first, ...(await c.until('Z'))];
  },
  'Describe first, with Flush, then Bind and Execute': async (c) => {
    c.send(serialize.parse({ name: 'd', text: 'SELECT v FROM t WHERE id = $1', types: [] }));
    c.send(serialize.describe({ type: 'S', name: 'd' }), serialize.flush());
    const first = await c.until('T');
    c.send(
      serialize.bind({ statement: 'd', values: ['7'] }),
      serialize.execute({ portal: '', rows: 0 }),
      serialize.sync(),
    );
    const second = await c.until('Z');
    c.send(serialize.close({ type: 'S', name: 'd' }), serialize.sync());
    return [...first, ...second, ...(await c.until('Z'))];
  },
  'row limits suspend a portal and go on': async (c) => {
    c.send(serialize.parse({ name: '', text: 'SELECT id FROM t ORDER BY id LIMIT 5', types: [] }), serialize.bind({}));
    c.send(serialize.execute({ portal: '', rows: 2 }), serialize.execute({ portal: '', rows: 2 }));
    c.send(serialize.execute({ portal: '', rows: 2 }), serialize.sync());
    return c.until('Z');
  },
  'Bind to the unnamed statement without a new Parse': async (c) => {
    c.send(serialize.parse({ name: '', text: 'SELECT v FROM t WHERE id = $1', types: [] }), serialize.sync());
    const frames = await c.until('Z');
    for (const id of ['1', '2', '1']) {
      c.send(serialize.bind({ values: [id] }), serialize.execute({ portal: '', rows: 0 }), serialize.sync());
      frames.push(...(await c.until('Z')));
    }
    return frames;
  },
  'a Query destroys the unnamed statement': async (c) => {
    c.send(serialize.parse({ name: '', text: 'SELECT 1', types: [] }), serialize.sync(), serialize.query('SELECT 2'));
    c.send(serialize.bind({}), serialize.execute({ portal: '', rows: 0 }), serialize.sync());
    return c.until('Z', 3);
  },
  'a name that exists is refused, and stays': async (c) => {
    const parse = serialize.parse({ name: 'twice', text: 'SELECT 11', types: [] });
    c.send(parse, serialize.sync(), parse, serialize.sync());
    c.send(serialize.bind({ statement: 'twice' }), serialize.execute({ portal: '', rows: 0 }), serialize.sync());
    c.send(serialize.query('DEALLOCATE twice'), serialize.bind({ statement: 'twice' }), serialize.sync());
    return c.until('Z', 5);
  },
  'BEGIN, INSERT, SELECT and ROLLBACK in one pipeline': async (c) => {
    c.send(statement('BEGIN'), statement("INSERT INTO t VALUES (5000, 'new')"));
    c.send(statement('SELECT v FROM t WHERE id = 5000'), statement('ROLLBACK'), serialize.sync());
    return c.until('Z');
  },
  'a failed transaction refuses until its end': async (c) => {
    const frames: Frame[] = [];
    for (const text of ['BEGIN', 'SELECT 1/0', 'SELECT 1', 'ROLLBACK', 'SELECT 1']) {
      c.send(serialize.query(text));
      frames.push(...(await c.until('Z')));
    }
    return frames;
  },
  'COPY in and out, simple protocol': async (c) => {
    c.send(serialize.query('TRUNCATE copied'), serialize.query('COPY copied FROM STDIN'));
    const frames = await c.until('G');
    c.send(copyData('1\tone\n2\t'), copyData('two\n'), serialize.copyDone());
    frames.push(...(await c.until('Z')));
    c.send(serialize.query('COPY copied TO STDOUT'));
    return [...frames, ...(await c.until('Z'))];
  },
  'COPY in, extended protocol, Sync ahead of the data': async (c) => {
    c.send(serialize.query('TRUNCATE copied'), statement('COPY copied FROM STDIN'), serialize.sync());
    const frames = await c.until('G');
    c.send(copyData('3\tthree\n'), serialize.copyDone(), serialize.sync());
    return [...frames, ...(await c.until('Z'))];
  },
  'COPY that fails half-way, and one that the client gives up': async (c) => {
    c.send(serialize.query('COPY copied FROM STDIN'));
    const frames = await c.until('G');
    c.send(copyData('x\ty\n'), copyData('4\tfour\n'), serialize.copyDone());
    frames.push(...(await c.until('Z')));
    c.send(serialize.query('COPY copied FROM STDIN'));
    frames.push(...(await c.until('G')));
    c.send(serialize.copyFail('no more'));
    return [...frames, ...(await c.until('Z'))];
  },
  'cursors and portals with names': async (c) => {
    c.send(serialize.query('BEGIN'));
    const frames = await c.until('Z');
    c.send(
      serialize.parse({ name: '', text: 'SELECT id FROM t ORDER BY id', types: [] }),
      serialize.bind({ portal: 'p' }),
    );
    c.send(serialize.execute({ portal: 'p', rows: 3 }), serialize.sync(), serialize.execute({ portal: 'p', rows: 1 }));
    c.send(serialize.close({ type: 'P', name: 'p' }), serialize.sync(), serialize.query('COMMIT'));
    return [...frames, ...(await c.until('Z', 3))];
  },
  'parameters of 200 kB and rows of 3 MB': async (c) => {
    c.send(statement('SELECT length($1), repeat($1, 15)', ['p'.repeat(200_000)]), serialize.sync());
    return c.until('Z');
  },
  'notices and notifications': async (c) => {
    c.send(serialize.query("LISTEN ch; DO $$ BEGIN RAISE NOTICE 'hello'; END $$"), serialize.query("NOTIFY ch, 'x'"));
    return c.until('Z', 2);
  },
  'malformed bodies get the answer of the origin': async (c) => {
    c.send(
      Buffer.from([0x50, 0, 0, 0, 6, 0x61, 0]),
      serialize.sync(),
      Buffer.from([0x42, 0, 0, 0, 5, 0x61]),
      serialize.sync(),
    );
    c.send(
      Buffer.from([0x44, 0, 0, 0, 6, 0x5a, 0]),
      serialize.sync(),
      Buffer.from([0x45, 0, 0, 0, 5, 0]),
      serialize.sync(),
    );
    return c.until('Z', 4);
  },
};

/** Until the origin is inside pg_sleep on that connection. */
async function waitForSleep(url: string, processId: number): Promise<void> {
  const watcher = new pg.Client({ connectionString: url });
  await watcher.connect();
  const sql = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
  await waitFor('pg_sleep', async () => (await watcher.query(sql, [processId])).rowCount === 1);
  await watcher.end();
}

function printed(frames: readonly Frame[]): string[] {
  return frames.map(({ code, body }) => `${code} ${(code === 'A' ? body.subarray(4) : body).toString('latin1')}`);
}

describe.for(['pg15', 'pg18'] as const)('relay on %s', (version) => {
  let worker: TestWorker;
  let cached: TestWorker;
  let url: string;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    const base = cachedConfig(inject(version));
    const config = { ...base, cache: { ...base.cache, entryBytesMax: 1 << 20 } };
    ({ url, drop } = await createDatabase(inject(version), setup));
    worker = await startWorker(config);
    cached = await startWorker(config);
    attachFakeCache(cached.runtime);
  });

  afterAll(async () => {
    await worker.stop();
    await cached.stop();
    await drop();
  });

  it.for(Object.entries(exchanges))('%s', async ([, exchange]) => {
    const seen: string[][] = [];
    for (const target of [url, worker.url(url), cached.url(url), cached.url(url)]) {
      const client = await connectRaw(target);
      seen.push(printed(await exchange(client)));
      client.close();
    }
    for (const frames of seen.slice(1)) expect(frames).toEqual(seen[0]);
  });

  it('cancels the query that runs, and nothing after it', async () => {
    const client = new pg.Client({ connectionString: worker.url(url) });
    await client.connect();
    const slow = client.query('SELECT pg_sleep(60)').catch((error: pg.DatabaseError) => error.code);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    await waitForSleep(url, processID);
    const cancel = net.connect(worker.port, '127.0.0.1');
    cancel.end(serialize.cancel(processID, secretKey));
    expect(await slow).toBe('57014');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  it('keeps memory bounded for a reader that stops reading, and then delivers everything', async () => {
    const client = await connectRaw(worker.url(url));
    client.socket.pause();
    client.send(serialize.query("SELECT repeat('x', 1000) FROM generate_series(1, 40000)"));
    await waitFor('the worker to stop reading the origin', () => worker.count('bytesToClients') > 1_000_000);
    let seen = -1;
    await waitFor('the relay to come to rest', () => {
      const before = seen;
      seen = worker.count('bytesToClients');
      return before === seen;
    });
    expect(seen).toBeLessThan(30_000_000);
    client.socket.resume();
    expect((await client.until('Z')).filter(({ code }) => code === 'D')).toHaveLength(40_000);
    client.close();
  });

  it('runs what a client pipelined before it left without waiting', async () => {
    const client = await connectRaw(worker.url(url));
    client.send(serialize.query("INSERT INTO copied VALUES (77, 'left')"), serialize.end());
    client.socket.end();
    const check = new pg.Client({ connectionString: url });
    await check.connect();
    const count = async () => (await check.query('SELECT 1 FROM copied WHERE a = 77')).rowCount;
    await waitFor('the row', async () => (await count()) === 1);
    await check.end();
  });

  it('gives every client the FATAL of a terminated origin connection', async () => {
    const client = await connectRaw(worker.url(url));
    client.send(serialize.query('SELECT pg_sleep(60)'));
    await waitForSleep(url, client.processId);
    await run(url, `SELECT pg_terminate_backend(${client.processId})`);
    const frames = await client.rest();
    expect(codes(frames)).toMatch(/^T?E$/);
    expect(sqlState(frames.at(-1))).toBe('57P01');
  });

  it('speaks replication connections through', async () => {
    const target = new URL(worker.url(url));
    target.searchParams.set('replication', 'database');
    const client = new pg.Client({ connectionString: target.href, ...{ replication: 'database' } });
    await client.connect();
    const { rows } = await client.query('IDENTIFY_SYSTEM');
    expect(rows).toHaveLength(1);
    await client.end();
  });
});

describe('strangers and failures', () => {
  const bytesOf = async (port: number, ...pieces: (Buffer | 'end')[]): Promise<Buffer> => {
    const socket = net.connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
    socket.on('error', () => undefined);
    for (const piece of pieces) {
      if (piece === 'end') socket.end();
      else socket.write(piece);
    }
    await new Promise((resolve) => socket.once('close', resolve));
    return Buffer.concat(chunks);
  };
  const errorOf = (bytes: Buffer) => sqlState({ code: 'E', body: bytes.subarray(5) });

  it('refuses garbage, oversized and half startup packets, and serves the others on', async () => {
    const worker = await startWorker(
      testConfig(addressOf(inject('pg18')), {
        limits: { connectionsMax: 10, startupTimeoutMs: 300, originConnectTimeoutMs: 2000, idleTimeoutMs: 0 },
      }),
    );
    const other = new pg.Client({ connectionString: worker.url(inject('pg18')) });
    await other.connect();
    expect(errorOf(await bytesOf(worker.port, Buffer.from('GET / HTTP/1.0\r\n\r\n')))).toBe('08P01');
    expect(errorOf(await bytesOf(worker.port, Buffer.from([0, 0, 0x27, 0x11, 0, 3, 0, 0])))).toBe('08P01');
    expect(errorOf(await bytesOf(worker.port, Buffer.from([0, 0, 0, 4])))).toBe('08P01');
    expect(errorOf(await bytesOf(worker.port, Buffer.from([0, 0, 0, 9, 0, 9, 0, 0, 0])))).toBe('0A000');
    expect(errorOf(await bytesOf(worker.port, Buffer.from([0, 0, 0, 40, 0, 3])))).toBe('08P01');
    const refused = await bytesOf(worker.port, serialize.requestSsl(), 'end');
    expect(refused.toString()).toBe('N');
    expect(worker.count('originConnections')).toBe(1);
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await other.end();
    await worker.stop();
  });

  it('ends a session that sends what is no message, with 08P01', async () => {
    const worker = await startWorker(testConfig(addressOf(inject('pg18'))));
    const client = await connectRaw(worker.url(inject('pg18')));
    client.send(Buffer.from('!!!!!!!!'));
    const frames = await client.rest();
    expect(sqlState(frames[0])).toBe('08P01');
    await waitFor('the origin connection to be closed', () => worker.count('originConnections') === 0);
    await worker.stop();
  });

  it('says which origin it could not reach', async () => {
    const port = await freePort();
    const worker = await startWorker(testConfig({ host: '127.0.0.1', port }));
    const client = new pg.Client({ connectionString: worker.url(inject('pg18')) });
    const error = await client.connect().then(
      () => null,
      (reason: pg.DatabaseError) => reason,
    );
    expect(error?.code).toBe('08006');
    expect(error?.message).toContain(`127.0.0.1:${port}`);
    await worker.stop();
  });

  it('drains: idle sessions at once, busy ones after their statement', async () => {
    const worker = await startWorker(testConfig(addressOf(inject('pg18'))));
    const idle = await connectRaw(worker.url(inject('pg18')));
    const busy = await connectRaw(worker.url(inject('pg18')));
    busy.send(serialize.query('SELECT pg_sleep(0.3)'));
    await waitFor('the statement to run', () => worker.count('statements') === 1);
    const drained = worker.runtime.drain(10_000);
    expect(sqlState((await idle.rest())[0])).toBe('57P01');
    const frames = await busy.rest();
    expect(codes(frames)).toBe('TDCZE');
    expect(sqlState(frames.at(-1))).toBe('57P01');
    await drained;
    expect(worker.count('sessionsOpen')).toBe(0);
    await worker.stop();
  });
});
