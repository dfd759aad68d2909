/** Who gets in, and what who does not is told: each kind of role, from clear and encrypted clients, to either kind of origin. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Authority,
  type Certificate,
  createAuthority,
  keyFolder,
  passwordOf,
  roles,
  startTlsCluster,
} from '../support/certificates.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, run } from '../support/postgres.ts';

let authority: Authority;
let certificate: Certificate;
const folder = keyFolder();
let origin: Cluster;
const proxies = new Map<string, Promise<Pgfresh>>();

const verifierQuery = 'SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1';

beforeAll(async () => {
  authority = createAuthority(folder, 'authority');
  certificate = authority.issue('localhost');
  origin = await startTlsCluster(15, certificate, authority);
});

afterAll(async () => {
  for (const pgfresh of proxies.values()) await (await pgfresh).stop();
  await origin.stop();
});

/** A proxy with these arguments in front of the origin; the same one for the same arguments. */
function proxy(sslmode: string, ...args: readonly string[]): Promise<Pgfresh> {
  const key = [sslmode, ...args].join(' ');
  const known = proxies.get(key);
  if (known !== undefined) return known;
  const tls = ['--tls-cert', certificate.cert, '--tls-key', certificate.key];
  const upstream = `${origin.url}?sslmode=${sslmode}&sslrootcert=${authority.cert}`;
  const started = startPgfresh({ upstream, workers: 1, args: [...tls, ...args], waitUntil: 'accepting' });
  proxies.set(key, started);
  return started;
}

interface Login {
  readonly port: number;
  readonly role: string;
  readonly password?: string;
  readonly sslmode: string;
  readonly channelBinding?: string;
}

/** What libpq makes of it: the role it is, or the words of the refusal. */
async function psql({ port, role, password = passwordOf(role), sslmode, channelBinding }: Login): Promise<string> {
  const binding = channelBinding === undefined ? '' : ` channel_binding=${channelBinding}`;
  const target = `host=127.0.0.1 port=${port} user=${role} dbname=postgres sslmode=${sslmode} sslrootcert=${authority.cert}${binding}`;
  const env = { ...process.env, PGPASSWORD: password, LC_ALL: 'C' };
  const child = spawn('psql', ['-X', '-w', '-d', target, '-Atc', 'SELECT current_user'], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  // Which port it was makes no difference between two servers.
  const [answer = '', ...rest] = output.trim().split('\n');
  // With sslmode=prefer libpq comes again in the clear when it was refused, and reports both refusals.
  return [answer, ...rest.filter((line) => !line.startsWith('connection to server'))]
    .join('\n')
    .replace(/^psql: error: connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed: /, '')
    .replace(/, port \d+/g, '');
}

async function nodePostgres(login: Login, enableChannelBinding: boolean): Promise<string> {
  const { port, role, password = passwordOf(role), sslmode } = login;
  const client = new pg.Client({
    ...{ host: 'localhost', port, user: role, password, database: 'postgres', enableChannelBinding },
    ssl: sslmode === 'disable' ? false : { rejectUnauthorized: false },
  });
  try {
    await client.connect();
    const { rows } = await client.query<{ current_user: string }>('SELECT current_user');
    return rows[0]!.current_user;
  } catch (error) {
    return String((error as Error).message);
  } finally {
    await client.end().catch(() => undefined);
  }
}

const served = roles.filter((role) => role !== 'certified');
const clientModes = ['disable', 'prefer', 'require', 'verify-full'] as const;

describe.each(['disable', 'require', 'verify-full'] as const)('an origin reached with sslmode=%s', (originMode) => {
  // What the origin's pg_hba.conf says of a role depends on how it is reached, whoever reaches it.
  const direct = (role: string) =>
    psql({ port: origin.port, role, sslmode: originMode === 'disable' ? 'disable' : 'require' });

  it.each(served)('answers psql of role %s as direct, however the client comes', async (role) => {
    const { port } = await proxy(originMode);
    const expected = await direct(role);
    for (const sslmode of clientModes)
      expect({ sslmode, is: await psql({ port, role, sslmode }) }).toEqual({ sslmode, is: expected });
  });

  it.each(['scram', 'md5', 'cleartext'])('refuses a wrong password of role %s in its own words', async (role) => {
    const { port } = await proxy(originMode);
    const expected = `FATAL:  password authentication failed for user "${role}"`;
    for (const sslmode of ['disable', 'require']) {
      expect(await psql({ port, role, password: 'wrong', sslmode })).toBe(expected);
    }
  });

  it.each([true, false])('answers node-postgres with enableChannelBinding: %s', async (binding) => {
    const { port } = await proxy(originMode);
    for (const role of ['scram', 'md5', 'cleartext', 'trusted']) {
      for (const sslmode of ['disable', 'require']) {
        const is = await nodePostgres({ port, role, sslmode }, binding);
        // It claims that it could bind a channel that is not encrypted; nothing but a verifier helps (below).
        const claims = binding && role === 'scram' && sslmode === 'disable' && originMode !== 'disable';
        if (claims) expect(is).toContain('SCRAM with channel binding cannot be relayed');
        else expect({ sslmode, is }).toEqual({ sslmode, is: role });
      }
    }
    const wrong = { port, role: 'scram', password: 'wrong', sslmode: 'require' };
    expect(await nodePostgres(wrong, binding)).toMatch(/password authentication failed/);
  });
});

describe.each([
  ['a query', () => ['--auth-query', verifierQuery]],
  ['a file', () => ['--auth-file', path.join(folder, 'verifiers.txt')]],
] as const)('verifiers from %s', (_from, argumentsOf) => {
  beforeAll(async () => {
    const client = new pg.Client({ connectionString: origin.url });
    await client.connect();
    const { rows } = await client.query<{ rolname: string; rolpassword: string }>(
      'SELECT rolname, rolpassword FROM pg_authid',
    );
    await client.end();
    const lines = rows.map(({ rolname, rolpassword }) => `"${rolname}" "${rolpassword ?? ''}"`);
    writeFileSync(path.join(folder, 'verifiers.txt'), lines.join('\n'));
  });

  it.each(['disable', 'require'])(
    'bind libpq to the certificate it was shown (origin with sslmode=%s)',
    async (originMode) => {
      const { port } = await proxy(originMode, ...argumentsOf());
      for (const channelBinding of ['require', 'prefer', 'disable']) {
        expect(await psql({ port, role: 'scram', sslmode: 'require', channelBinding })).toBe('scram');
      }
      expect(await psql({ port, role: 'scram', sslmode: 'disable' })).toBe('scram');
      for (const binding of [true, false]) {
        expect(await nodePostgres({ port, role: 'scram', sslmode: 'require' }, binding)).toBe('scram');
      }
    },
  );

  it('leave it to the origin to refuse wrong passwords and unknown roles, and to ask for md5', async () => {
    const { port } = await proxy('require', ...argumentsOf());
    for (const [role, password] of [
      ['scram', 'wrong'],
      ['nobody', 'any'],
    ] as const) {
      const expected = await psql({ port: origin.port, role, password, sslmode: 'require' });
      expect(expected).toMatch(/password authentication failed/);
      expect(await psql({ port, role, password, sslmode: 'require' })).toBe(expected);
    }
    for (const role of ['md5', 'cleartext', 'trusted'])
      expect(await psql({ port, role, sslmode: 'require' })).toBe(role);
  });
});

it('a changed password counts at once, with a verifier too', async () => {
  const { port } = await proxy('require', '--auth-query', verifierQuery);
  await run(origin.url, "CREATE ROLE changing LOGIN PASSWORD 'one'");
  expect(await psql({ port, role: 'changing', password: 'one', sslmode: 'require' })).toBe('changing');
  await run(origin.url, "ALTER ROLE changing PASSWORD 'two'");
  expect(await psql({ port, role: 'changing', password: 'one', sslmode: 'require' })).toMatch(
    /password authentication failed/,
  );
  expect(await psql({ port, role: 'changing', password: 'two', sslmode: 'require' })).toBe('changing');
});

it('a verifier that cannot be looked up is refused and logged, and the next login may succeed', async () => {
  const pgfresh = await proxy(
    'require',
    '--auth-query',
    'SELECT 1 / (SELECT count(*) FROM pg_roles WHERE rolname = $1 AND false)',
  );
  const words = await psql({ port: pgfresh.port, role: 'scram', sslmode: 'require' });
  expect(words).toContain('FATAL:  pgfresh could not look up the verifier of role "scram"');
  expect(pgfresh.lines.join('\n')).toContain('division by zero');
  expect(await psql({ port: pgfresh.port, role: 'scram', sslmode: 'disable' })).toBe('scram');
});

it('without verifiers and without being asked for a password, a client that could bind is told what to do', async () => {
  const { port } = await proxy('require', '--auth-ask-password', 'false');
  const words = await psql({ port, role: 'scram', sslmode: 'require' });
  expect(words).toContain('FATAL:  SCRAM with channel binding cannot be relayed');
  expect(words).toContain('channel_binding=disable');
  expect(await psql({ port, role: 'scram', sslmode: 'require', channelBinding: 'disable' })).toBe('scram');
  expect(await psql({ port, role: 'scram', sslmode: 'disable' })).toBe('scram');
  expect(await nodePostgres({ port, role: 'scram', sslmode: 'require' }, false)).toBe('scram');
});

describe('certificates', () => {
  it('asked for by the origin cannot be passed on, and that is said', async () => {
    const { port } = await proxy('require');
    const words = await psql({ port, role: 'certified', sslmode: 'require' });
    expect(words).toMatch(/^FATAL: {2}connection requires a valid client certificate\nHINT: {2}.*docs\/tls\.md/);
  });

  it("let nobody in by pgfresh's own certificate, but those whose certificate pgfresh has checked", async () => {
    const own = authority.issue('pgfresh');
    const upstream = `${origin.url}?sslmode=verify-full&sslrootcert=${authority.cert}&sslcert=${own.cert}&sslkey=${own.key}`;
    const tls = ['--tls-cert', certificate.cert, '--tls-key', certificate.key, '--tls-ca', authority.cert];
    const started = [[], ['--client-tls', 'verify']].map((more) =>
      startPgfresh({ upstream, workers: 1, args: [...tls, ...more], waitUntil: 'accepting' }),
    );
    const [open, checking] = await Promise.all(started);
    expect(await psql({ port: open!.port, role: 'certified', sslmode: 'require' })).toContain(
      "pgfresh's own certificate",
    );
    expect(await psql({ port: open!.port, role: 'trusted', sslmode: 'disable' })).toContain(
      "pgfresh's own certificate",
    );
    expect(await psql({ port: open!.port, role: 'scram', sslmode: 'require' })).toBe('scram');
    const asCertified = async (name: string) => {
      const { cert, key } = authority.issue(name);
      return psql({ port: checking!.port, role: 'certified', sslmode: `require sslcert=${cert} sslkey=${key}` });
    };
    expect(await asCertified('certified')).toBe('certified');
    expect(await asCertified('somebody else')).toContain("pgfresh's own certificate");
    await Promise.all([open!.stop(), checking!.stop()]);
  });
});
