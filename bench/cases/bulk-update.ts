import pg from 'pg';
import type { BenchCase, CellResult, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql, pointSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { pgfresh, pgfreshOne } from '../peers/pgfresh.ts';

const rows = 1_000_000;
/** Of reading. The statement takes longer on most machines, and so does its way through the change stream. */
const seconds = 4;
const warmReads = 200;
const warmSeconds = 2;
/** Who can wait for what others write directly need not pass through while the stream is behind. */
const patient = pgfresh({ workers: 1, maxStaleness: '60s' });

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

type Moment = 'quiet' | 'during the UPDATE' | 'behind its commit';

/** Latency at the 99th percentile of reads of another table. */
async function measure(stage: Stage, moment: Moment): Promise<Sample> {
  await cacheBig(stage);
  // What is read is in the cache, too: while the stream is behind nothing is admitted.
  await stage.load(load, warmSeconds);
  const writer = await connect('127.0.0.1', stage.origin.port, stage.database);
  try {
    const startMs = performance.now();
    const changing = moment === 'quiet' ? null : writer.query('UPDATE big SET v = v + 1');
    const changed = changing?.then(() => performance.now() - startMs);
    // Its rows are sent to whoever follows when it has committed.
    if (moment === 'behind its commit') await changed;
    const sample = await stage.load(load, seconds);
    const changeMs = await changed;
    if (changeMs !== undefined) await writer.query('VACUUM big');
    return {
      ...sample,
      value: sample.latencyMs?.p99 ?? Number.NaN,
      extra: changeMs === undefined ? {} : { 'ms of the UPDATE': changeMs },
    };
  } finally {
    await writer.end();
  }
}

const cells: readonly Moment[] = ['quiet', 'during the UPDATE', 'behind its commit'];
const peers = [direct, pgfreshOne, patient];

function ratios(results: readonly CellResult[]) {
  const samplesOf = (moment: Moment, peer: string): readonly Sample[] =>
    results.find((cell) => cell.name === moment)?.samples.get(peer) ?? [];
  const median = (samples: readonly Sample[]): number =>
    samples.map(({ value }) => value).toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
  return peers.flatMap(({ name }) =>
    cells.slice(1).map((moment) => {
      const value = median(samplesOf(moment, name)) / median(samplesOf('quiet', name));
      return {
        name: `${name} ${moment}`,
        value,
        text: `p99 is ${value.toFixed(2)} × that of quiet`,
      };
    }),
  );
}

export const bulkUpdate: BenchCase = {
  name: 'bulk-update',
  shows:
    'Reads at the 99th percentile while one transaction changes a million rows of another table that is followed, too: while it runs, and while its rows are on the change stream.',
  setup: [
    ...accountsSql(),
    'CREATE TABLE big (id int PRIMARY KEY, v int NOT NULL)',
    `INSERT INTO big SELECT i, 0 FROM generate_series(1, ${rows}) AS i`,
  ],
  unit: 'time',
  lifetime: 'turn',
  roundsMax: 1,
  peers: () => peers,
  cells: cells.map((name) => ({
    name,
    load: (stage: Stage) => measure(stage, name),
    secondsPlanned: name === 'quiet' ? seconds : 3 * seconds,
  })),
  derive: ratios,
};
