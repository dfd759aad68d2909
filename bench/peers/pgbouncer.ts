/** pgbouncer in session mode, from Debian, where installed. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PeerSpec } from '../case.ts';
import { accepts, type Certificate, freePort, untilReady } from '../household.ts';

const places = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'];

const tlsOf = (certificate: Certificate | null): string =>
  certificate === null
    ? ''
    : `client_tls_sslmode = allow\nclient_tls_cert_file = ${certificate.cert}\nclient_tls_key_file = ${certificate.key}\n`;

const configuration = (originPort: number, port: number, folder: string, certificate: Certificate | null): string => `
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
server_tls_sslmode = disable
${tlsOf(certificate)}`;

export const pgbouncer: PeerSpec = {
  name: 'pgbouncer',
  async start({ household, origin }) {
    const binary = places.find((place) => existsSync(place));
    if (binary === undefined) return null;
    const [folder, port] = [household.newFolder('s'), await freePort()];
    writeFileSync(path.join(folder, 'users'), '"postgres" ""\n');
    writeFileSync(path.join(folder, 'ini'), configuration(origin.port, port, folder, await household.certificate()));
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
