// Rounds are 32-bit numbers. A process that has run for months numbers them anew, and nothing that was fenced before is served stale after.
import { expect, it } from 'vitest';
import { lowerRounds } from '../../src/cache/renumber.ts';
import { createControl, openControl, raise, startedRound } from '../../src/shared/memory/control.ts';
import { databaseHash, raiseDatabaseFence, raiseFences } from '../../src/shared/memory/fences.ts';
import { Control, databaseFenceWord, RENUMBER_ROUND, Store } from '../../src/shared/memory/layout.ts';
import { SessionConsistency } from '../../src/worker/consistency.ts';
import { createStore } from '../support/store.ts';

it('words that a late worker raised by the old numbers are lowered to the next round', () => {
  const control = openControl(createControl());
  const { store } = createStore({ memoryBytes: 64 * 1024, control });
  const shop = databaseHash('shop');
  raiseDatabaseFence(control, shop, RENUMBER_ROUND);
  raiseFences(control, [1, 2], RENUMBER_ROUND);
  raiseFences(control, [3], 4);
  raise(store.words, Store.ROUND_WANTED, RENUMBER_ROUND);
  Atomics.store(control, Control.STARTED_ROUND, 9);
  lowerRounds(control, store.words, startedRound(control) + 1);
  expect(control[databaseFenceWord(shop)]).toBe(10);
  expect(store.words[Store.ROUND_WANTED]).toBe(10);
  expect(control.filter((word) => word > 10)).toHaveLength(0);
  expect(control.filter((word) => word === 4)).toHaveLength(1);
});

it('the floor of a session that was raised by the old numbers is lowered to the next round', () => {
  const consistency = new SessionConsistency('session');
  consistency.raiseFloor(RENUMBER_ROUND);
  consistency.lowerFloor(10);
  expect(consistency.floorRound).toBe(10);
  consistency.lowerFloor(12);
  expect(consistency.floorRound).toBe(10);
});
