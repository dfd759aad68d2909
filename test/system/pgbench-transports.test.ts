/** pgbench over the Unix socket and over TLS, in each form of the protocol, with one connection for all and with one each: no error, and reads hit. */
import { describe, expect, it } from 'vitest';
import { createAuthority, keyFolder } from '../support/certificates.ts';
import { useProxy } from '../support/fixture.ts';
import { accountsSql, pgbench } from '../support/pgbench.ts';

const keys = 50;
const { cert, key } = createAuthority(keyFolder(), 'pgbench').issue('localhost');
const proxy = useProxy(accountsSql(keys), { unix: true, args: ['--tls-cert', cert, '--tls-key', key] });

const transports = {
  TLS: () => `${proxy.url}?sslmode=require`,
  'the Unix socket': () => {
    const { unixDirectory, port } = proxy.pgfresh;
    return `postgres://postgres:secret@/${proxy.database}?host=${encodeURIComponent(unixDirectory)}&port=${port}`;
  },
};

describe.each(['TLS', 'the Unix socket'] as const)('over %s', (transport) => {
  it.each([
    ['simple', 50, []],
    ['extended', 50, []],
    ['prepared', 50, []],
    ['simple', 15, ['--connect']],
  ])('-M %s, %i transactions a client %j', async (mode, count, more) => {
    const args = ['-S', '-n', '-M', mode, '-c', '4', '-D', `scale=${keys / 100_000}`, ...more];
    const url = transports[transport]();
    await pgbench(url, [...args, '-t', String(count)]);
    const before = await proxy.hits();
    const { transactions, failed } = await pgbench(url, [...args, '-t', String(count)]);
    expect({ transactions, failed }).toEqual({ transactions: 4 * count, failed: 0 });
    expect(await proxy.hits()).toBeGreaterThan(before);
  });
});
