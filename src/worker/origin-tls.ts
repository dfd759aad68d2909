/** Encryption of a session's connection to the origin: the attempts of sslmode, and the negotiation of one. */
import type net from 'node:net';
import tls from 'node:tls';
import type { Upstream } from '../shared/config.ts';
import { endPointHash } from '../shared/tls-certificate.ts';
import { type OriginAttempt, originAttempts } from '../shared/tls-origin.ts';
import { StartupCode } from '../shared/wire/codes.ts';

/** What every session of a worker connects with. Files are read once, and again after `reload`. */
export class OriginTarget {
  readonly upstream: Upstream;
  readonly keepaliveMs: number;
  readonly connectTimeoutMs: number;
  private cached: readonly OriginAttempt[] | null = null;

  constructor(upstream: Upstream, connectTimeoutMs: number, keepaliveMs: number) {
    this.upstream = upstream;
    this.connectTimeoutMs = connectTimeoutMs;
    this.keepaliveMs = keepaliveMs;
  }

  /** @throws ConfigError when a file cannot be used. */
  get attempts(): readonly OriginAttempt[] {
    this.cached ??= originAttempts(this.upstream);
    return this.cached;
  }

  /** Bad files leave the old ones in use. @throws ConfigError */
  reload(): void {
    this.cached = originAttempts(this.upstream);
  }
}

const SSL_REQUEST = Buffer.alloc(8);
SSL_REQUEST.writeInt32BE(8, 0);
SSL_REQUEST.writeInt32BE(StartupCode.ssl, 4);

export function askForTls(raw: net.Socket): void {
  raw.write(SSL_REQUEST);
}

/**
 * What the origin said to SSLRequest. Anything but one byte would be cleartext that passes for what comes later
 * (CVE-2021-23222). @throws Error
 */
export function sslAnswer(bytes: Buffer): 'accepted' | 'refused' {
  const code = bytes[0];
  if (bytes.length === 1 && code === 0x53) return 'accepted';
  if (bytes.length === 1 && code === 0x4e) return 'refused';
  if (code === 0x53 || code === 0x4e) throw new Error('received unencrypted data after SSL response');
  throw new Error('the server sent no valid answer to the request for TLS');
}

export const notOffered = (sslmode: string): Error =>
  new Error(`the server does not support TLS, and sslmode=${sslmode} insists on it`);

/** TLS over a connected socket; decrypted bytes are copied into `readBuffer` and announced by `bytes`. */
export function startOriginTls(
  raw: net.Socket,
  options: tls.ConnectionOptions,
  readBuffer: Buffer,
  bytes: (count: number) => void,
): tls.TLSSocket {
  for (const event of ['drain', 'end', 'close', 'error', 'connect']) raw.removeAllListeners(event);
  raw.on('error', () => raw.destroy());
  const secure = tls.connect({ ...options, socket: raw });
  secure.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += readBuffer.length) {
      const end = Math.min(chunk.length, at + readBuffer.length);
      chunk.copy(readBuffer, 0, at, end);
      bytes(end - at);
    }
  });
  return secure;
}

/** What SCRAM towards the origin binds to; null: not encrypted, or not to be bound to. */
export function originEndPoint(socket: net.Socket): Buffer | null {
  if (!(socket instanceof tls.TLSSocket)) return null;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? null : endPointHash(certificate.raw);
}
