// ADR-025: a node that takes what another one has left in Redis is judged as any other, while both hear of changes sooner or later than each other. The
// other one reads the same keys all the time, so that what lies there is of all ages.
import { afterEach, expect, inject, it } from 'vitest';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { lateness } from './lateness.ts';
import { announceSeed, type Random, seededRandom } from './random.ts';
import { parameterValue, readForms, schemaSql } from './schema.ts';
import { connectPg } from './session.ts';
import { startWorkload } from './workload.ts';

const maxStalenessMs = 1_000;
const READS = 4_000;

let database: Awaited<ReturnType<typeof createDatabase>> | undefined;
let stream: DelayedStream | undefined;
let nodes: Pgfresh[] = [];

async function cleanUp(): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
  await stream?.close();
  await database?.drop();
  [database, stream, nodes] = [undefined, undefined, []];
}
afterEach(cleanUp);

/** Reads at random until it is told to stop, in the simple protocol as the judged sessions do. */
async function keepReading(url: string, random: Random, isOver: () => boolean): Promise<void> {
  const client = await connectPg(url);
  while (!isOver()) {
    const form = readForms[random.below(readForms.length)]!;
    const protocol = client.protocols[random.below(client.protocols.length)]!;
    await client.read(form, parameterValue(form, random.skewed(form.parameters)), protocol);
  }
  await client.close();
}

interface Found {
  /** Answers that nobody should have been given, and those that the origin gives otherwise when all is at rest. */
  readonly wrong: readonly unknown[];
  readonly taken: number;
}

async function check(seed: number, faults: string): Promise<Found> {
  database = await createDatabase(inject('pg18'), schemaSql);
  const random = seededRandom(seed);
  stream = await startDelayedStream(database.url, { delayMs: lateness(random.fork(2), 200) });
  const redis: RedisServer = await startRedis();
  const shared = [
    '--tier2-redis',
    redis.url,
    '--tier2-min-cost',
    '0',
    '--tier2-timeout',
    '1s',
    '--cache-in-place',
    'off',
  ];
  const upstream = database.url;
  const env = { PGFRESH_FAULTS: faults };
  nodes = await Promise.all([
    startPgfresh({ upstream, workers: 1, args: [...shared, '--cdc-url', stream.url], env }),
    startPgfresh({ upstream, workers: 1, args: shared }),
  ]);
  const [judged, other] = nodes as [Pgfresh, Pgfresh];
  let isOver = false;
  const reading = [3, 4].map((label) => keepReading(other.url, random.fork(label), () => isOver));
  const workload = await startWorkload({
    ...{ pgfreshUrl: judged.url, originUrl: upstream, seed, level: 'strong', maxStalenessMs, reads: READS },
    ...{ sessions: 6, pipelinedSessions: 0, writeShare: 0.03, directWriters: 1, directWritePauseMs: 20 },
  });
  const { history, errors } = workload;
  const watch = setInterval(() => history.violations.length > 0 && workload.finish(), 20);
  await workload.done;
  clearInterval(watch);
  isOver = true;
  await Promise.all(reading);
  const { differences } = history.violations.length > 0 ? { differences: [] } : await workload.converge();
  await workload.close();
  expect(errors).toEqual([]);
  const { tier2 } = (await judged.status()) as unknown as { tier2: { lookups: { taken: number; refused: number } } };
  process.stdout.write(`two nodes: ${history.answersChecked} answers judged, ${JSON.stringify(tier2.lookups)}\n`);
  return { wrong: [...history.violations, ...differences], taken: tier2.lookups.taken };
}

it('what another node has left is as right as what the origin says', async () => {
  const { wrong, taken } = await check(announceSeed('two nodes'), '');
  expect(wrong).toEqual([]);
  expect(taken).toBeGreaterThan(READS / 400);
}, 120_000);

it('it is not where a node takes it for as new as what it knows itself', async () => {
  const seed = announceSeed('two nodes without the order of snapshots');
  for (let more = 0; more < 5; more++) {
    const { wrong } = await check(seed + more, 'shared');
    if (wrong.length > 0) return;
    await cleanUp();
  }
  expect.fail('nothing was found');
}, 240_000);
