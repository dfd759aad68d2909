import { expect, it } from 'vitest';
import type { RowChange, SettlingTransaction, StreamRelation } from '../../src/cache/change.ts';
import { ChangeLog } from '../../src/cache/change-log.ts';
import type { Dependency } from '../../src/cache/dependency.ts';
import { maySatisfy, viewsOf } from '../../src/cache/row-view.ts';
import { announceSeed, seededRandom } from '../model/random.ts';

const NEVER = Number.POSITIVE_INFINITY;
const transaction = (settledStamp = NEVER): SettlingTransaction => ({ xid: 1, settledStamp });

const table = (oid: number): StreamRelation => ({
  oid,
  schema: 'public',
  name: `t${oid}`,
  replicaIdentity: 'f',
  columns: [
    { name: 'id', typeOid: 23, isKey: true },
    { name: 'v', typeOid: 25, isKey: true },
  ],
});
const insert = (relation: StreamRelation, id: string, v: string): RowChange => ({
  relation,
  kind: 'insert',
  oldRow: null,
  newRow: [id, v],
});
const byId = (relation: number, id: string): Dependency => ({ relation, terms: [{ column: 'id', values: [id] }] });

it('refuses an answer while a matching transaction has not settled, and afterwards for older tokens', () => {
  const log = new ChangeLog();
  const one = transaction();
  log.record(one, insert(table(7), '1', 'x'));
  expect(log.conflicts([byId(7, '1')], 1_000)).toBe(true);
  expect(log.conflicts([byId(7, '2')], 0)).toBe(false);
  expect(log.conflicts([byId(8, '1')], 0)).toBe(false);
  one.settledStamp = 5;
  expect(log.conflicts([byId(7, '1')], 4)).toBe(true);
  expect(log.conflicts([byId(7, '1')], 5)).toBe(false);
});

it('lets a transaction settle behind one that hangs', () => {
  const log = new ChangeLog();
  const hanging = transaction();
  const quick = transaction();
  log.record(hanging, insert(table(7), '1', 'x'));
  log.record(quick, insert(table(7), '2', 'x'));
  quick.settledStamp = 3;
  expect(log.conflicts([byId(7, '2')], 3)).toBe(false);
  expect(log.conflicts([byId(7, '1')], 3)).toBe(true);
});

it('counts a truncated table as changed in every row', () => {
  const log = new ChangeLog();
  log.recordAll(transaction(9), 7);
  expect(log.conflicts([byId(7, '1')], 8)).toBe(true);
  expect(log.conflicts([byId(7, '1')], 9)).toBe(false);
});

it('keeps a marker instead of the rows of a giant transaction', () => {
  const log = new ChangeLog({ rowsPerRecordMax: 10 });
  const giant = transaction();
  for (let i = 0; i < 1_000; i++) log.record(giant, insert(table(7), String(i), 'x'));
  expect(log.rows).toBe(0);
  expect(log.records).toBe(1);
  expect(log.conflicts([byId(7, 'none of them')], 0)).toBe(true);
  giant.settledStamp = 2;
  expect(log.conflicts([byId(7, 'none of them')], 2)).toBe(false);
});

it('refuses tokens that are older than what it has forgotten', () => {
  const log = new ChangeLog({ rowsMax: 20 });
  for (let stamp = 1; stamp <= 100; stamp++) log.record(transaction(stamp), insert(table(7), String(stamp), 'x'));
  log.record(transaction(1), insert(table(8), '1', 'x'));
  expect(log.rows + log.records).toBeLessThanOrEqual(20);
  expect(log.conflicts([byId(7, 'untouched')], 10)).toBe(true);
  expect(log.conflicts([byId(7, 'untouched')], 99)).toBe(false);
  expect(log.conflicts([byId(8, 'untouched')], 0)).toBe(false);
});

it('gives up rows, not transactions, while the oldest has not settled', () => {
  const log = new ChangeLog({ rowsMax: 20 });
  const hanging = transaction();
  log.record(hanging, insert(table(7), '1', 'x'));
  for (let stamp = 1; stamp <= 50; stamp++) log.record(transaction(stamp), insert(table(8), String(stamp), 'x'));
  expect(log.conflicts([byId(7, '2')], 1_000)).toBe(true);
  hanging.settledStamp = 51;
  log.record(transaction(52), insert(table(8), 'last', 'x'));
  expect(log.rows + log.records).toBeLessThanOrEqual(20);
  expect(log.conflicts([byId(7, '2')], 50)).toBe(true);
  expect(log.conflicts([byId(7, '2')], 51)).toBe(false);
});

it('keeps no more text than its bound', () => {
  const log = new ChangeLog({ textMax: 10_000 });
  for (let stamp = 1; stamp <= 50; stamp++) log.record(transaction(stamp), insert(table(7), '1', 'x'.repeat(1_000)));
  expect(log.rows).toBeLessThan(11);
});

it('never lets an answer pass that a complete log would refuse', () => {
  const seed = announceSeed('change-log');
  const random = seededRandom(seed);
  const log = new ChangeLog({ rowsMax: 200, rowsPerRecordMax: 5, textMax: 8_000 });
  const all: { transaction: SettlingTransaction; change: RowChange }[] = [];
  const open: SettlingTransaction[] = [];
  let stamp = 0;
  let admitted = 0;
  for (let step = 0; step < 3_000; step++) {
    const owner = transaction();
    open.push(owner);
    for (let rows = random.below(8); rows >= 0; rows--) {
      const change = insert(table(random.below(3)), String(random.below(30)), 'x'.repeat(random.below(50)));
      log.record(owner, change);
      all.push({ transaction: owner, change });
    }
    stamp++;
    for (const settling of open.splice(0, random.below(open.length + 1))) settling.settledStamp = stamp;
    if (random.below(20) === 0) open.push(...open.splice(0, 1));
    const dependency = byId(random.below(3), String(random.below(30)));
    const token = Math.max(0, stamp - random.below(20));
    const wanted = all.some(
      (entry) =>
        entry.transaction.settledStamp > token &&
        entry.change.relation.oid === dependency.relation &&
        viewsOf(entry.change).some((view) => maySatisfy(view, dependency)),
    );
    const refused = log.conflicts([dependency], token);
    if (wanted) expect(refused, `seed ${seed} step ${step}`).toBe(true);
    if (!refused) admitted++;
  }
  expect(admitted).toBeGreaterThan(100);
});
