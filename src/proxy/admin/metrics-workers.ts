/** Metrics of threads: what each worker does, how long answers take, how long event loops are held up. */
import type { Supervisor } from '../supervisor.ts';
import type { StatusDocument } from './report.ts';

/** A sample: labels and value. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly samples: (status: StatusDocument, supervisor: Supervisor) => readonly Sample[];
}

const quantiles = [0.5, 0.99, 0.999];

function latencies(workers: StatusDocument['workers'], counters: Supervisor['counters']): readonly Sample[] {
  const lanes: [string, number | undefined][] = workers.map(({ id }) => [String(id), id - 1]);
  return [...lanes, ['all', undefined] as const].flatMap(([worker, slot]) =>
    (['cache', 'origin'] as const).flatMap((answered) =>
      quantiles.flatMap((quantile): Sample[] => {
        const ms = counters.latencyMs(answered, quantile, slot);
        return ms === null ? [] : [[{ answered, quantile: String(quantile), worker }, ms / 1e3]];
      }),
    ),
  );
}

/** Counters of each worker by itself; those of replaced workers are only in the sums. */
const ofWorkers = (read: (counters: Supervisor['counters'], slot: number) => number): Family['samples'] => {
  return ({ workers }, { counters }) => workers.map(({ id }) => [{ worker: String(id) }, read(counters, id - 1)]);
};

/** Of each worker, and in sum as worker "all". */
const rates =
  (name: 'statements' | 'bytes'): Family['samples'] =>
  ({ rates: { all, workers } }) => [
    [{ worker: 'all' }, all[name]],
    ...workers.map((each): Sample => [{ worker: String(each.id) }, each[name]]),
  ];

export const workerFamilies: readonly Family[] = [
  {
    name: 'pgfresh_statements_per_second',
    help: 'Statements answered a second, over the last two seconds or so; worker "all" sums',
    labels: ['worker'],
    samples: rates('statements'),
  },
  {
    name: 'pgfresh_bytes_per_second',
    help: 'Bytes from and to clients a second, over the last two seconds or so; worker "all" sums',
    labels: ['worker'],
    samples: rates('bytes'),
  },
  {
    name: 'pgfresh_hit_ratio',
    help: 'Share of all statements that were answered from the cache, since the start',
    samples: ({ cache: { hits, misses, passthrough } }) => [[{}, hits / Math.max(1, hits + misses + passthrough)]],
  },
  {
    name: 'pgfresh_thread_loop_delay_seconds',
    help: 'Delay of the event loop over the last half minute to minute: the 99th percentile and the longest',
    labels: ['thread', 'quantile'],
    samples: (_status, supervisor) =>
      Object.entries(supervisor.loopDelays()).flatMap(([thread, { p99Ms, maxMs }]): Sample[] => [
        [{ thread, quantile: '0.99' }, p99Ms / 1e3],
        [{ thread, quantile: '1' }, maxMs / 1e3],
      ]),
  },
  {
    name: 'pgfresh_latency_seconds',
    help: 'Time until an answer was complete, of a sample of batches: from the cache (without the write) or the origin; worker "all" sums',
    labels: ['answered', 'quantile', 'worker'],
    samples: ({ workers }, { counters }) => latencies(workers, counters),
  },
  {
    name: 'pgfresh_worker_polled_seconds',
    help: 'Time that this worker spent looking for work instead of sleeping (concurrency.poll); the utilization of its thread leaves it out',
    labels: ['worker'],
    samples: ofWorkers((counters, slot) => counters.of(slot, 'polledMs') / 1e3),
  },
  {
    name: 'pgfresh_worker_statements',
    help: 'Statements answered by this worker since it was started',
    labels: ['worker'],
    samples: ofWorkers((counters, slot) => counters.of(slot, 'statements')),
  },
  {
    name: 'pgfresh_worker_bytes',
    help: 'Bytes from and to clients of this worker since it was started',
    labels: ['worker'],
    samples: ofWorkers(
      (counters, slot) =>
        counters.of(slot, 'bytesFromClients') + counters.of(slot, 'bytesToClients') + counters.of(slot, 'bytesHit'),
    ),
  },
  {
    name: 'pgfresh_worker_hit_ratio',
    help: 'Share of the statements of this worker that were answered from the cache, since it was started',
    labels: ['worker'],
    samples: ofWorkers((counters, slot) => counters.of(slot, 'hits') / Math.max(1, counters.of(slot, 'statements'))),
  },
  {
    name: 'pgfresh_worker_origin_pending',
    help: 'Sessions of this worker that wait for an answer of the origin',
    labels: ['worker'],
    samples: ofWorkers((counters, slot) => counters.of(slot, 'originPending')),
  },
];
