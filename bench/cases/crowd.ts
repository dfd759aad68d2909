/** Ten thousand clients that are logged in and say nothing, and eight that work beside them. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchCase, type PeerSpec, type PgbenchLoad, type Sample, type Stage, targetOf } from '../case.ts';
import { accountsSql, pointSql } from '../data.ts';
import { memoryKib } from '../load/cpu.ts';
import { openSessions } from '../load/sessions.ts';
import { switchboard } from '../peers/node-server.ts';
import { pgfresh } from '../peers/pgfresh.ts';

const wanted = 10_000;
const settleMs = 2_000;
/** What a proxy needs beside two descriptors a session. */
const descriptorsBeside = 400;
const warmSeconds = 2;

/** As many as the limit of open files lets a proxy have, which child processes inherit. */
function crowdMax(): number {
  let limit = 1_024;
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    limit = Number(match?.[1] ?? limit);
  } catch {
    // No /proc: what most systems give a process.
  }
  return Math.min(wanted, Math.floor((limit - descriptorsBeside) / 2));
}

const crowdCount = crowdMax();

/** pgfresh whose idle clients have a stub for their origin; those that work have PostgreSQL. */
const beforeStub = (workers: number): PeerSpec => {
  const spec = pgfresh({ workers });
  return {
    ...spec,
    async start({ household, origin, database }) {
      const board = (await switchboard.start({ household, origin, database }))!;
      const url = (name: string): string => origin.url(name).replace(`:${origin.port}/`, `:${board.port}/`);
      try {
        const proxy = (await spec.start({ household, origin: { ...origin, url }, database }))!;
        return {
          ...proxy,
          async stop() {
            await proxy.stop();
            await board.stop();
          },
        };
      } catch (error) {
        await board.stop();
        throw error;
      }
    },
  };
};

const active: PgbenchLoad = { mode: 'prepared', clients: 8, transport: 'tcp', scripts: [{ sql: pointSql }] };

async function measure(stage: Stage): Promise<Sample> {
  const { peer, database, seconds, seed } = stage;
  const memory = (): number => memoryKib(peer.child!.pid) ?? Number.NaN;
  await stage.load(active, warmSeconds, seed + 1_000);
  const alone = await stage.load(active, seconds);
  const before = memory();
  const startMs = performance.now();
  const close = await openSessions(targetOf(peer, database, 'tcp'), crowdCount, 'idle');
  const loginSeconds = (performance.now() - startMs) / 1000;
  try {
    await delay(settleMs);
    const value = (memory() - before) / crowdCount;
    const beside = await stage.load(active, seconds);
    return {
      ...beside,
      value,
      extra: {
        'idle clients': crowdCount,
        'log-ins/s': crowdCount / loginSeconds,
        'tx/s of 8 alone': alone.value,
        'tx/s of 8 beside': beside.value,
        'beside / alone': beside.value / alone.value,
        'MiB in all': memory() / 1024,
      },
    };
  } finally {
    close();
    await delay(settleMs);
  }
}

export const crowd: BenchCase = {
  name: 'crowd',
  shows: `${crowdCount} idle clients (two descriptors each; as many as the limit of open files allows, up to ${wanted}) in front of a stub origin, since PostgreSQL has a process for each: memory per client, and what 8 clients with hits from a real PostgreSQL reach beside them.`,
  setup: accountsSql(),
  unit: 'memory',
  lifetime: 'measurement',
  roundsMax: 1,
  peers: ({ workers }) => workers.slice(-1).map(beforeStub),
  cells: [{ name: `${crowdCount} clients`, load: measure, secondsPlanned: 25 }],
};
