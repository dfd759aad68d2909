import { type BenchCase, type Cell, type Mode, modes, type Transport } from '../case.ts';
import { accountsSql, pointSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { floor, relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

const clientCounts = { tcp: [1, 8, 32, 128], unix: [1, 8, 32] };

const cell = (mode: Mode, clients: number, transport: Transport): Cell => ({
  name: `${mode}, ${clients} ${clients === 1 ? 'client' : 'clients'}, ${transport}`,
  load: { mode, clients, transport, scripts: [{ sql: pointSql }] },
  quick: clients === 8 && transport === 'tcp',
});

export const point: BenchCase = {
  name: 'point',
  shows:
    'A row by its primary key, out of 1,000 keys that are all cached: what a hit costs beside every other way to get the row.',
  setup: accountsSql(),
  unit: 'rate',
  peers: ({ workers, quick }) =>
    quick
      ? [direct, floor, pgbouncer, pgpool, ...everyPgfresh(workers.slice(0, 1))]
      : [direct, floor, relay, pgbouncer, pgpool, ...everyPgfresh(workers)],
  cells: (['tcp', 'unix'] as const).flatMap((transport) =>
    modes.flatMap((mode) => clientCounts[transport].map((clients) => cell(mode, clients, transport))),
  ),
};
