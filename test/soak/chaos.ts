/** Trouble while the checker is at work: threads that die, streams that are cut, tables that change under the statements. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../model/random.ts';
import { rowsOf } from '../support/origin-state.ts';
import type { Pgfresh } from '../support/pgfresh.ts';
import { run } from '../support/postgres.ts';
import { walsenders } from '../support/schedule.ts';

/** None of these changes what a key's committed states are. */
const ddl: readonly string[] = [
  'ALTER TABLE item ADD COLUMN IF NOT EXISTS extra int DEFAULT 1',
  'ALTER TABLE item DROP COLUMN IF EXISTS extra',
  'CREATE INDEX IF NOT EXISTS item_bucket ON item (bucket); DROP INDEX IF EXISTS item_bucket',
  'ALTER TABLE linked REPLICA IDENTITY FULL',
  'ALTER TABLE linked REPLICA IDENTITY DEFAULT',
  'CREATE TABLE IF NOT EXISTS passing (id int PRIMARY KEY); DROP TABLE IF EXISTS passing',
  'VACUUM item',
];
/** The table is never empty for anybody: the writers of all its rows wait meanwhile. */
const truncate = `BEGIN; LOCK TABLE linked IN EXCLUSIVE MODE; TRUNCATE coming;
  INSERT INTO coming SELECT id, version FROM linked WHERE version % 2 = 1; COMMIT`;

export interface Chaos {
  /** How often each kind happened. */
  readonly counts: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

async function retrying(url: string, sql: string): Promise<void> {
  // Locks are taken in other orders than the sessions take them: a deadlock ends one of the two, and must be us.
  await run(url, `SET lock_timeout = '300ms'; SET deadlock_timeout = '100ms'`).catch(() => undefined);
  for (const each of sql.includes('BEGIN') ? [sql] : sql.split('; ')) {
    await run(url, `SET lock_timeout = '300ms'`).catch(() => undefined);
    await run(url, each).catch(() => undefined);
  }
}

export function startChaos(pgfresh: Pgfresh, originUrl: string, random: Random, pauseMs: number): Chaos {
  const counts = new Map<string, number>();
  let running = true;
  const acts: Readonly<Record<string, () => Promise<void>>> = {
    'cache thread dead': () => pgfresh.fault(['cache-throw', 'cache-exit', 'cache-block'][random.below(3)]!),
    'worker dead': () => pgfresh.fault('worker-exit'),
    'stream cut': async () => {
      for (const pid of await walsenders(originUrl)) await rowsOf(originUrl, `SELECT pg_terminate_backend(${pid})`);
    },
    DDL: () => retrying(originUrl, ddl[random.below(ddl.length)]!),
    TRUNCATE: () => retrying(originUrl, truncate),
  };
  const names = Object.keys(acts);
  const loop = (async () => {
    while (running) {
      await delay(pauseMs * (0.5 + random.next()));
      if (!running) return;
      const name = names[random.below(names.length)]!;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      // Nobody to break, or nobody to answer: that is what this is for.
      await acts[name]!().catch(() => undefined);
    }
  })();
  return {
    counts,
    async stop() {
      running = false;
      await loop;
    },
  };
}

export const inWords = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort()
    .map(([name, count]) => `${name} ×${count}`)
    .join(', ');
