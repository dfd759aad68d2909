/**
 * The PROXY protocol, version 2: what a load balancer says in front of a connection about where it came from
 * (https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt, section 2.2). Believed from trusted addresses only, and expected from each of them.
 *
 *   signature (12) ‖ version, command (1) ‖ family, protocol (1) ‖ length (2) ‖ addresses, then TLVs (length)
 */
import net from 'node:net';
import { Limits } from './limits.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const HEAD_BYTES = 16;
const Command = { local: 0x20, proxy: 0x21 } as const;
/** Address family and transport, with the bytes of its addresses. */
const Families = { tcp4: 0x11, tcp6: 0x21, unix: 0x31 } as const;
const IPV4_BYTES = 12;
const IPV6_BYTES = 36;

export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly why: string }
  /** `peer`: the client as the balancer saw it; null: it speaks for itself (a health check), or does not say. */
  | { readonly kind: 'complete'; readonly bytes: number; readonly peer: string | null };

const incomplete: ProxyHeader = { kind: 'incomplete' };
const malformed = (why: string): ProxyHeader => ({ kind: 'malformed', why: `PROXY protocol: ${why}` });

/** Reads the header at the beginning of a connection. What it holds beside the addresses is skipped. */
export function decodeProxyHeader(bytes: Buffer): ProxyHeader {
  const seen = Math.min(bytes.length, SIGNATURE.length);
  if (!bytes.subarray(0, seen).equals(SIGNATURE.subarray(0, seen))) return malformed('no header of version 2');
  if (bytes.length < HEAD_BYTES) return incomplete;
  const command = bytes[12]!;
  if (command !== Command.local && command !== Command.proxy) return malformed('unknown version or command');
  const length = bytes.readUInt16BE(14);
  if (HEAD_BYTES + length > Limits.proxyHeaderBytesMax) return malformed('the header is too long');
  if (bytes.length < HEAD_BYTES + length) return incomplete;
  const end = HEAD_BYTES + length;
  if (command === Command.local) return { kind: 'complete', bytes: end, peer: null };
  const peer = peerOf(bytes[13]!, bytes.subarray(HEAD_BYTES, end));
  return peer === undefined ? malformed('addresses are cut off') : { kind: 'complete', bytes: end, peer };
}

/** Undefined: the addresses are not all there. Null: of a family that has none for us. */
function peerOf(family: number, addresses: Buffer): string | null | undefined {
  if (family === Families.tcp4) {
    if (addresses.length < IPV4_BYTES) return undefined;
    return formatPeer(addresses.subarray(0, 4).join('.'), addresses.readUInt16BE(8));
  }
  if (family === Families.tcp6) {
    if (addresses.length < IPV6_BYTES) return undefined;
    const groups = Array.from({ length: 8 }, (_, i) => addresses.readUInt16BE(2 * i).toString(16));
    // Written as everybody does, with the zeros left out.
    return formatPeer(
      new net.SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address,
      addresses.readUInt16BE(32),
    );
  }
  return family === Families.unix ? 'local' : null;
}

/** "10.1.2.3:4567", "[2001:db8::1]:4567". An IPv4 address that came over an IPv6 socket is shown as what it is. */
export function formatPeer(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return net.isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** Who may say where connections come from: addresses, networks, `unix`. */
export class TrustedProxies {
  private readonly networks = new net.BlockList();
  private readonly unix: boolean;

  /** @throws RangeError naming an entry that is none. */
  constructor(entries: readonly string[]) {
    this.unix = entries.includes('unix');
    for (const entry of entries) if (entry !== 'unix') this.add(entry);
  }

  private add(entry: string): void {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = net.isIPv4(address) ? 'ipv4' : net.isIPv6(address) ? 'ipv6' : null;
    const bits = family === 'ipv4' ? 32 : 128;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (family === null || rest.length > 0 || !(length <= bits)) {
      throw new RangeError(`"${entry}" is no network; write 10.0.0.0/8, 2001:db8::/32, 127.0.0.1 or unix`);
    }
    this.networks.addSubnet(address, length, family);
  }

  /** Whether a connection begins with a header. @param peer as `formatPeer` wrote it */
  trusts(transport: 'tcp' | 'unix', peer: string): boolean {
    if (transport === 'unix') return this.unix;
    const address = peer.slice(0, peer.lastIndexOf(':')).replace(/^\[|\]$/g, '');
    if (net.isIP(address) === 0) return false;
    return this.networks.check(address, net.isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}
