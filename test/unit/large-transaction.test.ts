// A transaction of very many rows costs the cache thread no more memory than one of a few thousand: what is kept of its rows is bounded and counted, so
// that ten millions are no different from the 200,000 of this test.
import { expect, it } from 'vitest';
import { Apply } from '../../src/cache/apply.ts';
import type { RowChange, StreamRelation } from '../../src/cache/change.ts';
import { ChangeLog } from '../../src/cache/change-log.ts';
import { DependencyIndex } from '../../src/cache/dependency-index.ts';
import { Settler } from '../../src/cache/settle.ts';
import { Limits } from '../../src/shared/limits.ts';

const rows = 200_000;
const relationOf = (oid: number): StreamRelation => ({
  ...{ oid, schema: 'public', name: `t${oid}`, replicaIdentity: 'd' },
  columns: [
    { name: 'id', typeOid: 23, isKey: true },
    { name: 'v', typeOid: 25, isKey: false },
  ],
});
const tables = [7, 8, 9].map(relationOf);
const change = (i: number): RowChange => {
  const newRow = [String(i), `value ${i}`];
  return { relation: tables[i % tables.length]!, kind: 'update', oldRow: null, newRow };
};

it('keeps a bounded part of its rows, one record a table and one transaction that settles', () => {
  const index: DependencyIndex = new DependencyIndex(() => ['id']);
  for (let id = 1; id <= 3_000; id++) index.add(id, [{ relation: 7, terms: [{ column: 'id', values: [String(id)] }] }]);
  const log = new ChangeLog();
  const settler = new Settler({ nextStamp: () => 1, publish: () => undefined, pendingMax: 10 });
  const store = { remove: (block: number) => index.remove(block) };
  const apply = new Apply({ index, log, store, settler, ancestorsOf: () => [] });
  let mostRows = 0;
  apply.begin(700);
  for (let i = 0; i < rows; i++) {
    apply.change(change(i));
    mostRows = Math.max(mostRows, log.rows);
  }
  expect([log.records, settler.pending, apply.isBusy]).toEqual([tables.length, 1, false]);
  expect(mostRows).toBeLessThanOrEqual(tables.length * Limits.changeLogRowsPerTableMax);
  // Beyond that the tables count as changed in all their rows, whoever fills: nothing is forgotten.
  expect(log.rows).toBe(0);
  for (const { oid } of tables) expect(log.conflicts([{ relation: oid, terms: [] }], 0)).toBe(true);
  expect(log.conflicts([{ relation: 10, terms: [] }], 0)).toBe(false);
  // Of the entries, those of rows that were changed have left, and no others.
  const changed = Array.from({ length: 3_000 }, (_, i) => i + 1).filter((id) => id % tables.length === 0);
  expect([apply.invalidated, index.entries]).toEqual([changed.length, 3_000 - changed.length]);
  apply.commit(1n);
  index.check();
});
