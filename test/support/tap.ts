/**
 * A wire tap: a TCP relay between a client and a server that keeps every byte the server sent, so that two servers can be
 * compared by what a driver really got. What must differ between two sessions is masked.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface Tap {
  readonly port: number;
  /** What the server sent since the last call, as text, a message per line, by connection. */
  take(): string[];
  close(): Promise<void>;
}

/** Messages whose content names the session: BackendKeyData is dropped, the sender of a notification masked. */
function printFrame(code: string, body: Buffer): string | null {
  if (code === 'K') return null;
  if (code === 'A') return `A ${body.subarray(4).toString('latin1')}`;
  // Authentication exchanges carry nonces; which method was asked for is what counts.
  if (code === 'R') return `R ${body.readInt32BE(0)}`;
  return `${code} ${body.toString('latin1')}`;
}

/** Cuts a whole server stream into messages. A single byte N or S before them answers an SSLRequest. */
export function printStream(bytes: Buffer): string[] {
  const lines: string[] = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const code = String.fromCharCode(bytes[at]!);
    const length = bytes.readInt32BE(at + 1);
    if ((code === 'N' || code === 'S') && (length > 0x10000 || length < 4)) {
      lines.push(`answer to SSLRequest: ${code}`);
      at += 1;
      continue;
    }
    const line = printFrame(code, bytes.subarray(at + 5, at + 1 + length));
    if (line !== null) lines.push(line);
    at += 1 + length;
  }
  if (at !== bytes.length) lines.push(`rest ${bytes.subarray(at).toString('latin1')}`);
  return lines;
}

export async function startTap(targetPort: number): Promise<Tap> {
  const received: Buffer[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const chunks: Buffer[] = [];
    received.push(chunks);
    const origin = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    client.setNoDelay(true);
    for (const [from, to] of [
      [client, origin],
      [origin, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.end();
      });
    }
    origin.on('data', (chunk: Buffer) => void chunks.push(chunk));
    client.pipe(origin);
    origin.pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    take: () => received.splice(0).flatMap((chunks, i) => [`connection ${i}`, ...printStream(Buffer.concat(chunks))]),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
