import { type BenchCase, modes } from '../case.ts';
import { accountsSql, uncacheableSql, warmSecondsOfMisses } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';

export const passthrough: BenchCase = {
  name: 'passthrough',
  shows: 'Statements with a volatile function, which are never cached: what the proxy costs as such.',
  setup: accountsSql(),
  unit: 'rate',
  peers: ({ workers, quick }) => [direct, relay, pgbouncer, ...everyPgfresh(quick ? workers.slice(0, 1) : workers)],
  cells: modes.map((mode) => ({
    name: `${mode}, 8 clients`,
    load: { mode, clients: 8, transport: 'tcp', scripts: [{ sql: uncacheableSql }] },
    quick: mode === 'prepared',
    warmSecondsMin: warmSecondsOfMisses,
  })),
};
