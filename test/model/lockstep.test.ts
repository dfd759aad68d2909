import { afterEach, expect, inject, it } from 'vitest';
import { type DelayedStream, startDelayedStream } from '../support/delayed-stream.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { authorSchemaSql } from './author.ts';
import { lateness } from './lateness.ts';
import { runLockstep } from './lockstep.ts';
import { announceSeed, seededRandom } from './random.ts';

let database: Awaited<ReturnType<typeof createDatabase>> | undefined;
let stream: DelayedStream | undefined;
let pgfresh: Pgfresh | undefined;

async function cleanUp(): Promise<void> {
  await pgfresh?.stop();
  await stream?.close();
  await database?.drop();
  [database, stream, pgfresh] = [undefined, undefined, undefined];
}
afterEach(cleanUp);

async function run(
  seed: number,
  faults: string | null,
): Promise<{ hits: number; compared: number; differences: string[] }> {
  database = await createDatabase(inject('pg18'), authorSchemaSql);
  stream = await startDelayedStream(database.url, { delayMs: lateness(seededRandom(seed).fork(2), 1_000) });
  const env = faults === null ? {} : { PGFRESH_FAULTS: faults };
  pgfresh = await startPgfresh({ upstream: database.url, args: ['--cdc-url', stream.url], env });
  const result = await runLockstep({
    ...{ pgfreshUrl: pgfresh.url, originUrl: database.url, seed, answers: 3_000, sessions: 4, statements: 40 },
    ...{ ddlShare: 0.04 },
  });
  return { ...result, hits: (await pgfresh.status()).cache.hits };
}

it('random statements are answered as the origin answers them, after every change', async () => {
  const { differences, compared, hits } = await run(announceSeed('lockstep'), null);
  expect(differences).toEqual([]);
  process.stdout.write(`lockstep: ${compared} answers compared, ${hits} hits\n`);
  expect(hits).toBeGreaterThan(compared / 50);
}, 120_000);

it('answers differ when fences are switched off', async () => {
  const seed = announceSeed('lockstep without fences');
  // Whether one run meets the moment is a matter of timing.
  for (let more = 0; more < 5; more++) {
    const { differences } = await run(seed + more, 'fence');
    if (differences.length > 0) return;
    await cleanUp();
  }
  expect.fail('nothing was found');
}, 240_000);
