/** pgfresh as its users run it: the CLI in a process of its own. */
import { fileURLToPath } from 'node:url';
import type { Counters, PeerSpec } from '../case.ts';
import { freePort, untilReady } from '../household.ts';

const cliFile = fileURLToPath(new URL('../../bin/pgfresh.js', import.meta.url));
const startMsMax = 30_000;

export interface PgfreshOptions {
  readonly workers: number;
  /** Beside the workers; the defaults of pgfresh where absent. */
  readonly consistency?: string;
  readonly cacheMemory?: string;
  readonly entryMax?: string;
}

async function readCounters(adminUrl: string): Promise<Counters> {
  const response = await fetch(`${adminUrl}/status`, { signal: AbortSignal.timeout(5_000) });
  const { cache } = (await response.json()) as { cache: Counters };
  const { hits, misses, passthrough, entries, bytes } = cache;
  return { hits, misses, passthrough, entries, bytes };
}

/** "pgfresh-1", "pgfresh-1/session": the workers, then what differs from the defaults. */
export function pgfresh({ workers, consistency, cacheMemory, entryMax }: PgfreshOptions): PeerSpec {
  const name = [`pgfresh-${workers}`, consistency, cacheMemory].filter(Boolean).join('/');
  return {
    name,
    streams: true,
    caches: true,
    async start({ household, origin, database }) {
      const unixFolder = household.newFolder('s');
      const [port, adminPort] = [await freePort(), await freePort()];
      const child = household.spawn(name, process.execPath, [
        ...[cliFile, 'serve', '--upstream', origin.url(database), '--listen', `127.0.0.1:${port}`],
        ...['--listen-unix', unixFolder, '--admin', `127.0.0.1:${adminPort}`, '--workers', String(workers)],
        ...['--log-level', 'warn', ...(consistency === undefined ? [] : ['--consistency', consistency])],
        ...(cacheMemory === undefined ? [] : ['--cache-memory', cacheMemory]),
        ...(entryMax === undefined ? [] : ['--cache-max-entry', entryMax]),
      ]);
      const line = `pgfresh ready on 127.0.0.1:${port}`;
      await untilReady(child, () => child.lines.some((each) => each.includes(line)), startMsMax);
      return {
        name,
        child,
        port,
        unixFolder,
        counters: () => readCounters(`http://127.0.0.1:${adminPort}`),
        stop: () => child.end(),
      };
    },
  };
}

/** The defaults with each number of workers. */
export const everyPgfresh = (workers: readonly number[]): PeerSpec[] =>
  workers.map((count) => pgfresh({ workers: count }));

export const pgfreshOne = pgfresh({ workers: 1 });

export const isPgfresh = (peer: string): boolean => peer.startsWith('pgfresh');
