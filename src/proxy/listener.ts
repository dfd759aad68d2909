/**
 * Listening sockets: TCP addresses and the Unix socket `.s.PGSQL.PORT`. Connections are accepted paused, so that not a
 * byte of a client is read by main.
 */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { TcpAddress } from '../shared/config.ts';
import { ListenError, toError } from '../shared/errors.ts';
import { formatPeer } from '../shared/proxy-protocol.ts';
import { formatAddress } from './config-text.ts';
import type { Incoming } from './handoff.ts';

export interface Listener {
  /** Real addresses: port 0 is replaced by the port that the system chose. */
  readonly addresses: readonly TcpAddress[];
  readonly unixPath: string | undefined;
  accepting(): boolean;
  /** Stops accepting and removes the socket file. Connections already accepted go on. */
  close(): Promise<void>;
}

export interface ListenOptions {
  /** Permission bits of the Unix socket. */
  readonly unixMode: number;
  /** Silence after which TCP asks whether the client is still there; 0: never. */
  readonly keepaliveMs: number;
}

const backlog = 1024;

/** @throws ListenError in one line; whatever was opened is closed again. */
export async function listen(
  tcp: readonly TcpAddress[],
  unixDirectory: string | undefined,
  onConnection: (incoming: Incoming) => void,
  options: ListenOptions = { unixMode: 0o777, keepaliveMs: 60_000 },
): Promise<Listener> {
  const servers: net.Server[] = [];
  let unixPath: string | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  };
  try {
    const addresses: TcpAddress[] = [];
    for (const address of tcp) addresses.push(await listenTcp(servers, address, options, onConnection));
    if (unixDirectory !== undefined) {
      unixPath = path.join(unixDirectory, `.s.PGSQL.${addresses[0]?.port ?? 5432}`);
      await listenUnix(servers, unixPath, options, onConnection);
    }
    return { addresses, unixPath, accepting: () => servers.every((server) => server.listening), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listenTcp(
  servers: net.Server[],
  address: TcpAddress,
  options: ListenOptions,
  onConnection: (incoming: Incoming) => void,
): Promise<TcpAddress> {
  const keepAlive = { keepAlive: options.keepaliveMs > 0, keepAliveInitialDelay: options.keepaliveMs };
  const server = net.createServer({ pauseOnConnect: true, noDelay: true, ...keepAlive, allowHalfOpen: true });
  server.on('connection', (socket) => {
    onConnection({ socket, transport: 'tcp', peer: formatPeer(socket.remoteAddress ?? '?', socket.remotePort ?? 0) });
  });
  await bind(server, formatAddress(address), { host: address.host, port: address.port, backlog });
  servers.push(server);
  const { port } = server.address() as net.AddressInfo;
  return { host: address.host, port };
}

async function listenUnix(
  servers: net.Server[],
  file: string,
  options: ListenOptions,
  onConnection: (incoming: Incoming) => void,
): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  await removeStale(file);
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.on('connection', (socket) => onConnection({ socket, transport: 'unix', peer: 'local' }));
  await bind(server, file, { path: file, backlog });
  servers.push(server);
  // As PostgreSQL's unix_socket_permissions, 0777 unless told otherwise: the origin authenticates, not the file system.
  chmodSync(file, options.unixMode);
}

/** A socket file whose owner is gone is removed; one that answers is in use. */
async function removeStale(file: string): Promise<void> {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new ListenError(`cannot listen on ${file}: a file of that name exists and is no socket`);
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = net.connect({ path: file }, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (inUse) throw new ListenError(`cannot listen on ${file}: already in use by another process`);
  unlinkSync(file);
}

async function bind(server: net.Server, shown: string, options: net.ListenOptions): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options, resolve);
    });
  } catch (thrown) {
    throw new ListenError(`cannot listen on ${shown}: ${explain(toError(thrown))}`, thrown);
  }
}

function explain(error: Error & { readonly code?: string }): string {
  if (error.code === 'EADDRINUSE') return 'already in use by another process';
  if (error.code === 'EACCES') return 'permission denied';
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return 'no such address on this machine';
  return error.message;
}
