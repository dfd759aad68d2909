import pg from 'pg';
import type { BenchCase, PeerSpec, Sample, Stage } from '../case.ts';
import { applyChanges, changedTableSql, drainAlone } from '../load/change-stream.ts';
import { direct } from '../peers/direct.ts';

/** The cache thread's parts in the bench's own process, where they can be counted. */
const applied: PeerSpec = {
  name: 'pgfresh, applied',
  start: async (site) => {
    const running = await direct.start(site);
    return running === null ? null : { ...running, name: 'pgfresh, applied' };
  },
};

async function measure({ origin, peer, database }: Stage, entries: number): Promise<Sample> {
  const client = new pg.Client({ connectionString: origin.url(database) });
  await client.connect();
  const from = { port: origin.port, database, client };
  try {
    const { rowsPerSecond, own } = await (peer.name === applied.name ? applyChanges(from, entries) : drainAlone(from));
    // Dead rows of this change would make the next one slower.
    await client.query('VACUUM big');
    const extra = own === null ? {} : { 'µs of processor a row': own.cpuUs, 'ms of the longest turn': own.stallMs };
    return { value: rowsPerSecond, extra };
  } finally {
    await client.end();
  }
}

export const cdcRows: BenchCase = {
  name: 'cdc-rows',
  shows:
    'Rows per second of one committed UPDATE of 200,000, from its acknowledgement to the last row: drained by pg_recvlogical (direct), and applied by the cache thread of pgfresh, by the number of entries of that table.',
  setup: changedTableSql,
  unit: 'rows',
  roundsMax: 2,
  peers: () => [direct, applied],
  cells: [0, 10_000, 1_000_000].map((entries) => ({
    name: `${entries.toLocaleString('en')} entries`,
    load: (stage: Stage) => measure(stage, entries),
    cold: true,
    secondsPlanned: 4,
  })),
};
