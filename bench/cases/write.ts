import { type BenchCase, modes } from '../case.ts';
import { accountsSql, updateSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';

export const write: BenchCase = {
  name: 'write',
  shows:
    'Updates of one row each, on a table without cached answers: relay, fences and the reading of the change stream.',
  setup: accountsSql(),
  unit: 'rate',
  lifetime: 'turn',
  roundsMax: 3,
  peers: () => [direct, relay, pgbouncer, pgfreshOne],
  cells: modes.map((mode) => ({
    name: `${mode}, 8 clients`,
    load: { mode, clients: 8, transport: 'tcp', scripts: [{ sql: updateSql() }] },
  })),
};
