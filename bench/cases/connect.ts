import type { BenchCase } from '../case.ts';
import { accountsSql, pointSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { floor, relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

export const connect: BenchCase = {
  name: 'connect',
  shows: 'A connection, one look-up by key, and the end of the connection, by 8 clients.',
  setup: accountsSql(),
  unit: 'rate',
  roundsMax: 3,
  peers: ({ workers }) => [direct, floor, relay, pgbouncer, pgpool, ...everyPgfresh(workers)],
  cells: (['tcp', 'unix', 'tls'] as const).map((transport) => ({
    name: `8 clients, ${transport}`,
    runsOn: (peer) => peer !== 'pgpool' || transport !== 'tls',
    load: { mode: 'simple', clients: 8, transport, scripts: [{ sql: pointSql }], reconnect: true },
  })),
};
