/** Prometheus metrics, read at the moment of the scrape. Names: pgfresh_*, base units, `_total` for what only rises. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Supervisor } from '../supervisor.ts';
import { poolFamilies } from './metrics-pool.ts';
import { tier2Families } from './metrics-tier2.ts';
import { type Family, type Sample, workerFamilies } from './metrics-workers.ts';
import type { Reporter, StatusDocument } from './report.ts';

const one = (read: (status: StatusDocument, supervisor: Supervisor) => number): Family['samples'] => {
  return (status, supervisor) => [[{}, read(status, supervisor)]];
};

const refreshReasons = ['refresh.failed', 'refresh.noSession', 'refresh.busy', 'refresh.needless'] as const;

const families: readonly Family[] = [
  {
    name: 'pgfresh_statements_total',
    help: 'Statements answered: from the cache (hit), by the origin though cacheable (miss), or passed through',
    labels: ['result'],
    samples: ({ cache }) => [
      [{ result: 'hit' }, cache.hits],
      [{ result: 'miss' }, cache.misses],
      [{ result: 'passthrough' }, cache.passthrough],
    ],
  },
  {
    name: 'pgfresh_reasons_total',
    help: 'Why statements were passed through and answers not admitted',
    labels: ['reason'],
    samples: ({ reasons }) => Object.entries(reasons).map(([reason, count]) => [{ reason }, count]),
  },
  {
    name: 'pgfresh_reason_example_info',
    help: 'One statement for each reason, without its constants, and what can be done',
    labels: ['reason', 'shape', 'remedy'],
    samples: ({ reasonDetails }) =>
      Object.entries(reasonDetails).flatMap(([reason, { example, remedy }]): Sample[] =>
        example === null ? [] : [[{ reason, shape: example, remedy: remedy ?? '' }, 1]],
      ),
  },
  {
    name: 'pgfresh_cache_live',
    help: '1 while statements can be answered from the cache',
    samples: one(({ state }) => (state === 'live' ? 1 : 0)),
  },
  { name: 'pgfresh_cache_entries', help: 'Answers in the cache', samples: one(({ cache }) => cache.entries) },
  { name: 'pgfresh_cache_bytes', help: 'Memory used by answers', samples: one(({ cache }) => cache.bytes) },
  { name: 'pgfresh_cache_bytes_max', help: 'Memory for answers', samples: one(({ cache }) => cache.bytesMax) },
  { name: 'pgfresh_cache_admitted_total', help: 'Answers taken in', samples: one(({ cache }) => cache.admitted) },
  { name: 'pgfresh_cache_rejected_total', help: 'Answers refused', samples: one(({ cache }) => cache.rejected) },
  {
    name: 'pgfresh_cache_invalidated_total',
    help: 'Answers removed because a change made them wrong',
    samples: one(({ cache }) => cache.invalidated),
  },
  {
    name: 'pgfresh_cache_corrected_total',
    help: 'Answers that a change took out and that went back corrected',
    samples: one(({ cache }) => cache.corrected),
  },
  {
    name: 'pgfresh_refreshes_total',
    help: 'Hot answers asked for again after a change: sent to the origin, of these admitted or failed; not sent for want of a session, load or need',
    labels: ['outcome'],
    samples: ({ cache, reasons }, { counters }) => [
      [{ outcome: 'sent' }, counters.total('refreshes')],
      [{ outcome: 'admitted' }, cache.refreshed],
      ...refreshReasons.map((reason): Sample => [{ outcome: reason.slice('refresh.'.length) }, reasons[reason] ?? 0]),
    ],
  },
  {
    name: 'pgfresh_shared_total',
    help: 'Of the hits: answers that the origin had just given another session, which asked for both',
    samples: (_, { counters }) => [[{}, counters.total('shared')]],
  },
  {
    name: 'pgfresh_cache_evicted_total',
    help: 'Answers removed to make room',
    samples: one(({ cache }) => cache.evicted),
  },
  {
    name: 'pgfresh_cache_pinned_entries',
    help: 'Answers that a hint asked to keep, and that are not removed to make room',
    samples: one(({ cache }) => cache.pinnedEntries),
  },
  {
    name: 'pgfresh_cache_pinned_bytes',
    help: 'Memory used by them',
    samples: one(({ cache }) => cache.pinnedBytes),
  },
  {
    name: 'pgfresh_cache_generation',
    help: 'Generation of the cache thread, 1 for the first',
    samples: one(({ cacheThread }) => cacheThread.generation),
  },
  {
    name: 'pgfresh_statements_analysed_total',
    help: 'Statements that the cache thread parsed: one for each shape and catalog version',
    samples: one(({ analysed }) => analysed),
  },
  { name: 'pgfresh_cdc_lag_bytes', help: 'WAL not applied yet', samples: one(({ cdc }) => cdc.lagBytes) },
  {
    name: 'pgfresh_cdc_fresh_age_seconds',
    help: 'Age of the freshness clock, -1 before it runs',
    samples: one(({ cdc }) => (cdc.freshAsOfMs < 0 ? -1 : cdc.freshAsOfMs / 1e3)),
  },
  { name: 'pgfresh_cdc_rounds_total', help: 'Rounds of the freshness clock', samples: one(({ cdc }) => cdc.rounds) },
  {
    name: 'pgfresh_cdc_transactions_total',
    help: 'Transactions applied from the change stream',
    samples: one(({ cdc }) => cdc.transactions),
  },
  { name: 'pgfresh_cdc_rows_total', help: 'Row changes applied', samples: one(({ cdc }) => cdc.rows) },
  {
    name: 'pgfresh_sessions',
    help: 'Client sessions open',
    labels: ['worker'],
    samples: ({ workers }) => workers.map(({ id, sessions }) => [{ worker: String(id) }, sessions]),
  },
  {
    name: 'pgfresh_thread_restarts_total',
    help: 'Threads that had to be replaced',
    labels: ['thread'],
    samples: ({ workers, cacheThread }) => [
      [{ thread: 'cache' }, cacheThread.restarts],
      ...workers.map(({ id, restarts }): Sample => [{ thread: `worker-${id}` }, restarts]),
    ],
  },
  {
    name: 'pgfresh_thread_utilization',
    help: 'Share of time the event loop was busy since the last scrape',
    labels: ['thread'],
    samples: (_status, supervisor) =>
      Object.entries(supervisor.utilization()).map(([thread, share]) => [{ thread }, share]),
  },
  ...workerFamilies,
  ...poolFamilies,
  ...tier2Families,
  {
    name: 'pgfresh_connections_accepted_total',
    help: 'Client connections accepted',
    samples: one(({ connections }) => connections.accepted),
  },
  {
    name: 'pgfresh_connections_refused_total',
    help: 'Client connections refused: too many, or shutting down',
    samples: one(({ connections }) => connections.refused),
  },
  {
    name: 'pgfresh_connections_waiting',
    help: 'Client connections that wait for a worker',
    samples: one(({ connections }) => connections.waiting),
  },
  {
    name: 'pgfresh_connections_waiting_max',
    help: 'The most connections that waited at once',
    samples: one(({ connections }) => connections.waitingMax),
  },
  {
    name: 'pgfresh_connections_stolen_total',
    help: 'Connections that another worker took than the one they waited for',
    samples: one(({ connections }) => connections.stolen),
  },
  {
    name: 'pgfresh_queue_wait_seconds',
    help: 'From the acceptance of a connection to its way to a worker: quantiles since the start, and the longest',
    labels: ['quantile'],
    samples: ({ connections: { wait } }) => [
      [{ quantile: '0.5' }, wait.p50Ms / 1e3],
      [{ quantile: '0.99' }, wait.p99Ms / 1e3],
      [{ quantile: '1' }, wait.maxMs / 1e3],
    ],
  },
  {
    name: 'pgfresh_sessions_moved_total',
    help: 'Sessions that went on in another worker, to relieve their own',
    samples: one(({ concurrency }) => concurrency.moved),
  },
  {
    name: 'pgfresh_active_threads',
    help: 'Threads that serve connections, by model of concurrency',
    labels: ['tcp', 'unix'],
    samples: ({ concurrency: { tcp, unix, threads } }) => [[{ tcp, unix }, threads]],
  },
  {
    name: 'pgfresh_client_bytes_total',
    help: 'Bytes from and to clients',
    labels: ['direction'],
    samples: (_status, { counters }) => [
      [{ direction: 'in' }, counters.total('bytesFromClients')],
      [{ direction: 'out' }, counters.total('bytesToClients')],
    ],
  },
  {
    name: 'pgfresh_hit_bytes_total',
    help: 'Bytes answered from the cache',
    samples: one((_status, { counters }) => counters.total('bytesHit')),
  },
  {
    name: 'pgfresh_sessions_total',
    help: 'Client sessions opened',
    samples: one((_status, { counters }) => counters.total('sessionsOpened')),
  },
  {
    name: 'pgfresh_origin_connections',
    help: 'Connections to the origin',
    samples: one((_status, { counters }) => counters.total('originConnections')),
  },
  {
    name: 'pgfresh_origin_pending',
    help: 'Requests the origin has not answered yet',
    samples: one((_status, { counters }) => counters.total('originPending')),
  },
  {
    name: 'pgfresh_protocol_errors_total',
    help: 'Sessions ended because bytes did not fit the protocol',
    samples: one((_status, { counters }) => counters.total('protocolErrors')),
  },
];

export class Metrics {
  readonly #registry = new Registry();
  readonly #fill: readonly ((status: StatusDocument, supervisor: Supervisor) => void)[];

  constructor() {
    collectDefaultMetrics({ register: this.#registry, prefix: 'pgfresh_' });
    this.#fill = families.map((family) => this.#register(family));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async scrape(reporter: Reporter, supervisor: Supervisor): Promise<string> {
    const status = await reporter.status();
    for (const fill of this.#fill) fill(status, supervisor);
    return this.#registry.metrics();
  }

  #register(family: Family): (status: StatusDocument, supervisor: Supervisor) => void {
    const { name, help, labels, samples } = family;
    const options = { name, help, labelNames: [...(labels ?? [])], registers: [this.#registry] };
    const metric = name.endsWith('_total') ? new Counter(options) : new Gauge(options);
    return (status, supervisor) => {
      metric.reset();
      for (const [label, value] of samples(status, supervisor)) metric.inc({ ...label }, value);
    };
  }
}
