/** Connections that pass through the test's hands on their way to a server: what becomes of their bytes is for the caller to say. */
import net from 'node:net';

export interface TcpRelay {
  readonly port: number;
  /** Ends the connections that are open. */
  cut(): void;
  close(): Promise<void>;
}

/** @param pass is to move the bytes of one connection; both ends end together */
export async function startTcpRelay(
  connect: () => net.Socket,
  pass: (client: net.Socket, origin: net.Socket) => void,
): Promise<TcpRelay> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const origin = connect();
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        origin.destroy();
      });
    }
    pass(client, origin);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
