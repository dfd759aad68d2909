/** An address that stays while the server behind it changes, as behind a virtual IP or a DNS name. */
import net from 'node:net';

export interface Switch {
  readonly port: number;
  /** New connections go there. `cut`: those that are open end. */
  to(port: number, cut: boolean): void;
  close(): Promise<void>;
}

export async function startSwitch(first: number): Promise<Switch> {
  let target = first;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const origin = net.connect(target, '127.0.0.1');
    client.pipe(origin);
    origin.pipe(client);
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        origin.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    to(port, cut) {
      target = port;
      if (cut) cutAll();
    },
    async close() {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
