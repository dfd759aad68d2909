/**
 * Loaded into threads ahead of their own code when `faults` contains `admin` (tests only): ends or hangs the thread when
 * main says so, in the ways that threads die of.
 */
import { parentPort } from 'node:worker_threads';

export const FaultKinds = ['throw', 'exit', 'block'] as const;
export type FaultKind = (typeof FaultKinds)[number];

const faults: Readonly<Record<FaultKind, () => void>> = {
  throw: () => {
    throw new Error('fault injected: uncaught error');
  },
  exit: () => process.exit(3),
  block: () => {
    for (;;); // a loop that never ends is the fault
  },
};

parentPort?.on('message', (message: { readonly fault?: FaultKind } | null) => {
  const kind = message?.fault;
  if (kind !== undefined) setImmediate(faults[kind]);
});
