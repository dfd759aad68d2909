import { expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { Settings } from '../../src/worker/settings.ts';

const { catalogWaitMsMax, contextWaitMsMax } = Limits;

it('waits once for the context after each change of it', () => {
  const settings = new Settings();
  expect(settings.beginLearning(1_000, false)).toBe(contextWaitMsMax);
  expect(settings.isLearning(1_000 + contextWaitMsMax - 1)).toBe(true);
  expect(settings.isLearning(1_000 + contextWaitMsMax)).toBe(false);
  expect(settings.beginLearning(2_000, false)).toBe(0);
  settings.forget();
  expect(settings.beginLearning(3_000, false)).toBe(contextWaitMsMax);
});

it('in a storm of DDL, waits once for the catalog however many statements come, and then for the context', () => {
  const settings = new Settings();
  expect(settings.beginLearning(1_000, true)).toBe(catalogWaitMsMax);
  expect(settings.isLearning(1_000 + catalogWaitMsMax)).toBe(false);
  for (let statement = 0; statement < 5; statement++) {
    settings.forget();
    expect(settings.beginLearning(2_000, true)).toBe(0);
    expect(settings.isLearning(2_000)).toBe(false);
  }
  // The catalog is there: the question goes to the origin, and what comes meanwhile would run under a context that is all but known.
  expect(settings.beginLearning(3_000, false)).toBe(contextWaitMsMax);
  settings.forget();
  expect(settings.beginLearning(4_000, true)).toBe(catalogWaitMsMax);
  // Nothing ran meanwhile.
  expect(settings.beginLearning(4_001, false)).toBe(contextWaitMsMax);
  expect(settings.beginLearning(4_002, false)).toBe(0);
});
