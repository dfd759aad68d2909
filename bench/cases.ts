/** All cases, in the order in which they run. */
import type { BenchCase } from './case.ts';
import { aggregateSweep } from './cases/aggregate-sweep.ts';
import { breakEven } from './cases/break-even.ts';
import { bulk } from './cases/bulk.ts';
import { bulkUpdate } from './cases/bulk-update.ts';
import { cdc } from './cases/cdc.ts';
import { cdcRows } from './cases/cdc-rows.ts';
import { concurrency, concurrencyMemory } from './cases/concurrency.ts';
import { connect } from './cases/connect.ts';
import { crowd } from './cases/crowd.ts';
import { dashboard } from './cases/dashboard.ts';
import { idle } from './cases/idle.ts';
import { levels } from './cases/levels.ts';
import { miss } from './cases/miss.ts';
import { passthrough } from './cases/passthrough.ts';
import { point } from './cases/point.ts';
import { precision } from './cases/precision.ts';
import { profile } from './cases/profile.ts';
import { recovery } from './cases/recovery.ts';
import { rows } from './cases/rows.ts';
import { scan } from './cases/scan.ts';
import { shapesCase } from './cases/shapes.ts';
import { warmUp } from './cases/warm-up.ts';
import { write } from './cases/write.ts';
import { writeSweep } from './cases/write-sweep.ts';
import { zipfCase } from './cases/zipf.ts';

export const cases: readonly BenchCase[] = [
  point,
  rows,
  shapesCase,
  dashboard,
  miss,
  passthrough,
  breakEven,
  write,
  writeSweep,
  levels,
  aggregateSweep,
  concurrency,
  concurrencyMemory,
  connect,
  idle,
  crowd,
  bulk,
  warmUp,
  recovery,
  zipfCase,
  scan,
  profile,
  cdc,
  cdcRows,
  ...precision,
  bulkUpdate,
];
