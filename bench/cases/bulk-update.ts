import pg from 'pg';
import type { BenchCase, CellResult, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql, pointSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';

const rows = 1_000_000;
/** Of reading: the change and what follows from it for the change stream are over by then. */
const secondsMin = 10;
const warmReads = 200;

const load: PgbenchLoad = { mode: 'prepared', clients: 4, transport: 'tcp', scripts: [{ sql: pointSql }] };

async function connect(host: string, port: number, database: string): Promise<pg.Client> {
  const client = new pg.Client({ host, port, user: 'postgres', database });
  client.on('error', () => undefined); // whoever waits for a query is told too
  await client.connect();
  return client;
}

/** Answers about the table that will change are in the cache: its changes are on the stream. */
async function cacheBig({ peer, database }: Stage): Promise<void> {
  const client = await connect('127.0.0.1', peer.port, database);
  try {
    for (let i = 0; i < warmReads; i++) await client.query('SELECT v FROM big WHERE id = $1', [1 + (i % 10)]);
  } finally {
    await client.end();
  }
}

/** Latency at the 99th percentile of reads of another table. */
async function measure(stage: Stage, changing: boolean): Promise<Sample> {
  await cacheBig(stage);
  const writer = await connect('127.0.0.1', stage.origin.port, stage.database);
  try {
    const loading = stage.load(load, Math.max(secondsMin, stage.seconds));
    const startMs = performance.now();
    if (changing) await writer.query('UPDATE big SET v = v + 1');
    const changeMs = performance.now() - startMs;
    const sample = await loading;
    if (changing) await writer.query('VACUUM big');
    return {
      ...sample,
      value: sample.latencyMs?.p99 ?? Number.NaN,
      extra: changing ? { 'ms of the UPDATE': changeMs } : {},
    };
  } finally {
    await writer.end();
  }
}

const cells = ['quiet', 'during an UPDATE of a million rows'] as const;

function ratios(results: readonly CellResult[]) {
  const [quiet, changing] = cells.map((name) => results.find((cell) => cell.name === name)?.samples);
  const median = (samples: readonly Sample[] | undefined): number =>
    (samples ?? []).map(({ value }) => value).toSorted((a, b) => a - b)[(samples ?? []).length >> 1] ?? Number.NaN;
  return [direct.name, pgfreshOne.name].map((peer) => {
    const value = median(changing?.get(peer)) / median(quiet?.get(peer));
    return { name: peer, value, text: `p99 of ${peer} is ${value.toFixed(2)} × that of quiet` };
  });
}

export const bulkUpdate: BenchCase = {
  name: 'bulk-update',
  shows:
    'Reads at the 99th percentile while one transaction changes a million rows of another table that is followed, too.',
  setup: [
    ...accountsSql(),
    'CREATE TABLE big (id int PRIMARY KEY, v int NOT NULL)',
    `INSERT INTO big SELECT i, 0 FROM generate_series(1, ${rows}) AS i`,
  ],
  unit: 'time',
  lifetime: 'turn',
  roundsMax: 2,
  peers: () => [direct, pgfreshOne],
  cells: cells.map((name) => ({
    name,
    load: (stage: Stage) => measure(stage, name !== 'quiet'),
    secondsPlanned: secondsMin,
  })),
  derive: ratios,
};
