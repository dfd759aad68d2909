/** An address that stays while the server behind it changes, as behind a virtual IP or a DNS name. */
import net from 'node:net';
import { startTcpRelay, type TcpRelay } from './tcp-relay.ts';

export interface Switch extends Pick<TcpRelay, 'port' | 'close'> {
  /** New connections go there. `cut`: those that are open end. */
  to(port: number, cut: boolean): void;
}

export async function startSwitch(first: number): Promise<Switch> {
  let target = first;
  const relay = await startTcpRelay(
    () => net.connect(target, '127.0.0.1'),
    (client, origin) => {
      client.pipe(origin);
      origin.pipe(client);
    },
  );
  return {
    port: relay.port,
    to(port, cut) {
      target = port;
      if (cut) relay.cut();
    },
    close: () => relay.close(),
  };
}
