// ADR-024: who stands in line says which round it stands still for, and whether its answer is stored already, so that the round waits for no other.
import { expect, it } from 'vitest';
import { awaitedRound, confirmingRound } from '../../src/shared/memory/control.ts';
import type { AttachedCache } from '../../src/worker/cache-link.ts';
import { askForAwaitedRound } from '../../src/worker/fence.ts';

const SLOT = 2;

it('asks once for each round, by the word that says what it waits for', () => {
  const words = new Int32Array(new SharedArrayBuffer(64 * 1024));
  let nudges = 0;
  const cache = {
    reader: { words },
    databaseSlot: SLOT,
    outbox: { nudge: () => nudges++ },
  } as unknown as AttachedCache;
  const asked = () => [awaitedRound(words, SLOT), confirmingRound(words, SLOT), nudges];
  askForAwaitedRound(7, cache, false);
  askForAwaitedRound(7, cache, false);
  expect(asked()).toEqual([7, 0, 1]);
  askForAwaitedRound(7, cache, true);
  askForAwaitedRound(7, cache, true);
  expect(asked()).toEqual([7, 7, 2]);
  // One that is on its way already, or was asked for.
  askForAwaitedRound(6, cache, true);
  expect(asked()).toEqual([7, 7, 2]);
});
