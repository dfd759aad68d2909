/** Metrics of the second tier (tier2.redis); nothing where this node is alone. */
import type { Family, Sample } from './metrics-workers.ts';

const counted = (counts: Readonly<Record<string, number>> | undefined): Sample[] =>
  Object.entries(counts ?? {}).map(([result, count]): Sample => [{ result }, count]);

export const tier2Families: readonly Family[] = [
  {
    name: 'pgfresh_tier2_up',
    help: '1 while Redis is there',
    samples: ({ tier2 }) => (tier2 === null ? [] : [[{}, tier2.isUp ? 1 : 0]]),
  },
  {
    name: 'pgfresh_tier2_lookups_total',
    help: 'Dear answers asked of Redis: taken, not there, refused since a change may have made them wrong, or failed',
    labels: ['result'],
    samples: ({ tier2 }) => counted(tier2?.lookups),
  },
  {
    name: 'pgfresh_tier2_writes_total',
    help: 'Dear answers left in Redis, not tried for want of room or connection, or failed',
    labels: ['result'],
    samples: ({ tier2 }) => counted(tier2?.writes),
  },
];
