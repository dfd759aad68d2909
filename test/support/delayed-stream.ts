/**
 * A way to an origin on which the change stream is late: a relay in front of it that passes everything on at once, but holds back what the WAL sender says by
 * as much as the test wants, in order.
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface DelayedStream {
  /** The same URL by way of the relay, for `--cdc-url`. */
  readonly url: string;
  close(): Promise<void>;
}

/** @param delayMs asked for each piece that the WAL sender sends */
export async function startDelayedStream(originUrl: string, delayMs: () => number): Promise<DelayedStream> {
  const { hostname, port } = new URL(originUrl);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const origin = net.connect(Number(port), hostname);
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        origin.destroy();
      });
    }
    let streaming = false;
    client.on('data', (chunk) => {
      streaming ||= chunk.includes('START_REPLICATION');
      origin.write(chunk);
    });
    let last: Promise<void> = Promise.resolve();
    let dueMs = 0;
    origin.on('data', (chunk) => {
      if (!streaming) {
        client.write(chunk);
        return;
      }
      dueMs = Math.max(dueMs, performance.now() + delayMs());
      const ownMs = dueMs;
      last = last.then(async () => {
        const waitMs = ownMs - performance.now();
        if (waitMs > 1) await delay(waitMs);
        client.write(chunk);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(originUrl);
  url.host = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  return {
    url: url.href,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
