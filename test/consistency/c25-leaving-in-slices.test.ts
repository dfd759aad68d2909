// C25: however many entries leave at once (TRUNCATE, a row that concerns all of a table's answers, DDL, a lost stream), the cache thread's other work goes
// on between slices of them, and the applied position passes the change only when the last one has left.
import { expect, inject, it } from 'vitest';
import { Apply } from '../../src/cache/apply.ts';
import { ChangeLog } from '../../src/cache/change-log.ts';
import { contextIdOfBlock } from '../../src/cache/context-ids.ts';
import { DependencyIndex } from '../../src/cache/dependency-index.ts';
import { Settler } from '../../src/cache/settle.ts';
import type { CacheStore } from '../../src/cache/store.ts';
import { Sweeper } from '../../src/cache/sweeper.ts';
import { Limits } from '../../src/shared/limits.ts';
import { caughtUp, makeStream, openControl } from '../support/origin.ts';
import { createDatabase } from '../support/postgres.ts';
import { createStore, hashOf, numberedEntry, numberedKey } from '../support/store.ts';

const MB = 1024 * 1024;
const entries = 20_000;

/** Counts what happens between two turns of the event loop. */
class Turns {
  #since = 0;
  longest = 0;
  #isOver = false;

  constructor() {
    const turn = (): void => {
      this.#since = 0;
      if (!this.#isOver) setImmediate(turn);
    };
    turn();
  }

  count(): void {
    this.longest = Math.max(this.longest, ++this.#since);
  }

  end(): void {
    this.#isOver = true;
  }
}

/** A store with entries of which each depends on all rows of a table, on a range of them, or on one by a column that is not its key. */
function filled(relation: number, left: () => void) {
  const index: DependencyIndex = new DependencyIndex(() => ['id']);
  const removed = (block: number): void => {
    index.remove(block);
    left();
  };
  const { store } = createStore({ memoryBytes: 8 * MB, removed });
  for (let id = 1; id <= entries; id++) {
    const block = store.insert(numberedEntry(id, 1, 40));
    const range = { column: 'v', type: 'int8' as const, low: BigInt(-id), high: BigInt(id) };
    const terms = id % 3 === 0 ? [{ column: 'w', values: [String(id)] }] : [];
    index.add(block, [id % 3 === 1 ? { relation, terms, range } : { relation, terms }]);
  }
  const settler = new Settler({ nextStamp: () => 1, publish: () => undefined, pendingMax: 100 });
  const apply = new Apply({ index, log: new ChangeLog(), store, settler, ancestorsOf: () => [] });
  return { index, store, apply };
}

it.each([
  ['a TRUNCATE', 'TRUNCATE public.t'],
  ['a row whose old values are not told', 'UPDATE public.t SET v = 0 WHERE id = 1'],
])('%s takes out all entries of a table slice by slice, and nothing behind it is applied before', async (_, sql) => {
  const schema = `CREATE TABLE t (id int PRIMARY KEY, v int, w int);
    CREATE TABLE other (id int PRIMARY KEY); INSERT INTO t VALUES (1, 1, 1); CREATE PUBLICATION p FOR TABLE t, other`;
  const database = await createDatabase(inject('pg18'), schema);
  const control = await openControl(database.url);
  const [row] = await control.query("SELECT 'public.t'::regclass::oid");
  const turns = new Turns();
  const { index, store, apply } = filled(Number(row![0]), () => turns.count());
  const left: number[] = [];
  const stream = makeStream(database.url, 'p', apply);
  stream.on('applied', () => left.push(index.entries));
  await stream.start();
  // Behind it, in one piece: other transactions of which none may be seen before the entries have left.
  await control.query(`${sql}; INSERT INTO public.other VALUES (1)`);
  for (let id = 2; id < 6; id++) await control.query(`INSERT INTO public.other VALUES (${id})`);
  await caughtUp(stream, control);
  turns.end();
  expect([index.entries, store.statistics().entries, apply.invalidated, apply.isBusy]).toEqual([0, 0, entries, false]);
  // What was applied before the change left all entries, and what came behind it none.
  expect(left.filter((count) => count !== entries && count !== 0)).toEqual([]);
  expect(turns.longest).toBeLessThanOrEqual(Limits.invalidatedPerSliceMax);
  index.check();
  store.check();
  await stream.stop();
  await control.end();
  await database.drop();
});

it('the dead leave slice by slice, those who die meanwhile as well, and the living stay', async () => {
  const turns = new Turns();
  let deadBelow = 0;
  const { store }: { store: CacheStore } = createStore({ memoryBytes: 32 * MB, removed: () => turns.count() });
  for (let id = 1; id <= 4 * entries; id++) store.insert(numberedEntry(id, 1, 40));
  const sweeper = new Sweeper(store, (block) => contextIdOfBlock(store.reader, block) < deadBelow);
  const isThere = (id: number): boolean => store.find(hashOf(numberedKey(id)), numberedKey(id)) !== 0;

  deadBelow = entries;
  const first = sweeper.sweepDead();
  expect(store.statistics().entries).toBeGreaterThan(3 * entries);
  store.check();
  deadBelow = 2 * entries;
  await sweeper.sweepDead();
  await first;
  expect(store.statistics().entries).toBe(2 * entries + 1);
  expect([1, entries - 1, entries, 2 * entries - 1].some(isThere)).toBe(false);
  expect([2 * entries, 3 * entries, 4 * entries].every(isThere)).toBe(true);
  store.check();

  await sweeper.sweepAll();
  turns.end();
  expect(store.statistics()).toMatchObject({ entries: 0, bytes: 0 });
  expect(turns.longest).toBeLessThanOrEqual(2 * Limits.clearedEntriesPerSliceMax);
  store.check();
});
