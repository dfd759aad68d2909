import { setTimeout as delay } from 'node:timers/promises';
import { type BenchCase, type Sample, type Stage, targetOf } from '../case.ts';
import { copyIn, copyOut, pausedResult } from '../load/bulk.ts';
import { peakMib, resetPeak } from '../load/peak.ts';
import type { Target } from '../load/pgbench.ts';
import { openSessions } from '../load/sessions.ts';
import { relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';

const settleMs = 1_000;

type Move = (target: Target, megabytes: number) => Promise<void>;

/** The peak of the peer's resident memory above what it had when idle, while `move` runs. */
async function measure({ peer, database, quick }: Stage, move: Move, megabytes: number): Promise<Sample> {
  const target = targetOf(peer, database, 'tcp');
  (await openSessions(target, 1))();
  await delay(settleMs);
  if (peer.child === null) throw new Error('no process of its own');
  const idle = resetPeak(peer.child.pid);
  if (idle === null) throw new Error('the kernel keeps no peak here');
  const [startMs, amount] = [performance.now(), quick ? megabytes / 10 : megabytes];
  await move(target, amount);
  const seconds = (performance.now() - startMs) / 1000;
  return { value: peakMib(peer.child.pid) - idle, extra: { 'MiB idle': idle, 'MiB/s': amount / seconds } };
}

const cell = (name: string, move: Move, megabytes: number) => ({
  name,
  load: (stage: Stage) => measure(stage, move, megabytes),
  secondsPlanned: 6,
});

export const bulk: BenchCase = {
  name: 'bulk',
  shows:
    'One gigabyte of COPY each way, and a result of 500 MB to a reader that stops: the most memory resident above idle.',
  setup: ['CREATE TABLE sink (line text)'],
  unit: 'peak',
  lifetime: 'measurement',
  roundsMax: 1,
  peers: ({ workers }) => [relay, pgbouncer, ...everyPgfresh(workers)],
  cells: [
    cell('COPY 1 GB into the origin', copyIn, 1024),
    cell('COPY 1 GB out of it', copyOut, 1024),
    cell('500 MB to a reader that stops', pausedResult, 512),
  ],
};
