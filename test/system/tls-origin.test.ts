/** Encryption towards the origin: libpq's table of sslmode, for sessions and for pgfresh's own connections alike. */
import { once } from 'node:events';
import net from 'node:net';
import pg from 'pg';
import { serialize } from 'pg-protocol';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type Authority,
  type Certificate,
  createAuthority,
  keyFolder,
  passwordOf,
  startTlsCluster,
} from '../support/certificates.ts';
import { spawnCli, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, createDatabase, freePort } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { startWorker, type TestWorker, testConfig } from '../support/worker.ts';

const folder = keyFolder();
let authority: Authority;
let other: Authority;
let certificate: Certificate;
let origin: Cluster;
let plainUrl: string;
let database: Awaited<ReturnType<typeof createDatabase>>;
const workers: TestWorker[] = [];

beforeAll(async () => {
  authority = createAuthority(folder, 'authority');
  other = createAuthority(folder, 'other');
  // Good for the name, not for the address: verify-full can tell them apart.
  certificate = authority.issue('localhost', { names: 'DNS:localhost' });
  origin = await startTlsCluster(18, certificate, authority);
  database = await createDatabase(inject('pg15'));
  plainUrl = database.url;
});

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
});

afterAll(async () => {
  await origin.stop();
  await database.drop();
});

type Mode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

interface Route {
  readonly sslmode: Mode;
  readonly host?: string;
  readonly port?: number;
  readonly root?: string;
}

async function workerTo({ sslmode, host = 'localhost', port = origin.port, root }: Route): Promise<TestWorker> {
  const { upstream } = testConfig({ host, port });
  const target = { ...upstream, sslmode, ...(root === undefined ? {} : { sslrootcert: root }) };
  const worker = await startWorker(testConfig({ host, port }, { upstream: target, cdcUpstream: target }));
  workers.push(worker);
  return worker;
}

/** Whether a session of this role is encrypted on its way to the origin, or why there is none. */
async function sessionThrough(worker: TestWorker, role = 'postgres', password = 'secret'): Promise<boolean | string> {
  const client = new pg.Client({ host: '127.0.0.1', port: worker.port, user: role, password, database: 'postgres' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    return rows[0]!.ssl;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe('a session', () => {
  it.each([
    ['disable', false],
    ['allow', false],
    ['prefer', true],
    ['require', true],
  ] as const)('with sslmode=%s to an origin that offers TLS: encrypted %s', async (sslmode, encrypted) => {
    expect(await sessionThrough(await workerTo({ sslmode, host: '127.0.0.1' }))).toBe(encrypted);
  });

  it('checks authority and name as far as sslmode says', async () => {
    const to = async (sslmode: Mode, host: string, root?: string) =>
      sessionThrough(await workerTo({ sslmode, host, ...(root === undefined ? {} : { root }) }));
    expect(await to('verify-full', 'localhost', authority.cert)).toBe(true);
    expect(await to('verify-full', '127.0.0.1', authority.cert)).toMatch(
      /could not connect to the origin.*127\.0\.0\.1/,
    );
    expect(await to('verify-ca', '127.0.0.1', authority.cert)).toBe(true);
    for (const mode of ['verify-ca', 'verify-full', 'require'] as const) {
      expect(await to(mode, 'localhost', other.cert)).toMatch(/could not connect to the origin.*(certificate|issuer)/);
    }
    expect(await to('verify-full', 'localhost')).toMatch(/certificate/);
  });

  it('to an origin without TLS is served in the clear only where that is allowed', async () => {
    const { hostname: host, port } = new URL(plainUrl);
    const to = async (sslmode: Mode) => sessionThrough(await workerTo({ sslmode, host, port: Number(port) }));
    for (const mode of ['disable', 'allow', 'prefer'] as const) expect(await to(mode)).toBe(false);
    for (const mode of ['require', 'verify-ca', 'verify-full'] as const) {
      expect(await to(mode)).toContain(`the server does not support TLS, and sslmode=${mode} insists on it`);
    }
  });

  it('tries the other way when pg_hba.conf wants it so', async () => {
    const as = async (sslmode: Mode, role: string) =>
      sessionThrough(await workerTo({ sslmode }), role, passwordOf(role));
    expect(await as('allow', 'encrypted_only')).toBe(true);
    expect(await as('prefer', 'clear_only')).toBe(false);
    expect(await as('disable', 'encrypted_only')).toMatch(/pg_hba.conf rejects connection.*no encryption/);
    expect(await as('require', 'clear_only')).toMatch(/pg_hba.conf rejects connection.*SSL encryption/);
  });

  it('is cancelled over an encrypted connection, and carries large answers and parameters', async () => {
    const worker = await workerTo({ sslmode: 'verify-full', root: authority.cert });
    const client = new pg.Client({
      host: '127.0.0.1',
      port: worker.port,
      user: 'postgres',
      password: 'secret',
      database: 'postgres',
    });
    await client.connect();
    const { rows } = await client.query("SELECT repeat('x', 1000000) AS text FROM generate_series(1, 30)");
    expect(rows.every(({ text }) => text.length === 1_000_000)).toBe(true);
    const large = 'y'.repeat(5_000_000);
    expect((await client.query('SELECT length($1) AS n', [large])).rows).toEqual([{ n: 5_000_000 }]);
    const sleeping = client.query('SELECT pg_sleep(60)').catch((error: { code: string }) => error.code);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const cancel = net.connect(worker.port, '127.0.0.1');
    cancel.end(serialize.cancel(processID, secretKey));
    await once(cancel.resume(), 'close');
    // A cancel that comes before the statement is lost, as with PostgreSQL; here the statement was sent first.
    await waitFor('the cancel to count', async () => {
      const again = net.connect(worker.port, '127.0.0.1');
      again.end(serialize.cancel(processID, secretKey));
      await once(again.resume(), 'close');
      return (await Promise.race([sleeping, new Promise((resolve) => setTimeout(resolve, 50, null))])) === '57014';
    });
    await client.end();
  });

  it('may be a replication connection', async () => {
    const worker = await workerTo({ sslmode: 'require' });
    const client = new pg.Client({
      ...{ host: '127.0.0.1', port: worker.port, user: 'postgres', password: 'secret', database: 'postgres' },
      replication: 'database',
    } as pg.ClientConfig);
    await client.connect();
    const { rows } = await client.query('IDENTIFY_SYSTEM');
    expect(rows[0]).toMatchObject({ dbname: 'postgres' });
    await client.end();
  });
});

describe('an origin that is not to be trusted', () => {
  let server: net.Server;
  let answer: (request: Buffer, socket: net.Socket) => void;
  beforeAll(async () => {
    server = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => answer(chunk, socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());
  const through = async (sslmode: Mode) =>
    sessionThrough(await workerTo({ sslmode, host: '127.0.0.1', port: (server.address() as net.AddressInfo).port }));

  it('cannot slip bytes in before TLS begins (CVE-2021-23222)', async () => {
    answer = (_request, socket) => socket.write(Buffer.concat([Buffer.from('S'), serializeAuth(0)]));
    for (const mode of ['prefer', 'require'] as const)
      expect(await through(mode)).toContain('received unencrypted data');
  });

  it('may answer nonsense, or close', async () => {
    answer = (_request, socket) => socket.write('?');
    expect(await through('require')).toContain('no valid answer to the request for TLS');
    answer = (_request, socket) => socket.destroy();
    expect(await through('require')).toContain('could not connect to the origin');
  });

  it('may fail the handshake: prefer goes on in the clear, require does not', async () => {
    answer = (request, socket) => {
      if (request.length === 8) socket.write('S');
      else if (request[0] === 0x16) socket.end('this is no TLS');
      else socket.write(serializeError('28P01', 'it was in the clear'));
    };
    expect(await through('prefer')).toBe('it was in the clear');
    expect(await through('require')).toContain('could not connect to the origin');
  });

  it.each([
    ['GSSAPI', 7, ''],
    ['SSPI', 9, ''],
    ['OAUTHBEARER', 10, 'OAUTHBEARER\0\0'],
    ['Kerberos V5', 2, ''],
  ])('is refused %s, with a remedy', async (method, type, data) => {
    answer = (_request, socket) => socket.write(serializeAuth(type, data));
    expect(await through('disable')).toBe(`the origin asks for ${method} authentication, which pgfresh cannot relay`);
  });
});

function serializeAuth(type: number, data = ''): Buffer {
  const body = Buffer.alloc(9);
  body.write('R');
  body.writeInt32BE(8 + data.length, 1);
  body.writeInt32BE(type, 5);
  return Buffer.concat([body, Buffer.from(data)]);
}

function serializeError(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

describe('the whole', () => {
  it('runs with every connection of its own encrypted and verified, and hits', async () => {
    const url = new URL(origin.url);
    const upstream = `postgres://postgres:secret@localhost:${url.port}/postgres?sslmode=verify-full&sslrootcert=${authority.cert}`;
    const pgfresh = await startPgfresh({ upstream, workers: 1 });
    const client = new pg.Client({ connectionString: `postgres://postgres:secret@127.0.0.1:${pgfresh.port}/postgres` });
    await client.connect();
    await client.query(
      'CREATE TABLE IF NOT EXISTS item (id int PRIMARY KEY); INSERT INTO item VALUES (1) ON CONFLICT DO NOTHING',
    );
    await waitFor('a hit', async () => {
      const before = (await pgfresh.status()).cache.hits;
      await client.query('SELECT id FROM item WHERE id = 1');
      return (await pgfresh.status()).cache.hits > before;
    });
    const { rows } = await client.query<{ clear: string }>(
      "SELECT count(*) AS clear FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE NOT ssl AND application_name LIKE 'pgfresh%'",
    );
    expect(rows).toEqual([{ clear: '0' }]);
    await client.query('DROP TABLE item');
    await client.end();
    await pgfresh.stop();
  });

  it.each([
    [
      'a file that is not there',
      ['--upstream', 'postgres://u@h/d?sslmode=verify-full&sslrootcert=/nowhere'],
      'sslrootcert: cannot read /nowhere',
    ],
    ['a mode without certificate', ['--client-tls', 'require'], 'client_tls = require needs tls.cert'],
    [
      'a key that is none',
      ['--tls-cert', () => certificate.cert, '--tls-key', () => certificate.cert],
      'holds no private key',
    ],
    [
      "another certificate's key",
      ['--tls-cert', () => certificate.cert, '--tls-key', () => other.key],
      'is not the key of the certificate',
    ],
    [
      'a mode that needs an authority',
      ['--tls-cert', () => certificate.cert, '--tls-key', () => certificate.key, '--client-tls', 'verify'],
      'needs tls.ca',
    ],
  ] as const)('does not start with %s', async (_what, args, words) => {
    const given = args.map((each) => (typeof each === 'string' ? each : each()));
    const upstream = given.includes('--upstream') ? [] : ['--upstream', origin.url];
    const { lines, exited } = spawnCli([
      'serve',
      ...upstream,
      ...given,
      '--listen',
      `127.0.0.1:${await freePort()}`,
      '--admin',
      'off',
    ]);
    expect((await exited).code).toBe(2);
    expect(lines.filter((line) => line.startsWith('pgfresh: '))).toEqual([expect.stringContaining(words)]);
  });
});
