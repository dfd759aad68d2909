/** A worker's side of TLS towards clients: the certificate in use, who must use it, and what goes wrong, in one line each. */
import { constants, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { ClientTls } from '../shared/config.ts';
import type { TlsMaterial } from '../shared/messages.ts';
import { endPointHash } from '../shared/tls-certificate.ts';
import { ALPN_PROTOCOL, TLS_VERSION_MIN } from '../shared/tls-origin.ts';
import type { ErrorToSend } from '../shared/wire/backend.ts';

/** Answer to SSLRequest: TLS begins with the next byte. */
export const ACCEPTED: Buffer = Buffer.from('S');
/** First byte of a ClientHello: TLS without an SSLRequest (PostgreSQL 17, sslnegotiation=direct). */
export const TLS_HANDSHAKE_RECORD = 0x16;

interface Served {
  readonly secureContext: tls.SecureContext;
  /** What SCRAM of clients binds to; null: it cannot. */
  readonly endPoint: Buffer | null;
}

export class TlsServer {
  readonly mode: ClientTls['mode'];
  private served: Served | null = null;

  /** @throws Error when the material cannot be used; main has checked it. */
  constructor({ mode }: ClientTls, material: TlsMaterial | null) {
    this.mode = mode;
    this.reload(material);
  }

  /** For connections from now on. */
  reload(material: TlsMaterial | null): void {
    if (material === null || this.mode === 'disable') {
      this.served = null;
      return;
    }
    const { cert, key, ca } = material;
    const secureContext = tls.createSecureContext({
      cert,
      key,
      ...(ca === null ? {} : { ca }),
      minVersion: TLS_VERSION_MIN,
      // As PostgreSQL: no tickets (a client that comes back proves itself again), no renegotiation.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    });
    this.served = { secureContext, endPoint: endPointHash(new X509Certificate(cert).raw) };
  }

  get isOffered(): boolean {
    return this.served !== null;
  }

  /** Whether a client over TCP may not go on in the clear. */
  get isRequired(): boolean {
    return this.mode === 'require' || this.mode === 'verify';
  }

  get endPoint(): Buffer | null {
    return this.served?.endPoint ?? null;
  }

  /** What the server's side of a handshake takes. Certificates of clients are judged in `refusal`, where words can be sent. */
  get options(): tls.TLSSocketOptions {
    return {
      isServer: true,
      secureContext: this.served!.secureContext,
      ALPNProtocols: [ALPN_PROTOCOL],
      requestCert: this.mode === 'verify',
      rejectUnauthorized: false,
    };
  }

  /** Why a client whose handshake is done is not served; null: it is. `direct`: it began without an SSLRequest. */
  refusal(socket: tls.TLSSocket, direct: boolean): ErrorToSend | null {
    if (direct && socket.alpnProtocol !== ALPN_PROTOCOL) {
      const message = 'received direct SSL connection request without ALPN protocol negotiation extension';
      return { severity: 'FATAL', sqlstate: '08P01', message };
    }
    if (this.mode !== 'verify') return null;
    if (socket.getPeerX509Certificate() === undefined) {
      return { ...unauthorized, message: 'connection requires a valid client certificate' };
    }
    const fault = verifyFault(socket);
    return fault === null ? null : { ...unauthorized, message: `the client certificate was refused: ${fault}` };
  }

  /** Common name of the verified certificate of a client; null: none. A subject with several proves none of them. */
  certificateName(socket: tls.TLSSocket | null): string | null {
    if (socket === null || this.mode !== 'verify' || verifyFault(socket) !== null) return null;
    const name: unknown = socket.getPeerCertificate().subject?.CN;
    return typeof name === 'string' && name !== '' ? name : null;
  }
}

/** What tls.Server asks for `authorized`, which it sets on sockets that it accepted itself. Not to be had: not verified. */
function verifyFault(socket: tls.TLSSocket): string | null {
  const { _handle: handle } = socket as unknown as {
    readonly _handle?: { verifyError?(): (Error & { readonly code?: string }) | null | undefined } | null;
  };
  if (typeof handle?.verifyError !== 'function') return 'it could not be verified';
  const error = handle.verifyError();
  if (error === null || error === undefined) return null;
  return certificateFaults[error.code ?? ''] ?? error.code ?? error.message;
}

const unauthorized = { severity: 'FATAL', sqlstate: '28000' } as const;

export const tlsRequired: ErrorToSend = {
  ...unauthorized,
  message: 'pgfresh accepts only encrypted connections',
  hint: 'Connect with sslmode=require or stronger.',
};

/** CVE-2021-23222: what was sent in the clear behind an SSLRequest must not count as said inside TLS. */
export const unencryptedData: ErrorToSend = {
  severity: 'FATAL',
  sqlstate: '08P01',
  message: 'received unencrypted data after SSL request',
  hint: 'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
};

const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not the one of tls.ca',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not the one of tls.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not the one of tls.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not the one of tls.ca',
};

/** OpenSSL's reason without its file names and numbers: "TLS handshake failed: wrong version number". */
export function handshakeFault(error: Error & { readonly reason?: string; readonly code?: string }): string {
  const reason = error.reason?.trim() || /:([^:\n]+):[^:\n]*:\d+:/.exec(error.message)?.[1]?.trim();
  return `TLS handshake failed: ${reason || error.code || error.message}`;
}
