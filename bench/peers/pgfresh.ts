/** pgfresh as its users run it: the CLI in a process of its own. */
import { fileURLToPath } from 'node:url';
import type { FixedModel } from '../../src/shared/config.ts';
import type { Counters, PeerSpec, RunningPeer } from '../case.ts';
import { freePort, untilReady } from '../household.ts';
import { PauseWatch } from '../load/pauses.ts';
import { Profiles } from '../load/profiles.ts';

const pauseWatchFile = fileURLToPath(new URL('../pause-watch.ts', import.meta.url));
const profilerFile = fileURLToPath(new URL('../profile/preload.ts', import.meta.url));
const cliFile = fileURLToPath(new URL('../../bin/pgfresh.js', import.meta.url));
const startMsMax = 30_000;

export interface PgfreshOptions {
  readonly workers: number;
  /** Beside the workers; the defaults of pgfresh where absent. */
  readonly consistency?: string;
  readonly cacheMemory?: string;
  readonly entryMax?: string;
  /** `cache.max_staleness`. */
  readonly maxStaleness?: string;
  /** `--concurrency-model`. */
  readonly concurrency?: FixedModel;
  /** Threads can be broken on purpose: `RunningPeer.faults`. */
  readonly breakable?: true;
  /** Its threads tell how long they kept their event loops: `RunningPeer.pauses`. */
  readonly watched?: true;
  /** They can be profiled: `RunningPeer.profiles`. */
  readonly profiled?: true;
}

interface Status {
  readonly state: string;
  readonly cache: Counters;
  readonly cacheThread: { readonly generation: number };
}

async function readStatus(adminUrl: string): Promise<Status> {
  const response = await fetch(`${adminUrl}/status`, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as Status;
}

async function readCounters(adminUrl: string): Promise<Counters> {
  const { hits, misses, passthrough, entries, bytes } = (await readStatus(adminUrl)).cache;
  return { hits, misses, passthrough, entries, bytes };
}

function faultsOf(adminUrl: string): NonNullable<RunningPeer['faults']> {
  return {
    async inflict(kind) {
      const response = await fetch(`${adminUrl}/fault/${kind}`, { method: 'POST', signal: AbortSignal.timeout(5_000) });
      if (!response.ok) throw new Error(`fault ${kind}: ${await response.text()}`);
    },
    async liveGeneration() {
      const { state, cacheThread } = await readStatus(adminUrl);
      return state === 'live' ? cacheThread.generation : null;
    },
  };
}

/** "pgfresh-1", "pgfresh-1/session": the workers, then what differs from the defaults. */
export function pgfresh(options: PgfreshOptions): PeerSpec {
  const { workers, consistency, cacheMemory, entryMax, maxStaleness } = options;
  const { concurrency, breakable, watched, profiled } = options;
  const name = [`pgfresh-${workers}`, consistency, cacheMemory, maxStaleness, concurrency, profiled && 'profiled']
    .filter(Boolean)
    .join('/');
  return {
    name,
    streams: true,
    caches: true,
    async start({ household, origin, database }) {
      const unixFolder = household.newFolder('s');
      const [port, adminPort] = [await freePort(), await freePort()];
      const certificate = await household.certificate();
      const pauses = watched ? household.newFolder('pauses') : null;
      const profiles = profiled ? household.newFolder('profiles') : null;
      const args = [
        ...(pauses === null ? [] : [`--import=${pauseWatchFile}`]),
        ...(profiles === null ? [] : [`--import=${profilerFile}`]),
        ...[cliFile, 'serve', '--upstream', origin.url(database), '--listen', `127.0.0.1:${port}`],
        ...['--listen-unix', unixFolder, '--admin', `127.0.0.1:${adminPort}`, '--workers', String(workers)],
        ...['--log-level', 'warn', ...(consistency === undefined ? [] : ['--consistency', consistency])],
        ...(cacheMemory === undefined ? [] : ['--cache-memory', cacheMemory]),
        ...(entryMax === undefined ? [] : ['--cache-max-entry', entryMax]),
        ...(maxStaleness === undefined ? [] : ['--cache-max-staleness', maxStaleness]),
        ...(concurrency === undefined ? [] : ['--concurrency-model', concurrency]),
        ...(breakable ? ['--faults', 'admin'] : []),
        ...(certificate === null ? [] : ['--tls-cert', certificate.cert, '--tls-key', certificate.key]),
      ];
      const env: Record<string, string> = {
        ...(pauses === null ? {} : { PGFRESH_PAUSES: pauses }),
        ...(profiles === null ? {} : { PGFRESH_PROFILE: profiles }),
      };
      const child = household.spawn(name, process.execPath, args, { env });
      const line = `pgfresh ready on 127.0.0.1:${port}`;
      await untilReady(child, () => child.lines.some((each) => each.includes(line)), startMsMax);
      return {
        name,
        child,
        port,
        unixFolder,
        counters: () => readCounters(`http://127.0.0.1:${adminPort}`),
        ...(breakable ? { faults: faultsOf(`http://127.0.0.1:${adminPort}`) } : {}),
        ...(pauses === null ? {} : { pauses: new PauseWatch(pauses) }),
        ...(profiles === null ? {} : { profiles: new Profiles(profiles) }),
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
