import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  keysOf,
  mockVerifier,
  parseVerifier,
  SCRAM,
  SCRAM_PLUS,
  ScramClient,
  ScramError,
  ScramServer,
  type ScramVerifier,
} from '../../src/worker/auth-scram.ts';
import { verifierInFile } from '../../src/worker/auth-verifiers.ts';

const salt = 'W22ZaJ0SNY7soEsUEjb6gQ==';

async function verifierOf(password: string, iterations = 4096): Promise<ScramVerifier> {
  const { clientKey, serverKey } = await keysOf(password, salt, iterations);
  return { iterations, salt, storedKey: createHash('sha256').update(clientKey).digest(), serverKey };
}

describe('SCRAM-SHA-256', () => {
  it('is the exchange of RFC 7677', async () => {
    const server = new ScramServer(await verifierOf('pencil'), null, '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0');
    const first = server.first(SCRAM, 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    expect(first).toBe('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
    const final =
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    expect(server.keys(final)).toEqual(await keysOf('pencil', salt, 4096));
    expect(server.final()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('brings client and server together, bound or not, and the server learns the key of the client', async () => {
    for (const endPoint of [null, randomBytes(32)]) {
      const server = new ScramServer(await verifierOf('geheim ü'), endPoint, 'server');
      const client = new ScramClient(endPoint, 'client');
      const first = server.first(client.mechanism, client.first());
      const challenge = client.challenge(first);
      const keys = await keysOf('geheim ü', challenge.salt, challenge.iterations);
      expect(server.keys(client.final(first, keys))).toEqual(keys);
      expect(client.isAuthentic(server.final())).toBe(true);
      expect(client.isAuthentic('v=AAAA')).toBe(false);
      expect(client.isAuthentic('e=other-error')).toBe(false);
    }
  });

  it('does not take a wrong password, another channel, another nonce', async () => {
    const verifier = await verifierOf('right');
    const run = async (
      password: string,
      serverEnd: Buffer | null,
      clientEnd: Buffer | null,
      spoil = (s: string) => s,
    ) => {
      const server = new ScramServer(verifier, serverEnd, 'server');
      const client = new ScramClient(clientEnd, 'client');
      const first = server.first(client.mechanism, client.first());
      return server.keys(spoil(client.final(first, await keysOf(password, salt, 4096))));
    };
    expect(await run('right', null, null)).not.toBeNull();
    expect(await run('wrong', null, null)).toBeNull();
    await expect(run('right', randomBytes(32), randomBytes(32))).rejects.toThrow('channel binding check failed');
    await expect(run('right', null, null, (s) => s.replace('r=client', 'r=clienT'))).rejects.toThrow('nonce');
    await expect(run('right', null, null, (s) => s.replace(/p=.*/, 'p=AAAA'))).rejects.toThrow('malformed proof');
  });

  it('notices an offer of channel binding that was taken away', async () => {
    const verifier = await verifierOf('x', 1);
    expect(() => new ScramServer(verifier, randomBytes(32), 's').first(SCRAM, 'y,,n=,r=c')).toThrow(
      'negotiation error',
    );
    expect(() => new ScramServer(verifier, null, 's').first(SCRAM, 'y,,n=,r=c')).not.toThrow();
    expect(() => new ScramServer(verifier, null, 's').first(SCRAM_PLUS, 'p=tls-server-end-point,,n=,r=c')).toThrow(
      ScramError,
    );
    expect(() =>
      new ScramServer(verifier, randomBytes(32), 's').first(SCRAM, 'p=tls-server-end-point,,n=,r=c'),
    ).toThrow(ScramError);
    expect(() => new ScramServer(verifier, randomBytes(32), 's').first(SCRAM_PLUS, 'p=tls-unique,,n=,r=c')).toThrow(
      'tls-unique',
    );
  });

  it('fails in one way on any nonsense', async () => {
    const verifier = await verifierOf('x', 1);
    const onlyScramError = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        expect(error).toBeInstanceOf(ScramError);
      }
    };
    const nonsense = fc.oneof(fc.string(), fc.stringMatching(/^[nyp=,rcs0-9A-Za-z+/]{0,40}$/));
    fc.assert(
      fc.property(nonsense, nonsense, (a, b) => {
        const server = new ScramServer(verifier, null, 's');
        onlyScramError(() => server.first(SCRAM, a));
        onlyScramError(() => server.keys(b));
        onlyScramError(() => new ScramClient(null, 'c').challenge(a));
      }),
      { numRuns: 2_000, verbose: 1 },
    );
  });

  it('prepares passwords as PostgreSQL does', async () => {
    const same = async (a: string, b: string) => expect(await keysOf(a, salt, 1)).toEqual(await keysOf(b, salt, 1));
    await same('I\u00adX', 'IX');
    await same('\u2168', 'IX');
    await same('a\u00a0b', 'a b');
  });
});

describe('verifiers', () => {
  it('are read as PostgreSQL stores them, and nothing else is', () => {
    const stored = Buffer.alloc(32, 1).toString('base64');
    const server = Buffer.alloc(32, 2).toString('base64');
    expect(parseVerifier(`SCRAM-SHA-256$4096:${salt}$${stored}:${server}`)).toEqual({
      ...{ iterations: 4096, salt, storedKey: Buffer.alloc(32, 1), serverKey: Buffer.alloc(32, 2) },
    });
    for (const text of ['', 'md5abc', 'secret', `SCRAM-SHA-256$0:x$AA==:AA==`]) expect(parseVerifier(text)).toBeNull();
  });

  it('come from a file of quoted pairs', () => {
    const text = `SCRAM-SHA-256$4096:${salt}$${Buffer.alloc(32, 1).toString('base64')}:${Buffer.alloc(32, 2).toString('base64')}`;
    const content = `; comment\n"other" "md5x"\n"an ""odd"" one" "${text}"\n`;
    expect(verifierInFile(content, 'an "odd" one')).toEqual(parseVerifier(text));
    expect(verifierInFile(content, 'other')).toBeNull();
    expect(verifierInFile(content, 'nobody')).toBeNull();
  });

  it('are made up for roles that have none, the same each time', () => {
    const secret = randomBytes(32);
    expect(mockVerifier(secret, 'a')).toEqual(mockVerifier(secret, 'a'));
    expect(mockVerifier(secret, 'a').salt).not.toBe(mockVerifier(secret, 'b').salt);
  });
});
