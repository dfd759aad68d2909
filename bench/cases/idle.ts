import { setTimeout as delay } from 'node:timers/promises';
import { type BenchCase, type Sample, type Stage, targetOf } from '../case.ts';
import { accountsSql } from '../data.ts';
import { memoryKib } from '../load/cpu.ts';
import { openSessions } from '../load/sessions.ts';
import { direct } from '../peers/direct.ts';
import { relay } from '../peers/node-server.ts';
import { pgbouncer } from '../peers/pgbouncer.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';

const settleMs = 500;

/** Memory that `count` idle sessions add, per session: the figure is the peer's own, PostgreSQL's behind it stands beside. */
export async function measureIdle({ peer, origin, database }: Stage, count: number): Promise<Sample> {
  const memory = (): { peer: number; origin: number } => ({
    peer: peer.child === null ? 0 : (memoryKib(peer.child.pid) ?? Number.NaN),
    origin: memoryKib(origin.pid) ?? Number.NaN,
  });
  const target = targetOf(peer, database, 'tcp');
  const closeFirst = await openSessions(target, 1); // what only the first session costs is not counted
  const before = memory();
  const close = await openSessions(target, count);
  await delay(settleMs);
  const after = memory();
  close();
  closeFirst();
  await delay(settleMs);
  const inOrigin = (after.origin - before.origin) / count;
  const inPeer = (after.peer - before.peer) / count;
  return {
    value: peer.child === null ? inOrigin : inPeer,
    extra: peer.child === null ? {} : { 'KiB in PostgreSQL behind it': inOrigin },
  };
}

export const idle: BenchCase = {
  name: 'idle',
  shows:
    'Sessions that are logged in and idle: memory per session (shared pages in proportion), in PostgreSQL and in the proxies.',
  setup: accountsSql(),
  unit: 'memory',
  lifetime: 'measurement',
  roundsMax: 1,
  peers: ({ workers }) => [direct, relay, pgbouncer, ...everyPgfresh(workers)],
  cells: [500].map((count) => ({
    name: `${count} sessions`,
    load: (stage: Stage) => measureIdle(stage, count),
    secondsPlanned: 4,
  })),
};
