/** pgbouncer in session mode, from Debian, where installed. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PeerSpec } from '../case.ts';
import { accepts, freePort, untilReady } from '../household.ts';

const places = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'];

const configuration = (originPort: number, port: number, folder: string): string => `
[databases]
* = host=127.0.0.1 port=${originPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir = ${folder}
auth_type = trust
auth_file = ${folder}/users
pool_mode = session
default_pool_size = 700
max_client_conn = 2000
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
`;

export const pgbouncer: PeerSpec = {
  name: 'pgbouncer',
  async start({ household, origin }) {
    const binary = places.find((place) => existsSync(place));
    if (binary === undefined) return null;
    const [folder, port] = [household.newFolder('s'), await freePort()];
    writeFileSync(path.join(folder, 'users'), '"postgres" ""\n');
    writeFileSync(path.join(folder, 'ini'), configuration(origin.port, port, folder));
    const version = /PgBouncer (\S+)/.exec(await household.run(binary, ['--version']))?.[1] ?? '?';
    const child = household.spawn('pgbouncer', binary, [path.join(folder, 'ini')], { asService: true });
    await untilReady(child, () => accepts(port));
    return {
      name: 'pgbouncer',
      version: `pgbouncer ${version}`,
      child,
      port,
      unixFolder: folder,
      stop: () => child.end('SIGINT'),
    };
  },
};
