// C19: the loads of a hit, in the order in which the proof of consistency needs them. Every atomic access of a hit is recorded as it happens.
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { INDEX_WORD } from '../../src/shared/memory/index-reader.ts';
import { Control, epochWord, FENCES, Store } from '../../src/shared/memory/layout.ts';
import { attachFakeCache } from '../support/fake-cache.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { cachedConfig, startWorker } from '../support/worker.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 5)',
  );
});
afterAll(() => database.drop());

type Step = 'generation' | 'state' | 'fresh round' | 'fresh as of' | 'catalog' | 'enter' | 'slot' | 'fence' | 'leave';

function stepOf(isControl: boolean, isStore: boolean, index: number, stored: number | null): Step | null {
  if (isControl) {
    if (index === epochWord(0) && stored !== null) return stored === 0 ? 'leave' : 'enter';
    if (stored !== null) return null;
    if (index === Control.CURRENT_GENERATION) return 'generation';
    return index >= FENCES ? 'fence' : null;
  }
  if (!isStore || stored !== null) return null;
  const words: Readonly<Record<number, Step>> = {
    [Store.STATE]: 'state',
    [Store.FRESH_ROUND]: 'fresh round',
    [Store.FRESH_AS_OF_MS]: 'fresh as of',
    [Store.CATALOG_VERSION]: 'catalog',
  };
  return words[index] ?? (index >= INDEX_WORD ? 'slot' : null);
}

it('freshness first, then the epoch word, the slot, and the fences last', async () => {
  const config = cachedConfig(inject('pg18'));
  const worker = await startWorker(config);
  const cache = attachFakeCache(worker.runtime);
  const client = new pg.Client({ connectionString: worker.url(database.url) });
  await client.connect();
  const read = () => client.query('SELECT v FROM t WHERE id = 1');
  const hits = () => worker.count('hits');
  await waitFor('a hit', async () => {
    await read();
    return hits() > 0;
  });
  const steps: Step[] = [];
  const isControl = (words: unknown) => (words as Int32Array).buffer === worker.runtime.control.buffer;
  const isStore = (words: unknown) => (words as Int32Array).buffer === cache.store.words.buffer;
  const record = (words: unknown, index: number, stored: number | null) => {
    const step = stepOf(isControl(words), isStore(words), index, stored);
    if (step !== null) steps.push(step);
  };
  const [load, store] = [Atomics.load, Atomics.store];
  vi.spyOn(Atomics, 'load').mockImplementation(((words: Int32Array, index: number) => {
    record(words, index, null);
    return load(words, index);
  }) as typeof Atomics.load);
  vi.spyOn(Atomics, 'store').mockImplementation(((words: Int32Array, index: number, value: number) => {
    record(words, index, value);
    return store(words, index, value);
  }) as typeof Atomics.store);
  const before = hits();
  await read();
  vi.restoreAllMocks();
  expect(hits()).toBe(before + 1);
  // From the last entering of an epoch: that is the lookup which answered.
  const enter = steps.lastIndexOf('enter');
  const [first, last] = [(step: Step) => steps.indexOf(step), (step: Step) => steps.lastIndexOf(step)];
  expect({ steps, enter: enter >= 0 }).toEqual({ steps, enter: true });
  for (const step of ['generation', 'state', 'fresh round', 'fresh as of'] as const) {
    expect({ step, steps, ordered: first(step) >= 0 && first(step) < enter }).toEqual({ step, steps, ordered: true });
  }
  // Loaded again afterwards, freshness could be of a moment that the entry is older than.
  expect({ steps, again: last('fresh round') > enter }).toEqual({ steps, again: false });
  expect({ steps, slot: steps.indexOf('slot') > enter }).toEqual({ steps, slot: true });
  expect({ steps, fence: steps.indexOf('fence', enter) > last('slot') }).toEqual({ steps, fence: true });
  expect({ steps, leave: last('leave') > last('fence') }).toEqual({ steps, leave: true });
  await client.end();
  await worker.stop();
});
