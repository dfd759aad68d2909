/** What is going on, gathered from the threads: the document of `/status`, the numbers of `/metrics`, the log line of each minute. */
import type { Clock } from '../../shared/clock.ts';
import type { Config } from '../../shared/config.ts';
import { toError } from '../../shared/errors.ts';
import type { CacheStatus, ReasonExamples } from '../../shared/messages.ts';
import { type PinReason, type Reason, Reasons } from '../../shared/reasons.ts';
import { Remedies } from '../../shared/remedies.ts';
import type { Plan } from '../concurrency.ts';
import type { Dispatcher, QueueReport } from '../dispatcher.ts';
import type { Listener } from '../listener.ts';
import type { CacheView, Supervisor } from '../supervisor.ts';
import { version } from '../version.ts';
import { History } from './history.ts';
import { type Rate, Rates } from './rates.ts';

/** Keys are stable: people build on them (design §10). */
export interface StatusDocument {
  readonly version: string;
  readonly state: CacheView['state'];
  readonly uptimeMs: number;
  readonly consistency: string;
  readonly cache: Readonly<Record<CacheNumber | 'hits' | 'misses' | 'passthrough', number>>;
  readonly cdc: Omit<CacheStatus['cdc'], 'state'> & { readonly state: CacheStatus['cdc']['state'] | 'down' };
  /** The databases that are followed, that of `--upstream` first. */
  readonly databases: CacheStatus['databases'];
  readonly workers: ReturnType<Supervisor['workers']>;
  readonly cacheThread: { readonly generation: number; readonly restarts: number };
  readonly connections: { readonly accepted: number; readonly refused: number } & QueueReport;
  readonly concurrency: Pick<Plan, 'tcp' | 'unix'> & { readonly threads: number; readonly moved: number };
  /** Connections to the origin that sessions share (pool.mode = transaction). */
  readonly pool: PoolReport;
  /** What other nodes share with this one; null: it is alone. */
  readonly tier2: CacheStatus['tier2'];
  /** Of the last two seconds or so. */
  readonly rates: { readonly all: Rate; readonly workers: readonly ({ readonly id: number } & Rate)[] };
  /** Statements that the cache thread had to parse. */
  readonly analysed: number;
  readonly tables: {
    readonly published: readonly string[];
    readonly uncacheable: CacheStatus['uncacheableTables'];
    readonly imprecise: CacheStatus['impreciseTables'];
  };
  readonly reasons: Readonly<Partial<Record<Reason, number>>>;
  /** For each of these reasons what it means, what can be done, and one statement that met it, without its constants. */
  readonly reasonDetails: Readonly<Partial<Record<Reason, ReasonDetail>>>;
}

/** Of all workers; waits are in milliseconds in all. */
interface PoolReport {
  readonly mode: Config['pool']['mode'];
  readonly connections: { readonly idle: number; readonly active: number; readonly pinned: number };
  readonly waiting: number;
  readonly waits: number;
  readonly waitMs: number;
  readonly timeouts: number;
  /** How often sessions kept their connection, by reason. */
  readonly pins: Readonly<Partial<Record<PinReason, number>>>;
}

interface ReasonDetail {
  readonly meaning: string;
  readonly remedy: string | null;
  readonly example: string | null;
}

const cacheNumbers = [
  'entries',
  'bytes',
  'bytesMax',
  'admitted',
  'rejected',
  'invalidated',
  'corrected',
  'refreshed',
  'evicted',
  'pinnedEntries',
  'pinnedBytes',
] as const;
type CacheNumber = (typeof cacheNumbers)[number];

const downCdc: StatusDocument['cdc'] = {
  ...{ state: 'down', problem: null, appliedLsn: '0/0', lagBytes: 0 },
  ...{ freshAsOfMs: -1, rounds: 0, transactions: 0, rows: 0 },
};

/** A status is asked for at most this often, however many ask. */
export const statusAgeMsMax = 250;
const statusMsMax = 2_000;

export interface ReporterParts {
  readonly supervisor: Supervisor;
  readonly dispatcher: Dispatcher;
  readonly listener: Listener;
  readonly config: Config;
  readonly plan: Plan;
  readonly clock: Clock;
  readonly startedMs: number;
}

export interface MinuteLine {
  /** Share of statements answered from the cache in this minute, 0–1; null when there were none. */
  readonly hitRatio: number | null;
  readonly hits: number;
  readonly misses: number;
  readonly passthrough: number;
  readonly sessions: number;
  readonly entries: number;
  readonly bytes: number;
  readonly state: CacheView['state'];
}

type Answered = Readonly<Record<'hits' | 'misses' | 'passthrough', number>>;

export class Reporter {
  readonly #parts: ReporterParts;
  #asked: { readonly atMs: number; readonly status: Promise<CacheStatus | Error> } | undefined;
  readonly history: History;
  readonly #rates: Rates;
  #lastMinute: Answered = { hits: 0, misses: 0, passthrough: 0 };

  constructor(parts: ReporterParts) {
    this.#parts = parts;
    this.history = new History(() => this.#answered());
    this.#rates = new Rates(parts.supervisor.counters, parts.clock);
  }

  /** To be called every `historyStepMs`. */
  sample(): void {
    this.history.sample();
    this.#rates.sample(this.#parts.supervisor.workers().map(({ id }) => id - 1));
  }

  accepting(): boolean {
    return this.#parts.listener.accepting() && this.#parts.supervisor.workersRunning() > 0;
  }

  async status(): Promise<StatusDocument> {
    const { supervisor, dispatcher, config, plan, clock, startedMs } = this.#parts;
    const [status, examples] = await Promise.all([this.cacheStatus(), supervisor.examples(statusMsMax)]);
    const known = status instanceof Error ? undefined : status;
    const { state, generation, restarts } = supervisor.cache();
    const reasons = this.#reasons(known);
    const numbers = Object.fromEntries(cacheNumbers.map((name) => [name, known?.[name] ?? 0]));
    return {
      ...{ version, state, uptimeMs: Math.round(clock.nowMs() - startedMs), consistency: config.consistency },
      cache: { ...(numbers as Record<CacheNumber, number>), ...this.#answered() },
      cdc: known === undefined ? { ...downCdc, problem: await this.problem() } : { ...known.cdc },
      databases: known?.databases ?? [],
      workers: supervisor.workers(),
      cacheThread: { generation, restarts },
      connections: { accepted: dispatcher.accepted, refused: dispatcher.refused, ...dispatcher.queue() },
      concurrency: {
        tcp: plan.tcp,
        unix: plan.unix,
        threads: supervisor.workersRunning(),
        moved: supervisor.balancer?.moved ?? 0,
      },
      pool: this.#pool(),
      tier2: known?.tier2 ?? null,
      rates: {
        all: this.#rates.of('all'),
        workers: supervisor.workers().map(({ id }) => ({ id, ...this.#rates.of(id - 1) })),
      },
      analysed: known?.analysed ?? 0,
      tables: {
        published: known?.publishedTables ?? [],
        uncacheable: known?.uncacheableTables ?? [],
        imprecise: known?.impreciseTables ?? [],
      },
      ...{ reasons, reasonDetails: detailsOf(reasons, { ...known?.examples, ...examples }) },
    };
  }

  /** Why the cache is not live and what to do about it; null while it is, or is on its way. */
  async problem(): Promise<string | null> {
    const status = await this.cacheStatus();
    if (!(status instanceof Error)) return status.cdc.problem;
    return this.#parts.supervisor.cache().state === 'starting' ? null : status.message;
  }

  /** The cache thread's own account, or why it gave none. Shared by everybody who asks within a moment. */
  async cacheStatus(): Promise<CacheStatus | Error> {
    const { supervisor, clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (this.#asked === undefined || nowMs - this.#asked.atMs > statusAgeMsMax) {
      this.#asked = { atMs: nowMs, status: supervisor.cacheStatus(statusMsMax).catch(toError) };
    }
    return this.#asked.status;
  }

  async minute(): Promise<MinuteLine> {
    const { supervisor } = this.#parts;
    const answered = this.#answered();
    const hits = answered.hits - this.#lastMinute.hits;
    const misses = answered.misses - this.#lastMinute.misses;
    const passthrough = answered.passthrough - this.#lastMinute.passthrough;
    this.#lastMinute = answered;
    const all = hits + misses + passthrough;
    const status = await this.cacheStatus();
    const { entries, bytes } = status instanceof Error ? { entries: 0, bytes: 0 } : status;
    return {
      hitRatio: all === 0 ? null : Math.round((hits / all) * 1e4) / 1e4,
      ...{ hits, misses, passthrough, sessions: supervisor.counters.total('sessionsOpen'), entries, bytes },
      state: supervisor.cache().state,
    };
  }

  #answered(): Answered {
    const { counters } = this.#parts.supervisor;
    return {
      hits: counters.total('hits'),
      misses: counters.total('misses'),
      passthrough: counters.total('passthrough'),
    };
  }

  #pool(): PoolReport {
    const { supervisor, config } = this.#parts;
    const { counters } = supervisor;
    return {
      mode: config.pool.mode,
      connections: {
        idle: counters.total('poolIdle'),
        active: counters.total('poolActive'),
        pinned: counters.total('poolPinned'),
      },
      waiting: counters.total('poolWaiting'),
      waits: counters.total('poolWaits'),
      waitMs: Math.round(counters.total('poolWaitMs')),
      timeouts: counters.total('poolTimeouts'),
      pins: counters.pins(),
    };
  }

  /** Workers count why statements passed through, the cache thread why answers were not admitted. */
  #reasons(status: CacheStatus | undefined): Partial<Record<Reason, number>> {
    const reasons = this.#parts.supervisor.counters.reasons();
    for (const [code, count] of Object.entries(status?.reasons ?? {}) as [Reason, number][]) {
      if (code.startsWith('fill.')) reasons[code] = (reasons[code] ?? 0) + count;
    }
    return reasons;
  }
}

function detailsOf(
  reasons: Readonly<Partial<Record<Reason, number>>>,
  examples: ReasonExamples,
): Partial<Record<Reason, ReasonDetail>> {
  const details = (Object.keys(reasons) as Reason[]).map((code): [Reason, ReasonDetail] => [
    code,
    { meaning: Reasons[code], remedy: Remedies[code] ?? null, example: examples[code] ?? null },
  ]);
  return Object.fromEntries(details) as Partial<Record<Reason, ReasonDetail>>;
}
