/** Metrics of pooled connections to the origin (pool.mode = transaction). */
import type { Family, Sample } from './metrics-workers.ts';

export const poolFamilies: readonly Family[] = [
  {
    name: 'pgfresh_pool_connections',
    help: 'Pooled connections to the origin by state; pinned: kept by one session',
    labels: ['state'],
    samples: ({ pool }) => Object.entries(pool.connections).map(([state, count]): Sample => [{ state }, count]),
  },
  {
    name: 'pgfresh_pool_waiting',
    help: 'Sessions that wait for a pooled connection',
    samples: ({ pool }) => [[{}, pool.waiting]],
  },
  {
    name: 'pgfresh_pool_waits_total',
    help: 'Times that a session has waited for a pooled connection',
    samples: ({ pool }) => [[{}, pool.waits]],
  },
  {
    name: 'pgfresh_pool_wait_seconds_total',
    help: 'Time that sessions have waited for pooled connections',
    samples: ({ pool }) => [[{}, pool.waitMs / 1e3]],
  },
  {
    name: 'pgfresh_pool_timeouts_total',
    help: 'Sessions ended since no pooled connection became free in time',
    samples: ({ pool }) => [[{}, pool.timeouts]],
  },
  {
    name: 'pgfresh_pool_pins_total',
    help: 'Times that a session kept its connection, by reason',
    labels: ['reason'],
    samples: ({ pool }) => Object.entries(pool.pins).map(([reason, count]): Sample => [{ reason }, count]),
  },
];
