/**
 * SCRAM-SHA-256 from both ends, no socket in it (RFC 5802, RFC 7677; Manual: SASL Authentication). pgfresh is the server
 * towards a client and the client towards the origin, where the client's own messages cannot be relayed (ADR-006).
 *
 *   ClientKey   = HMAC(SaltedPassword, "Client Key")      StoredKey = H(ClientKey)
 *   ServerKey   = HMAC(SaltedPassword, "Server Key")      verifier  = salt, iterations, StoredKey, ServerKey
 *   ClientProof = ClientKey XOR HMAC(StoredKey, AuthMessage): who has the verifier learns ClientKey from a valid proof
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

export const SCRAM = 'SCRAM-SHA-256';
export const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS';
const KEY_BYTES = 32;
/** PostgreSQL's default; what an unknown role's verifier pretends to. */
const MOCK_ITERATIONS = 4096;
const ITERATIONS_MAX = 1_000_000;

/** What proves a password without being it. */
export interface ScramKeys {
  readonly clientKey: Buffer;
  readonly serverKey: Buffer;
}

/** `rolpassword` of a role: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`. */
export interface ScramVerifier {
  readonly iterations: number;
  /** Base64, as it is sent. */
  readonly salt: string;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** A message of the exchange does not follow the RFC, or a proof is wrong. */
export class ScramError extends Error {}

const hmac = (key: Uint8Array, text: string | Uint8Array): Buffer => createHmac('sha256', key).update(text).digest();
const hash = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const xor = (a: Uint8Array, b: Uint8Array): Buffer => Buffer.from(a.map((byte, i) => byte ^ b[i]!));
const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);

/** Null when the text is no SCRAM verifier (no password, md5). */
export function parseVerifier(text: string): ScramVerifier | null {
  const match = /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (match === null) return null;
  const [, iterations, salt, stored, server] = match;
  const storedKey = Buffer.from(stored!, 'base64');
  const serverKey = Buffer.from(server!, 'base64');
  if (storedKey.length !== KEY_BYTES || serverKey.length !== KEY_BYTES) return null;
  return { iterations: Number(iterations), salt: salt!, storedKey, serverKey };
}

/** A verifier that nobody's password matches, the same for the same role, so that its absence does not show. */
export function mockVerifier(secret: Uint8Array, user: string): ScramVerifier {
  const salt = hmac(secret, user).subarray(0, 16).toString('base64');
  return {
    iterations: MOCK_ITERATIONS,
    salt,
    storedKey: hmac(secret, `stored ${user}`),
    serverKey: hmac(secret, `server ${user}`),
  };
}

/** RFC 4013 as far as it changes a password; as PostgreSQL, what is prohibited is taken as it stands. */
function prepare(password: string): string {
  return password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, '')
    .normalize('NFKC');
}

const stretch = promisify(pbkdf2);

/** Off the event loop: thousands of hashes. */
export async function keysOf(password: string, salt: string, iterations: number): Promise<ScramKeys> {
  const salted = await stretch(prepare(password), Buffer.from(salt, 'base64'), iterations, KEY_BYTES, 'sha256');
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') };
}

/** Attributes of a message, in order: `r=…,s=…,i=…`. */
function attributes(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

/** Towards the origin. One exchange each. */
export class ScramClient {
  readonly mechanism: string;
  private readonly gs2Header: string;
  private readonly channel: Buffer;
  private readonly nonce: string;
  private authMessage = '';
  private serverKey: Buffer | null = null;

  /** `endPoint`: hash of the server's certificate, to be bound to; null: no binding. `nonce`: printable, no comma. */
  constructor(endPoint: Buffer | null, nonce: string) {
    this.mechanism = endPoint === null ? SCRAM : SCRAM_PLUS;
    this.gs2Header = endPoint === null ? 'n,,' : 'p=tls-server-end-point,,';
    this.channel = Buffer.concat([Buffer.from(this.gs2Header), endPoint ?? Buffer.alloc(0)]);
    this.nonce = nonce;
  }

  /** client-first-message. PostgreSQL takes the role from the startup packet. */
  first(): string {
    return `${this.gs2Header}n=,r=${this.nonce}`;
  }

  /** Salt and iterations that the server wants the password stretched with. @throws ScramError */
  challenge(serverFirst: string): { salt: string; iterations: number } {
    const parts = attributes(serverFirst);
    const iterations = Number(parts.get('i'));
    const [nonce, salt] = [parts.get('r'), parts.get('s')];
    const isLegal = Number.isInteger(iterations) && iterations > 0 && iterations <= ITERATIONS_MAX;
    if (
      nonce?.startsWith(this.nonce) !== true ||
      nonce.length === this.nonce.length ||
      salt === undefined ||
      !isLegal
    ) {
      throw new ScramError('malformed SCRAM message from the origin');
    }
    return { salt, iterations };
  }

  /** client-final-message. */
  final(serverFirst: string, keys: ScramKeys): string {
    const nonce = attributes(serverFirst).get('r')!;
    const withoutProof = `c=${this.channel.toString('base64')},r=${nonce}`;
    this.authMessage = `n=,r=${this.nonce},${serverFirst},${withoutProof}`;
    this.serverKey = keys.serverKey;
    const proof = xor(keys.clientKey, hmac(hash(keys.clientKey), this.authMessage));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Whether the server knows the password too. */
  isAuthentic(serverFinal: string): boolean {
    if (this.serverKey === null) return false;
    const signature = Buffer.from(attributes(serverFinal).get('v') ?? '', 'base64');
    return isEqual(signature, hmac(this.serverKey, this.authMessage));
  }
}

/** Towards a client. One exchange each. */
export class ScramServer {
  private readonly verifier: ScramVerifier;
  private readonly endPoint: Buffer | null;
  private readonly nonce: string;
  private channel: Buffer = Buffer.alloc(0);
  private clientBare = '';
  private fullNonce = '';
  private serverFirst = '';
  private authMessage = '';

  /** `endPoint`: hash of the certificate that the client was shown; null: SCRAM-SHA-256-PLUS is not offered. */
  constructor(verifier: ScramVerifier, endPoint: Buffer | null, nonce: string) {
    this.verifier = verifier;
    this.endPoint = endPoint;
    this.nonce = nonce;
  }

  get mechanisms(): readonly string[] {
    return this.endPoint === null ? [SCRAM] : [SCRAM_PLUS, SCRAM];
  }

  /** server-first-message. @throws ScramError */
  first(mechanism: string, clientFirst: string): string {
    const match = /^((?:n|y|p=([a-z0-9.-]+)),,)(n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+))$/i.exec(clientFirst);
    if (match === null) throw new ScramError('malformed SCRAM message');
    const [, header, binding, bare, nonce] = match;
    if (!this.mechanisms.includes(mechanism))
      throw new ScramError('client selected an invalid SASL authentication mechanism');
    if ((binding !== undefined) !== (mechanism === SCRAM_PLUS)) {
      throw new ScramError('malformed SCRAM message: mechanism and channel binding do not fit');
    }
    if (binding !== undefined && binding !== 'tls-server-end-point') {
      throw new ScramError(`unsupported SCRAM channel-binding type "${binding}"`);
    }
    // The client could bind and believes that we cannot, though we offered it: somebody in between took the offer away.
    if (header!.startsWith('y') && this.endPoint !== null)
      throw new ScramError('SCRAM channel binding negotiation error');
    this.channel = Buffer.concat([Buffer.from(header!), binding === undefined ? Buffer.alloc(0) : this.endPoint!]);
    this.clientBare = bare!;
    this.fullNonce = `${nonce}${this.nonce}`;
    this.serverFirst = `r=${this.fullNonce},s=${this.verifier.salt},i=${this.verifier.iterations}`;
    return this.serverFirst;
  }

  /** The keys that the client has proved to hold, or null: the password is wrong. @throws ScramError */
  keys(clientFinal: string): ScramKeys | null {
    const match = /^(c=([^,]+),r=([^,]+)),p=([^,]+)$/.exec(clientFinal);
    if (match === null) throw new ScramError('malformed SCRAM message');
    const [, withoutProof, channel, nonce, proofText] = match;
    if (!isEqual(Buffer.from(channel!, 'base64'), this.channel))
      throw new ScramError('SCRAM channel binding check failed');
    if (nonce !== this.fullNonce) throw new ScramError('malformed SCRAM message: nonce does not match');
    const proof = Buffer.from(proofText!, 'base64');
    if (proof.length !== KEY_BYTES) throw new ScramError('malformed SCRAM message: malformed proof');
    this.authMessage = `${this.clientBare},${this.serverFirst},${withoutProof}`;
    const { storedKey, serverKey } = this.verifier;
    const clientKey = xor(proof, hmac(storedKey, this.authMessage));
    return isEqual(hash(clientKey), storedKey) ? { clientKey, serverKey } : null;
  }

  /** server-final-message: we know the verifier. */
  final(): string {
    return `v=${hmac(this.verifier.serverKey, this.authMessage).toString('base64')}`;
  }
}
