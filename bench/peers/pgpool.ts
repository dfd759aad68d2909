/** pgpool-II with its query cache in shared memory, from Debian, where installed. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PeerSpec } from '../case.ts';
import { accepts, freePort, untilReady } from '../household.ts';

const places = ['/usr/sbin/pgpool', '/usr/bin/pgpool', '/usr/local/bin/pgpool'];
/** One process a client; pgpool makes all of them at start. */
const clientsMax = 40;

interface Ports {
  readonly origin: number;
  readonly listen: number;
  readonly control: number;
}

/** `socket_dir` was renamed in 4.4. */
const configuration = ({ origin, listen, control }: Ports, folder: string, version: string): string => `
backend_clustering_mode = 'raw'
listen_addresses = '127.0.0.1'
port = ${listen}
pcp_port = ${control}
${Number.parseFloat(version) >= 4.4 ? 'unix_socket_directories' : 'socket_dir'} = '${folder}'
pcp_socket_dir = '${folder}'
pid_file_name = '${folder}/pid'
logdir = '${folder}'
memqcache_oiddir = '${folder}/oid'
work_dir = '${folder}'
backend_hostname0 = '127.0.0.1'
backend_port0 = ${origin}
backend_weight0 = 1
backend_flag0 = 'ALLOW_TO_FAILOVER'
enable_pool_hba = off
num_init_children = ${clientsMax}
max_pool = 1
connection_cache = on
load_balance_mode = off
sr_check_period = 0
health_check_period = 0
memory_cache_enabled = on
memqcache_method = 'shmem'
memqcache_total_size = 128MB
memqcache_max_num_cache = 200000
memqcache_maxcache = 900kB
memqcache_cache_block_size = 1MB
memqcache_expire = 0
memqcache_auto_cache_invalidation = on
log_min_messages = warning
`;

export const pgpool: PeerSpec = {
  name: 'pgpool',
  caches: true,
  async start({ household, origin }) {
    const binary = places.find((place) => existsSync(place));
    if (binary === undefined) return null;
    const folder = household.newFolder('s');
    const ports = { origin: origin.port, listen: await freePort(), control: await freePort() };
    const version = /version (\S+)/.exec(await household.run(binary, ['--version']))?.[1] ?? '?';
    const file = (name: string, text: string): string => {
      writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const main = file('conf', configuration(ports, folder, version));
    const child = household.spawn(
      'pgpool',
      binary,
      ['-n', '-f', main, '-a', file('hba', ''), '-F', file('pcp', ''), '-k', file('key', '')],
      { asService: true },
    );
    await untilReady(child, () => accepts(ports.listen));
    return {
      name: 'pgpool',
      version: `pgpool-II ${version}`,
      child,
      port: ports.listen,
      unixFolder: folder,
      stop: () => child.end('SIGINT'),
    };
  },
};
