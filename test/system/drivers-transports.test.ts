/** node-postgres, postgres.js and psql over the Unix socket and over TLS: what they report is what they report directly, and reads hit. */
import { expect, it } from 'vitest';
import { createAuthority, keyFolder } from '../support/certificates.ts';
import { useProxy } from '../support/fixture.ts';
import { pgScript, postgresJsScript, psqlSession, shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

const { cert, key } = createAuthority(keyFolder(), 'transports').issue('localhost');
const proxy = useProxy(shopSql, { unix: true, args: ['--tls-cert', cert, '--tls-key', key] });

const encrypted = (parameters: string) => (): string => `${proxy.url}?${parameters}`;
const unix = (): string => {
  const { unixDirectory, port } = proxy.pgfresh;
  return `postgres://postgres:secret@/${proxy.database}?host=${encodeURIComponent(unixDirectory)}&port=${port}`;
};
const socketPath = (): string => `${proxy.pgfresh.unixDirectory}/.s.PGSQL.${proxy.pgfresh.port}`;
/** Its long script writes between its few reads. */
const readsOfPsql =
  'SELECT * FROM shop WHERE id = 3;\nSELECT count(*) FROM shop;\nSELECT name FROM shop WHERE id IN (4, 5);\n';
const postgresJsOverUnix = (url: string): Promise<string[]> =>
  postgresJsScript(url, url === proxy.originUrl ? undefined : socketPath());

it.each([
  ['node-postgres', 'TLS', pgScript, encrypted('sslmode=no-verify')],
  ['node-postgres', 'the Unix socket', pgScript, unix],
  ['postgres.js', 'TLS', postgresJsScript, encrypted('sslmode=require')],
  ['postgres.js', 'the Unix socket', postgresJsOverUnix, () => proxy.url],
  ['psql', 'TLS', psqlSession, encrypted('sslmode=require')],
  ['psql', 'the Unix socket', psqlSession, unix],
] as const)('%s over %s', async (name, _transport, script, url) => {
  const reads = name === 'psql' ? (target: string) => psqlSession(target, readsOfPsql) : script;
  const reported = await script(proxy.originUrl);
  for (const pass of ['cold', 'warm']) {
    expect({ pass, reported: await script(url()) }).toEqual({ pass, reported });
  }
  // The script writes the table anew each time, so not every pass has hits.
  const expected = await reads(proxy.originUrl);
  await waitFor('hits', async () => {
    const before = await proxy.hits();
    expect(await reads(url())).toEqual(expected);
    return (await proxy.hits()) > before;
  });
});
