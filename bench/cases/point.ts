import { type BenchCase, type Cell, type Mode, modes, type PeerSpec, type Transport } from '../case.ts';
import { accountsSql, pointSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { floor, relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

const clientCounts = [1, 8, 32, 128];
const transports: readonly Transport[] = ['tcp', 'unix', 'tls'];
/** pgpool has a process for each client, and not so many (peers/pgpool.ts). */
const crowd = 128;
/** What the targets are about (8 and 32 clients over TCP) is measured in every round and for longer, the rest in fewer. */
const secondsOfTargets = 2;
const roundsElsewhere = (clients: number, transport: Transport): number =>
  clients === 1 && transport === 'tcp' ? 3 : 2;

/** Over TCP everybody, as far as it says something; elsewhere the two ends of the scale and pgfresh with all its workers. */
function isPeerOf(peer: string, clients: number, transport: Transport, most: string): boolean {
  if (transport !== 'tcp') return peer === 'direct' || peer === 'floor' || peer === most;
  if (peer === 'pgpool') return clients < crowd;
  return peer !== 'relay' || clients === 8;
}

const allPeers = (workers: readonly number[]): PeerSpec[] => [
  ...[direct, floor, relay, pgbouncer, pgpool],
  ...everyPgfresh(workers),
];

const cell = (mode: Mode, clients: number, transport: Transport): Cell => ({
  name: `${mode}, ${clients} ${clients === 1 ? 'client' : 'clients'}, ${transport}`,
  load: { mode, clients, transport, scripts: [{ sql: pointSql }] },
  quick: clients === 8 && transport === 'tcp',
  runsOn: (peer, options) => isPeerOf(peer, clients, transport, `pgfresh-${options.workers.at(-1)}`),
  ...(transport === 'tcp' && (clients === 8 || clients === 32)
    ? { secondsMin: secondsOfTargets }
    : { roundsMax: roundsElsewhere(clients, transport) }),
});

export const point: BenchCase = {
  name: 'point',
  shows:
    'A row by its primary key, out of 1,000 keys that are all cached: what a hit costs beside every other way to get the row.',
  setup: accountsSql(),
  unit: 'rate',
  peers: ({ workers, quick }) =>
    quick ? [direct, floor, pgbouncer, pgpool, ...everyPgfresh(workers.slice(0, 1))] : allPeers(workers),
  cells: transports.flatMap((transport) =>
    modes.flatMap((mode) => clientCounts.map((clients) => cell(mode, clients, transport))),
  ),
};
