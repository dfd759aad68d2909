/** All cases, in the order in which they run. */
import type { BenchCase } from './case.ts';
import { aggregateSweep } from './cases/aggregate-sweep.ts';
import { breakEven } from './cases/break-even.ts';
import { connect } from './cases/connect.ts';
import { dashboard } from './cases/dashboard.ts';
import { miss } from './cases/miss.ts';
import { passthrough } from './cases/passthrough.ts';
import { point } from './cases/point.ts';
import { rows } from './cases/rows.ts';
import { shapesCase } from './cases/shapes.ts';
import { write } from './cases/write.ts';
import { writeSweep } from './cases/write-sweep.ts';

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
  aggregateSweep,
  connect,
];
