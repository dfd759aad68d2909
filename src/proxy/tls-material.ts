/** The files that clients' TLS needs: read and checked by main, at start and on SIGHUP, so that workers get what works. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { Config } from '../shared/config.ts';
import { ConfigError, toError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { TlsMaterial } from '../shared/messages.ts';
import { originAttempts, readPem, TLS_VERSION_MIN } from '../shared/tls-origin.ts';

/** Whether there is anything that SIGHUP could read again. */
export function usesTlsFiles({ tls: client, upstream }: Config): boolean {
  return client.mode !== 'disable' || upstream.sslrootcert !== undefined || upstream.sslcert !== undefined;
}

/**
 * Null when clients are not offered TLS. Warns of a certificate that has expired or is about to.
 * @throws ConfigError when a file cannot be read, is not what it should be, or key and certificate do not belong together.
 */
export function loadTls(config: Config, log: Logger): TlsMaterial | null {
  originAttempts(config.upstream); // unusable files of the origin's side are a fault of the configuration as well
  originAttempts(config.cdcUpstream);
  const { mode, cert: certFile, key: keyFile, ca: caFile } = config.tls;
  if (mode === 'disable' || certFile === undefined || keyFile === undefined) return null;
  const cert = readPem('tls.cert', certFile);
  const key = readPem('tls.key', keyFile);
  const ca = caFile === undefined ? null : readPem('tls.ca', caFile);
  const certificate = readCertificate('tls.cert', certFile, cert);
  if (caFile !== undefined && ca !== null) readCertificate('tls.ca', caFile, ca);
  checkKey(certificate, keyFile, key, certFile);
  try {
    tls.createSecureContext({ cert, key, ...(ca === null ? {} : { ca }), minVersion: TLS_VERSION_MIN });
  } catch (thrown) {
    throw new ConfigError(`tls.cert: ${certFile} cannot be used: ${toError(thrown).message}`, thrown);
  }
  const validTo = new Date(certificate.validTo);
  const details = { subject: certificate.subject, validTo };
  if (validTo.getTime() < performance.timeOrigin + performance.now()) {
    log.warn(details, `tls.cert: the certificate in ${certFile} has expired; clients that verify it will refuse it`);
  } else {
    log.info(details, 'certificate for clients');
  }
  return { cert, key, ca };
}

function readCertificate(parameter: string, file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (thrown) {
    throw new ConfigError(`${parameter}: ${file} holds no certificate in PEM form`, thrown);
  }
}

function checkKey(certificate: X509Certificate, keyFile: string, key: string, certFile: string): void {
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(key));
  } catch (thrown) {
    throw new ConfigError(`tls.key: ${keyFile} holds no private key in PEM form (without passphrase)`, thrown);
  }
  if (!matches) throw new ConfigError(`tls.key: ${keyFile} is not the key of the certificate in ${certFile}`);
}

/** Who passes a reload on: the supervisor. */
interface TlsUsers {
  reloadTls(material: TlsMaterial | null): Promise<void>;
}

/** Never rejects: with bad files the old certificates stay in use. */
export async function reloadTls(config: Config, users: TlsUsers, log: Logger): Promise<void> {
  try {
    await users.reloadTls(loadTls(config, log));
    log.info('certificates and keys were read again; new connections use them');
  } catch (thrown) {
    log.error(`certificates and keys stay as they were: ${toError(thrown).message}`);
  }
}
