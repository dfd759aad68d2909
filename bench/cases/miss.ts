import { type BenchCase, modes } from '../case.ts';
import { accountsSql, newKeySql, warmSecondsOfMisses } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

export const miss: BenchCase = {
  name: 'miss',
  shows: 'Cacheable statements that were never asked before: what the cache costs when it does not help.',
  setup: accountsSql(),
  unit: 'rate',
  peers: ({ workers, quick }) =>
    quick
      ? [direct, relay, pgbouncer, ...everyPgfresh(workers.slice(0, 1))]
      : [direct, relay, pgbouncer, pgpool, ...everyPgfresh(workers)],
  cells: modes.map((mode) => ({
    name: `${mode}, 8 clients`,
    load: { mode, clients: 8, transport: 'tcp', scripts: [{ sql: newKeySql }] },
    quick: mode === 'prepared',
    warmSecondsMin: warmSecondsOfMisses,
  })),
};
