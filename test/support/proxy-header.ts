/** Headers of the PROXY protocol, version 2, as HAProxy sends them. */
import net from 'node:net';

function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts) => {
      const [a, b, c, d] = parts.map(Number) as [number, number, number, number];
      return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    })
    .split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

/** @param source the client's address, 'unix', or 'none' (unknown) */
export function proxyHeader(
  source: string,
  port: number,
  { command = 0x21, tlvs = Buffer.alloc(0) }: { command?: number; tlvs?: Buffer } = {},
): Buffer {
  const family = net.isIPv4(source) ? 0x11 : net.isIPv6(source) ? 0x21 : source === 'unix' ? 0x31 : 0x00;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(port, 0);
  ports.writeUInt16BE(5432, 2);
  const isIp = net.isIP(source) !== 0;
  const addresses = isIp
    ? Buffer.concat([addressBytes(source), Buffer.alloc(addressBytes(source).length, 1), ports])
    : Buffer.alloc(source === 'unix' ? 216 : 0);
  const head = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1');
  head[12] = command;
  head[13] = family;
  head.writeUInt16BE(addresses.length + tlvs.length, 14);
  return Buffer.concat([head, addresses, tlvs]);
}
