/**
 * What channel binding needs of a certificate: its hash for `tls-server-end-point` (RFC 5929, section 4.1).
 *
 *   Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID, … }, signature }
 */
import { createHash } from 'node:crypto';

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;

/** DER contents of the identifier of a signature algorithm → the hash in it. MD5 and SHA-1 count as SHA-256. */
const hashes: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256', // md5WithRSAEncryption
  '2a864886f70d010105': 'sha256', // sha1WithRSAEncryption
  '2a864886f70d01010b': 'sha256', // sha256WithRSAEncryption
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a864886f70d01010e': 'sha224',
  '2a8648ce3d0401': 'sha256', // ecdsa-with-SHA1
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256', // ecdsa-with-SHA256
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** The element that begins at `at`; null when it does not fit. */
function elementAt(der: Uint8Array, at: number): Element | null {
  const tag = der[at];
  const first = der[at + 1];
  if (tag === undefined || first === undefined) return null;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 4) return null;
  let length = lengthBytes === 0 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (der[at + 2 + i] ?? 0);
  const start = at + 2 + lengthBytes;
  return start + length <= der.length ? { tag, start, end: start + length } : null;
}

function signatureAlgorithm(der: Uint8Array): string | null {
  const certificate = elementAt(der, 0);
  if (certificate?.tag !== SEQUENCE) return null;
  const signed = elementAt(der, certificate.start);
  const algorithm = signed === null ? null : elementAt(der, signed.end);
  if (algorithm?.tag !== SEQUENCE) return null;
  const identifier = elementAt(der, algorithm.start);
  if (identifier?.tag !== OBJECT_IDENTIFIER) return null;
  return Buffer.from(der.subarray(identifier.start, identifier.end)).toString('hex');
}

/** Null where the signature names no single hash (Ed25519, RSA-PSS): such a channel cannot be bound to. */
export function endPointHash(der: Uint8Array): Buffer | null {
  const hash = hashes[signatureAlgorithm(der) ?? ''];
  return hash === undefined ? null : createHash(hash).update(der).digest();
}
