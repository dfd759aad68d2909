/** Encryption towards clients: who gets it, who must have it, what goes wrong, and that everything else is as without. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import pg from 'pg';
import { serialize } from 'pg-protocol';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Authority, type Certificate, createAuthority, keyFolder } from '../support/certificates.ts';
import { type Pgfresh, type PgfreshOptions, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { pgScript, psqlSession, shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

const folder = keyFolder();
let authority: Authority;
let certificate: Certificate;
let database: Awaited<ReturnType<typeof createDatabase>>;
const running: Pgfresh[] = [];

beforeAll(async () => {
  authority = createAuthority(folder, 'authority');
  certificate = authority.issue('localhost');
  database = await createDatabase(inject('pg18'), shopSql);
});

afterAll(async () => {
  for (const pgfresh of running) await pgfresh.stop();
  await database.drop();
});

async function start(
  mode: string | null,
  options: Partial<PgfreshOptions> = {},
  shown = certificate,
): Promise<Pgfresh> {
  const files = ['--tls-cert', shown.cert, '--tls-key', shown.key, '--tls-ca', authority.cert];
  const args = [...files, ...(mode === null ? [] : ['--client-tls', mode]), ...(options.args ?? [])];
  const pgfresh = await startPgfresh({ upstream: database.url, workers: 1, ...options, args });
  running.push(pgfresh);
  return pgfresh;
}

const urlOf = ({ url }: Pgfresh, sslmode: string, more = ''): string =>
  `${url}?sslmode=${sslmode}&sslrootcert=${authority.cert}${more}`;

/** psql's answer or its complaint; `\conninfo` tells whether it was encrypted. */
async function psql(url: string): Promise<string> {
  const child = spawn('psql', ['-X', '-w', '-d', url, '-Atc', '\\conninfo'], { env: { ...process.env, LC_ALL: 'C' } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return output.trim();
}

/** Everything a peer says to these bytes until it closes. */
async function converse(port: number, ...packets: readonly Buffer[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => void chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(Buffer.concat(packets));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

async function handshake(port: number, direct: boolean, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const raw = net.connect(port, '127.0.0.1');
  await once(raw, 'connect');
  if (!direct) {
    raw.write(SSL_REQUEST);
    const [answer] = (await once(raw, 'data')) as [Buffer];
    expect(answer.toString()).toBe('S');
  }
  const socket = tls.connect({ socket: raw, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** Lines of the log that name a client that was turned away. */
const turnedAway = ({ lines }: Pgfresh): string[] => lines.filter((line) => line.includes('client turned away'));

describe('client_tls', () => {
  it('disable: no client is offered TLS', async () => {
    const pgfresh = await start('disable');
    expect(await psql(urlOf(pgfresh, 'prefer'))).not.toContain('SSL connection');
    expect(await psql(urlOf(pgfresh, 'require'))).toContain('server does not support SSL');
  });

  it('allow, the default with a certificate: both', async () => {
    const pgfresh = await start(null);
    expect(await psql(urlOf(pgfresh, 'disable'))).not.toContain('SSL connection');
    for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full']) {
      expect(await psql(urlOf(pgfresh, mode))).toMatch(/SSL connection \(protocol: TLSv1\.3/);
    }
    expect(await psql(urlOf(pgfresh, 'verify-full').replace(authority.cert, certificate.cert))).toContain('SSL error');
    await waitFor('the line of the log', () => turnedAway(pgfresh).length === 1);
    expect(turnedAway(pgfresh)[0]).toMatch(/TLS handshake failed: [\w ]*(alert|unknown ca)/);
  });

  it('require: nobody logs in in the clear, but on the Unix socket, and cancels pass', async () => {
    const pgfresh = await start('require', { unix: true });
    const refused = await psql(urlOf(pgfresh, 'disable'));
    expect(refused).toContain('FATAL:  pgfresh accepts only encrypted connections');
    expect(refused).toContain('HINT:  Connect with sslmode=require');
    expect(await psql(urlOf(pgfresh, 'prefer'))).toContain('SSL connection');
    const { username, password } = new URL(pgfresh.url);
    const local = `postgres://${username}:${password}@/${database.name}?host=${pgfresh.unixDirectory}&port=${pgfresh.port}`;
    expect(await psql(local)).toContain('via socket');
    const client = new pg.Client({ connectionString: pgfresh.url, ssl: { rejectUnauthorized: false } });
    await client.connect();
    const sleeping = client.query('SELECT pg_sleep(60)').catch((error: { code: string }) => error.code);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    await waitFor('the statement to run', async () => {
      const watcher = new pg.Client({ connectionString: database.url });
      await watcher.connect();
      const { rowCount } = await watcher.query(
        "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'",
      );
      await watcher.end();
      return rowCount === 1;
    });
    expect(await converse(pgfresh.port, serialize.cancel(processID, secretKey))).toBe('');
    expect(await sleeping).toBe('57014');
    await client.end();
  });

  it('verify: a certificate of our authority is the ticket', async () => {
    const pgfresh = await start('verify');
    const other = createAuthority(folder, 'other');
    const withOwn = ({ cert, key }: Certificate) =>
      psql(urlOf(pgfresh, 'verify-full', `&sslcert=${cert}&sslkey=${key}`));
    expect(await withOwn(authority.issue('alice'))).toContain('SSL connection');
    expect(await withOwn(other.issue('alice'))).toContain(
      'FATAL:  the client certificate was refused: its authority is not',
    );
    expect(await withOwn(authority.issue('alice', { days: -1 }))).toContain(
      'FATAL:  the client certificate was refused: it has expired',
    );
    expect(await psql(urlOf(pgfresh, 'require', '&sslcert=/nowhere'))).toContain(
      'FATAL:  connection requires a valid client certificate',
    );
    expect(await psql(urlOf(pgfresh, 'disable'))).toContain('only encrypted connections');
    await waitFor('the lines of the log', () => turnedAway(pgfresh).length === 4);
  });
});

describe('what goes wrong before a login', () => {
  let pgfresh: Pgfresh;
  beforeAll(async () => {
    pgfresh = await start('require');
  });

  it('bytes in the clear behind an SSLRequest end the connection (CVE-2021-23222)', async () => {
    const startup = serialize.startup({ user: 'mallory', database: 'postgres' });
    for (const extra of [startup, Buffer.from('x')]) {
      const words = await converse(pgfresh.port, SSL_REQUEST, extra);
      expect(words).toMatch(/^E.*08P01.*received unencrypted data after SSL request/s);
    }
  });

  it('bytes in the clear after our answer are no login either', async () => {
    const socket = net.connect(pgfresh.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(SSL_REQUEST);
    expect(String((await once(socket, 'data'))[0])).toBe('S');
    const before = turnedAway(pgfresh).length;
    socket.write(serialize.startup({ user: 'postgres', database: 'postgres' }));
    await once(socket, 'close');
    await waitFor('the line of the log', () => turnedAway(pgfresh).length > before);
    expect(turnedAway(pgfresh).at(-1)).toContain('TLS handshake failed: wrong version number');
  });

  it('a protocol other than postgresql is refused in the handshake', async () => {
    await expect(handshake(pgfresh.port, false, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow(
      /no application protocol/,
    );
    await waitFor(
      'the line of the log',
      () => turnedAway(pgfresh).at(-1)?.includes('no application protocol') === true,
    );
  });

  it('TLS 1.1 is refused', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(handshake(pgfresh.port, false, old)).rejects.toThrow();
    await waitFor('the line of the log', () => /unsupported protocol/.test(turnedAway(pgfresh).at(-1) ?? ''));
  });

  it('TLS 1.2 is served', async () => {
    const socket = await handshake(pgfresh.port, false, { maxVersion: 'TLSv1.2' });
    expect(socket.getProtocol()).toBe('TLSv1.2');
    socket.destroy();
  });

  it('direct TLS is served with ALPN, and only with it', async () => {
    const startup = serialize.startup({ user: 'nobody', database: 'postgres' });
    const served = await handshake(pgfresh.port, true, { ALPNProtocols: ['postgresql'] });
    expect(served.alpnProtocol).toBe('postgresql');
    served.write(startup);
    expect(String((await once(served, 'data'))[0]).charAt(0)).toBe('R');
    served.destroy();
    const refused = await handshake(pgfresh.port, true, {});
    expect(String((await once(refused, 'data'))[0])).toMatch(/08P01.*without ALPN/s);
    refused.destroy();
  });

  it('an SSLRequest inside TLS is a protocol violation', async () => {
    const socket = await handshake(pgfresh.port, false, {});
    socket.write(SSL_REQUEST);
    expect(String((await once(socket, 'data'))[0])).toMatch(/08P01/);
    socket.destroy();
  });

  it('a handshake that arrives byte by byte, or stops half-way, harms nobody', async () => {
    const stuck = net.connect(pgfresh.port, '127.0.0.1');
    stuck.on('error', () => undefined);
    stuck.write(SSL_REQUEST);
    await once(stuck, 'data');
    stuck.write(Buffer.from([0x16, 3, 1]));
    const slow = net.connect({ port: pgfresh.port, host: '127.0.0.1', noDelay: true });
    for (const byte of SSL_REQUEST) await new Promise((done) => slow.write(Buffer.from([byte]), done));
    expect(String((await once(slow, 'data'))[0])).toBe('S');
    expect(await psql(urlOf(pgfresh, 'require'))).toContain('SSL connection');
    stuck.destroy();
    slow.destroy();
  });

  it('none of it left a stack trace, and the process serves on', async () => {
    expect(
      pgfresh.lines.filter((line) => /\bat .*\(?[\w/.:-]+:\d+:\d+/.test(line) || line.includes('"stack"')),
    ).toEqual([]);
    expect(await psql(urlOf(pgfresh, 'verify-full'))).toContain('SSL connection');
  });
});

describe('an encrypted session', () => {
  it.each([
    ['handed over to the worker', {}],
    ['whose bytes main relays', { env: { PGFRESH_FAULTS: 'relay' } }],
  ])('%s gets what it would get directly, cold and warm, and hits', async (_how, options) => {
    const pgfresh = await start(null, options);
    // What \d prints of publications is the only trace of pgfresh, and that of every proxy of this file.
    const session = async (url: string) =>
      (await psqlSession(url)).filter((line) => !/Publications:|"pgfresh_/.test(line));
    const direct = [await pgScript(database.url), await session(database.url)];
    const url = `${pgfresh.url}?sslmode=no-verify`;
    for (let pass = 0; pass < 3; pass++) {
      expect(await pgScript(url)).toEqual(direct[0]);
      expect(await session(urlOf(pgfresh, 'require'))).toEqual(direct[1]);
    }
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await waitFor('a hit', async () => {
      const before = (await pgfresh.status()).cache.hits;
      const { rows } = await client.query('SELECT id FROM shop WHERE id = $1', [3]);
      expect(rows).toEqual([{ id: 3 }]);
      return (await pgfresh.status()).cache.hits > before;
    });
    await client.end();
  });

  it('holds the origin back while its client does not read, and then gets all of it', async () => {
    const pgfresh = await start(null);
    const client = new pg.Client({ connectionString: `${pgfresh.url}?sslmode=no-verify` });
    await client.connect();
    const { stream } = client.connection as unknown as { stream: tls.TLSSocket };
    // What the worker has taken from the origin for clients: memory as a whole says too little about one session.
    const takenBytes = async () =>
      Number(/^pgfresh_client_bytes_total\{direction="out"\} (\d+)/m.exec(await pgfresh.metrics())?.[1]);
    const before = await takenBytes();
    const megabytes = 200;
    const answer = client.query({
      text: `SELECT repeat('x', 1024 * 1024) FROM generate_series(1, ${megabytes})`,
      rowMode: 'array',
    });
    stream.pause();
    // The origin is waiting for its client to read: nothing moves any more.
    await waitFor('the origin to be held back', async () => {
      const watcher = new pg.Client({ connectionString: database.url });
      await watcher.connect();
      const { rowCount } = await watcher.query(
        "SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE 'SELECT repeat%'",
      );
      await watcher.end();
      return rowCount === 1;
    });
    // All that may be under way: the worker's queue, and what the system holds for two sockets.
    expect((await takenBytes()) - before).toBeLessThan(40 * 2 ** 20);
    stream.resume();
    const { rows } = await answer;
    expect(rows).toHaveLength(megabytes);
    expect(rows.every(([text]) => (text as string).length === 1024 * 1024)).toBe(true);
    await client.end();
  });

  it('sends large parameters and pipelines unharmed', async () => {
    const pgfresh = await start(null);
    const clients = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const client = new pg.Client({ connectionString: `${pgfresh.url}?sslmode=no-verify` });
        await client.connect();
        return client;
      }),
    );
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = 0; i < 40; i++) {
          const text = `${n}:${i}:`.repeat(1 + ((i * 977) % 9_000));
          const results = await Promise.all([
            client.query('SELECT $1::text AS text', [text]),
            client.query('SELECT id FROM shop WHERE id = $1', [1 + (i % 5)]),
          ]);
          expect(results[0].rows[0].text === text).toBe(true);
          expect(results[1].rows).toEqual([{ id: 1 + (i % 5) }]);
        }
      }),
    );
    await Promise.all(clients.map((client) => client.end()));
  });
});

describe('certificates', () => {
  it('are read again on SIGHUP: new connections get the new one, old ones go on, bad files change nothing', async () => {
    const shown = { cert: path.join(folder, 'shown.crt'), key: path.join(folder, 'shown.key') };
    const install = ({ cert, key }: Certificate) => {
      copyFileSync(cert, shown.cert);
      copyFileSync(key, shown.key);
    };
    install(authority.issue('first'));
    const pgfresh = await start(null, { workers: 2 }, shown);
    const nameShown = async () => {
      const socket = await handshake(pgfresh.port, false, {});
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return CN;
    };
    const client = new pg.Client({ connectionString: `${pgfresh.url}?sslmode=no-verify` });
    await client.connect();
    expect([await nameShown(), await nameShown()]).toEqual(['first', 'first']);
    install(authority.issue('second'));
    process.kill(pgfresh.pid, 'SIGHUP');
    await waitFor('the new certificate', () => pgfresh.lines.some((line) => line.includes('were read again')));
    expect([await nameShown(), await nameShown()]).toEqual(['second', 'second']);
    copyFileSync(certificate.key, shown.key);
    process.kill(pgfresh.pid, 'SIGHUP');
    await waitFor('the complaint', () =>
      pgfresh.lines.some((line) => line.includes('is not the key of the certificate')),
    );
    expect([await nameShown(), await nameShown()]).toEqual(['second', 'second']);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  it('that have expired are warned of at the start', async () => {
    const pgfresh = await start(null, {}, authority.issue('old', { days: -1 }));
    expect(pgfresh.lines.filter((line) => line.includes('has expired'))).toHaveLength(1);
    expect(await psql(urlOf(pgfresh, 'verify-ca'))).toContain('certificate verify failed');
  });
});

describe('listeners', () => {
  it('serve IPv6 as they serve IPv4, and the Unix socket has the mode it was given', async () => {
    const pgfresh = await start(null, { unix: true, args: ['--listen', '[::1]:0', '--listen-unix-mode', '0700'] });
    const accepting = pgfresh.lines.find((line) => line.includes('"accepting"'));
    const { addresses, unixPath } = JSON.parse(accepting!) as {
      addresses: { host: string; port: number }[];
      unixPath: string;
    };
    expect(addresses.map(({ host }) => host)).toEqual(['127.0.0.1', '::1']);
    const url = new URL(urlOf(pgfresh, 'verify-full'));
    url.host = `[::1]:${addresses[1]!.port}`;
    expect(await psql(url.href)).toMatch(/"::1".*[\s\S]*SSL connection/);
    expect(statSync(unixPath).mode & 0o777).toBe(0o700);
  });
});
