import { describe, expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { decodeProxyHeader, formatPeer, TrustedProxies } from '../../src/shared/proxy-protocol.ts';
import { proxyHeader } from '../support/proxy-header.ts';

const rest = Buffer.from('startup');

describe('a header of version 2', () => {
  it.each<[string, Buffer, string | null]>([
    ['TCP over IPv4', proxyHeader('10.1.2.3', 4567), '10.1.2.3:4567'],
    ['TCP over IPv6', proxyHeader('2001:db8::1', 4567), '[2001:db8::1]:4567'],
    ['IPv4 inside IPv6', proxyHeader('::ffff:10.1.2.3', 4567), '10.1.2.3:4567'],
    [
      'with TLVs',
      proxyHeader('10.1.2.3', 4567, { tlvs: Buffer.from('\x04\0\x03abc\x20\0\x05\x01\0\0\0\0') }),
      '10.1.2.3:4567',
    ],
    ['a Unix socket', proxyHeader('unix', 0), 'local'],
    ['LOCAL: the balancer speaks for itself', proxyHeader('10.1.2.3', 4567, { command: 0x20 }), null],
    ['a family without addresses', proxyHeader('none', 0), null],
  ])('%s', (_what, header, peer) => {
    expect(decodeProxyHeader(Buffer.concat([header, rest]))).toEqual({ kind: 'complete', bytes: header.length, peer });
    for (let cut = 0; cut < header.length; cut++) {
      expect(decodeProxyHeader(header.subarray(0, cut))).toEqual({ kind: 'incomplete' });
    }
  });

  const good = proxyHeader('10.1.2.3', 4567);
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    return bytes;
  };
  it.each<[string, Buffer, RegExp]>([
    ['version 1', Buffer.from('PROXY TCP4 10.1.2.3 10.0.0.1 4567 5432\r\n'), /no header of version 2/],
    ['no header at all', Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), /no header of version 2/],
    ['a signature that is wrong at its end', changed(11, 0), /no header of version 2/],
    ['another version', changed(12, 0x31), /version or command/],
    ['an unknown command', changed(12, 0x22), /version or command/],
    ['addresses that are cut off', Buffer.concat([changed(15, 4).subarray(0, 20), rest]), /cut off/],
    ['more than is read', changed(14, (Limits.proxyHeaderBytesMax >> 8) + 1), /too long/],
  ])('is refused: %s', (_what, bytes, why) => {
    expect(decodeProxyHeader(bytes)).toMatchObject({ kind: 'malformed', why: expect.stringMatching(why) });
  });
});

describe('who is trusted', () => {
  const trusted = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', 'unix']);
  it.each<['tcp' | 'unix', string, boolean]>([
    ['tcp', formatPeer('10.200.1.1', 5), true],
    ['tcp', formatPeer('::ffff:10.200.1.1', 5), true],
    ['tcp', formatPeer('11.0.0.1', 5), false],
    ['tcp', formatPeer('192.0.2.7', 5), true],
    ['tcp', formatPeer('192.0.2.8', 5), false],
    ['tcp', formatPeer('2001:db8:1::1', 5), true],
    ['tcp', formatPeer('::1', 5), false],
    ['tcp', '?:0', false],
    ['unix', 'local', true],
  ])('%s %s: %s', (transport, peer, isTrusted) => {
    expect(trusted.trusts(transport, peer)).toBe(isTrusted);
  });

  it('is nobody unless it is said', () => {
    const nobody = new TrustedProxies([]);
    expect(nobody.trusts('unix', 'local') || nobody.trusts('tcp', '127.0.0.1:5')).toBe(false);
  });

  it.each(['10.0.0.0/33', '10.0.0/8', 'localhost', '::/129', '10.0.0.0/', '10.0.0.0/8/8'])(
    '%s is no network',
    (entry) => {
      expect(() => new TrustedProxies([entry])).toThrow(/is no network/);
    },
  );
});
