/** Peers that are small Node programs of the bench's own: started with the ports to use, they print "ready". */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerSpec } from '../case.ts';
import { freePort, untilReady } from '../household.ts';

function nodeServer(name: string, file: string): PeerSpec {
  return {
    name,
    async start({ household, origin }) {
      const [unixFolder, port] = [household.newFolder('s'), await freePort()];
      const certificate = await household.certificate();
      const child = household.spawn(name, process.execPath, [
        fileURLToPath(new URL(file, import.meta.url)),
        ...[String(port), path.join(unixFolder, `.s.PGSQL.${port}`), String(origin.port)],
        ...(certificate === null ? [] : [certificate.cert, certificate.key]),
      ]);
      await untilReady(child, () => child.lines.includes('ready'));
      return { name, child, port, unixFolder, stop: () => child.end() };
    },
  };
}

/** The least that a Node server can do: one constant answer to everything. */
export const floor = nodeServer('floor', './floor-server.ts');

/** Bytes in, bytes out: the least that a Node proxy can do. */
export const relay = nodeServer('relay', './relay-server.ts');

/** PostgreSQL for everybody, and for the user "idle" a stub. */
export const switchboard = nodeServer('switchboard', './switchboard-server.ts');
