/**
 * Which threads there are and which of them a connection may go to: the models of `concurrency.model` on Node (ADR-016).
 *
 *   async           one worker, whose event loop serves every connection
 *   pool            `pool_size` workers, connections in turn
 *   work-stealing   the same workers; connections wait in a deque for each, and a worker with room takes from the longest
 *   per-connection  a thread for each connection, `max_threads` at most; what comes then waits
 *
 * Slots of the pool come first, those of threads behind them:  0 … poolSlots − 1 │ poolSlots … poolSlots + threadSlots − 1
 */
import type { ConcurrencyModel, Config, FixedModel } from '../shared/config.ts';
import { ConfigError } from '../shared/errors.ts';
import { WORKERS_MAX } from '../shared/memory/layout.ts';

export interface Plan {
  readonly tcp: FixedModel;
  readonly unix: FixedModel;
  readonly poolSlots: number;
  readonly threadSlots: number;
}

type Planned = Pick<Config, 'workers' | 'areWorkersGiven' | 'listenUnix' | 'concurrency'>;

/** @throws ConfigError when there are more threads than epoch words. */
export function planConcurrency(config: Planned, cores: number): Plan {
  const { concurrency } = config;
  const fix = (model: ConcurrencyModel): FixedModel => (model === 'auto' ? automatic(config, cores) : model);
  const tcp = fix(concurrency.tcp ?? concurrency.model);
  const unix = fix(concurrency.unix ?? concurrency.model);
  const used = config.listenUnix === undefined ? [tcp] : [tcp, unix];
  const pooled = used.some((model) => model === 'pool' || model === 'work-stealing');
  const poolSlots = pooled ? config.workers : used.includes('async') ? 1 : 0;
  const threadSlots = used.includes('per-connection') ? concurrency.maxThreads : 0;
  if (poolSlots + threadSlots > WORKERS_MAX) {
    throw new ConfigError(
      `${poolSlots} workers and ${threadSlots} threads for connections are more than ${WORKERS_MAX}: lower concurrency.max_threads`,
    );
  }
  return { tcp, unix, poolSlots, threadSlots };
}

/**
 * One event loop uses one core, and the cache thread, the load and often the origin want some too: two workers on two cores are slower than one.
 * A thread for each connection costs most processor time and memory (ADR-016).
 */
function automatic({ workers, areWorkersGiven, concurrency }: Planned, cores: number): FixedModel {
  if (workers === 1 || (cores <= 2 && !areWorkersGiven)) return 'async';
  return concurrency.optimizeFor === 'throughput' ? 'work-stealing' : 'pool';
}
