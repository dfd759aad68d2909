/**
 * Certificates for tests, made by the openssl command (.ci/run installs it where it is missing), and a server that uses them.
 * They live in a folder of the test file and are removed with it.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, chownSync, copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { type Cluster, run, startCluster, type Version } from './postgres.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** `days` below zero: expired. */
  issue(commonName: string, options?: { readonly names?: string; readonly days?: number }): Certificate;
}

const openssl = (folder: string, ...args: readonly string[]): void => {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
};

/** A folder for keys that goes with the test file; to be called at its top level. */
export function keyFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-tls-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export function createAuthority(folder: string, name: string): Authority {
  const file = (base: string, suffix: string) => path.join(folder, `${base}.${suffix}`);
  openssl(
    folder,
    'req',
    '-x509',
    ...newKey,
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.crt`,
  );
  let issued = 0;
  return {
    cert: file(name, 'crt'),
    key: file(name, 'key'),
    issue(commonName, { names = 'DNS:localhost,IP:127.0.0.1,IP:::1', days = 30 } = {}) {
      const base = `${name}-${++issued}`;
      writeFileSync(file(base, 'ext'), `subjectAltName=${names}\n`);
      openssl(folder, 'req', ...newKey, '-subj', `/CN=${commonName}`, '-keyout', `${base}.key`, '-out', `${base}.csr`);
      const signer = ['-CA', `${name}.crt`, '-CAkey', `${name}.key`, '-CAcreateserial'];
      const term = ['-days', String(days), '-extfile', `${base}.ext`];
      openssl(folder, 'x509', '-req', '-in', `${base}.csr`, ...signer, ...term, '-out', `${base}.crt`);
      return { cert: file(base, 'crt'), key: file(base, 'key') };
    },
  };
}

/** One role for each way to be let in; every password is "secret of <role>". */
export const roles = ['scram', 'md5', 'cleartext', 'trusted', 'encrypted_only', 'clear_only', 'certified'] as const;
export type Role = (typeof roles)[number];
export const passwordOf = (role: string): string => `secret of ${role}`;

const hba = `
local all all scram-sha-256
host all md5 all md5
host all cleartext all password
host all trusted all trust
hostssl all encrypted_only all scram-sha-256
hostnossl all clear_only all scram-sha-256
host all encrypted_only all reject
host all clear_only all reject
hostssl all certified all cert map=anyone
host all all all scram-sha-256
host replication all all scram-sha-256
`;

/** A server of its own that offers TLS with `certificate` and trusts `authority` to sign those of its clients. */
export async function startTlsCluster(
  version: Version,
  certificate: Certificate,
  authority: Certificate,
): Promise<Cluster> {
  const cluster = await startCluster({ version });
  const { uid, gid } = statSync(cluster.dataDir);
  const inData = (name: string) => path.join(cluster.dataDir, name);
  const install = (from: string, name: string) => {
    copyFileSync(from, inData(name));
    chownSync(inData(name), uid, gid);
  };
  install(certificate.cert, 'server.crt');
  install(certificate.key, 'server.key');
  install(authority.cert, 'root.crt');
  execFileSync('chmod', ['600', inData('server.key')]);
  writeFileSync(inData('pg_hba.conf'), hba);
  appendFileSync(inData('pg_ident.conf'), 'anyone /^ certified\n');
  await run(cluster.url, "SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'secret of md5'");
  const others = roles.filter((role) => role !== 'md5');
  await run(cluster.url, others.map((role) => `CREATE ROLE ${role} LOGIN PASSWORD '${passwordOf(role)}'`).join(';'));
  await run(cluster.url, "ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
  await run(cluster.url, 'ALTER SYSTEM SET ssl = on');
  await run(cluster.url, 'SELECT pg_reload_conf()');
  return cluster;
}
