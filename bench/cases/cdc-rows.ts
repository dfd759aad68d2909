import pg from 'pg';
import type { BenchCase, Sample, Stage } from '../case.ts';
import { applyChanges, changedTableSql, type Drained, drainAlone, type Origin } from '../load/change-stream.ts';
import { direct } from '../peers/direct.ts';

async function measure({ origin, database }: Stage, drain: (from: Origin) => Promise<Drained>): Promise<Sample> {
  const client = new pg.Client({ connectionString: origin.url(database) });
  await client.connect();
  try {
    const { rowsPerSecond, own } = await drain({ port: origin.port, database, client });
    // Dead rows of this change would make the next one slower.
    await client.query('VACUUM big');
    return {
      value: rowsPerSecond,
      extra: own === null ? {} : { 'µs of processor a row': own.cpuUs, 'ms of the longest turn': own.stallMs },
    };
  } finally {
    await client.end();
  }
}

const ways: readonly (readonly [name: string, drain: (from: Origin) => Promise<Drained>])[] = [
  ['pg_recvlogical to /dev/null', drainAlone],
  ...[0, 10_000, 1_000_000].map(
    (entries) =>
      [`applied to ${entries.toLocaleString('en')} entries`, (from: Origin) => applyChanges(from, entries)] as const,
  ),
];

export const cdcRows: BenchCase = {
  name: 'cdc-rows',
  shows:
    'Rows per second of one committed UPDATE of 200,000, from its acknowledgement to the last row: drained by pg_recvlogical, and applied by the cache thread of pgfresh, by the number of entries of that table.',
  setup: changedTableSql,
  unit: 'rows',
  roundsMax: 3,
  peers: () => [direct],
  cells: ways.map(([name, drain]) => ({
    name,
    load: (stage: Stage) => measure(stage, drain),
    cold: true,
    secondsPlanned: 8,
  })),
};
