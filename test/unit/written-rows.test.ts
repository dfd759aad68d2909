/** From the verdict on a write to the fences of its rows: values of the text and of Bind, what a transaction collects, and its bounds. */
import { describe, expect, it } from 'vitest';
import type { CanonicalType } from '../../src/shared/canonical.ts';
import type { ValueSource } from '../../src/shared/constants.ts';
import { Limits } from '../../src/shared/limits.ts';
import { fenceSlotKey } from '../../src/shared/memory/fences.ts';
import type { Verdict, Writes, WrittenTable } from '../../src/shared/messages.ts';
import { pointsOf } from '../../src/worker/points.ts';
import { Written } from '../../src/worker/transaction.ts';
import { VerdictSlot } from '../../src/worker/verdicts.ts';
import { bindTail } from '../support/analysis.ts';

const TABLE = 16_500;
const OTHER = 16_600;
const now = { generation: 1, catalogVersion: 7 };

const verdictOn = (writes: Writes, catalogVersion = now.catalogVersion): Verdict => ({
  ...{ verdictId: 1, shape: 0, catalogVersion, cacheable: false, reason: 'statement.write', readOnly: false, writes },
  ...{ changesContext: false, transactionControl: false, pin: null, settings: [], scope: 'shape', signature: '' },
});
const parameter = (index: number): ValueSource => ({ kind: 'parameter', index });
const rowsOf = (type: CanonicalType, ...sources: ValueSource[]): WrittenTable => ({
  relation: TABLE,
  points: sources.map((source) => [{ type, source }]),
});
const anyRowOf = (relation: number): WrittenTable => ({ relation, points: null });
const slot = (...key: string[]) => fenceSlotKey(TABLE, key)!;

/** Slots of the rows of TABLE that a write with these parameters names. */
function slotsOf(table: WrittenTable, text: string, values: Parameters<typeof bindTail>[0] | null) {
  const points = pointsOf(verdictOn([table]), text, values === null ? null : bindTail(values), now.generation);
  return points?.slots.get(TABLE);
}

describe('the row that a write names', () => {
  const byId = 'UPDATE t SET v = 1 WHERE id = $1';
  it.each([
    ['text format', 'int4', ' +042', '42'],
    ['binary int4', 'int4', Buffer.from('0000002a', 'hex'), '42'],
    ['binary int8', 'int4', Buffer.from('000000000000002a', 'hex'), '42'],
    [
      'binary uuid',
      'uuid',
      Buffer.from('a0eebc999c0b4ef8bb6d6bb9bd380a11', 'hex'),
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ],
    ['text uuid', 'uuid', '{A0EEBC999C0B4EF8BB6D6BB9BD380A11}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['bool', 'bool', 'yes', 't'],
    ['varchar', 'varchar', 'ab', 'ab'],
  ] as const)('is found in a parameter: %s', (_, type, value, key) => {
    expect(slotsOf(rowsOf(type, parameter(0)), byId, [value])).toEqual([slot(key)]);
  });

  it.each([
    ['NULL', 'int4', null],
    ['hexadecimal, which some servers read', 'int4', '0x2a'],
    ['no number', 'int4', '1e1'],
    ['beyond ASCII', 'text', 'é'],
    ['not UTF-8', 'text', Buffer.from('ff', 'hex')],
  ] as const)('is not certain: %s', (_, type, value) => {
    expect(slotsOf(rowsOf(type, parameter(0)), byId, [value])).toBeUndefined();
  });

  it('is found among the lifted literals of its own text', () => {
    const table = rowsOf('int4', { kind: 'lifted', index: 1 });
    expect(slotsOf(table, 'UPDATE t SET v = 1 WHERE id = 5', null)).toEqual([slot('5')]);
    expect(slotsOf(table, '/* trace = 9 */ UPDATE t SET v = 1 WHERE id = 6', null)).toEqual([slot('6')]);
  });

  it('is not certain when one of its rows is not, when a parameter is missing, or when Bind is malformed', () => {
    const two = rowsOf('int4', parameter(0), parameter(1));
    expect(slotsOf(two, 'INSERT …', ['1', '2'])).toEqual([slot('1'), slot('2')]);
    expect(slotsOf(two, 'INSERT …', ['1', 'x'])).toBeUndefined();
    expect(slotsOf(two, 'INSERT …', ['1'])).toBeUndefined();
    expect(pointsOf(verdictOn([two]), 'INSERT …', Buffer.from('0001'), 1)).toBeNull();
  });

  it('is not looked for without a verdict that says so', () => {
    for (const writes of ['none', 'unknown', [], [anyRowOf(TABLE)]] as const) {
      expect(pointsOf(verdictOn(writes), 'DELETE FROM t', null, 1)).toBeNull();
    }
    expect(pointsOf(null, 'DELETE FROM t', null, 1)).toBeNull();
  });

  it('has one slot however its column stores it: varchar(3) cuts trailing blanks, and keys of several columns keep theirs apart', () => {
    expect(slot('ab   ')).toBe(slot('ab'));
    expect(slot('ab', 'c')).not.toBe(slot('a', 'bc'));
    expect(fenceSlotKey(OTHER, ['ab'])).not.toBe(slot('ab'));
    expect(slot(' '.repeat(60_000))).toBe(slot(''));
  });
});

/** A write of rows with these numbers, as it is when its reply arrives. */
function write(ids: readonly number[], verdict = verdictOn([rowsOf('int4', ...ids.map((_, i) => parameter(i)))])) {
  const verdictSlot = new VerdictSlot();
  verdictSlot.verdict = verdict;
  const points = pointsOf(verdict, 'UPDATE …', bindTail(ids.map(String)), now.generation);
  return { slot: verdictSlot, past: [], suspect: false, points };
}

const collected = (written: Written, at = now) => new Map(written.rows(at)).get(TABLE);

describe('what a transaction collects', () => {
  it('is the rows of all its point writes', () => {
    const written = new Written();
    for (const ids of [[1], [2, 3], [1]]) written.add(write(ids));
    expect(collected(written)).toEqual(new Set([slot('1'), slot('2'), slot('3')]));
    expect(written.isUnknown).toBe(false);
  });

  it('is the whole table once one write may have changed any row, whatever comes after', () => {
    const written = new Written();
    written.add(write([1]));
    written.add(write([], verdictOn([anyRowOf(TABLE)])));
    written.add(write([2]));
    expect(collected(written)).toBeNull();
  });

  it('is the whole table beyond so many rows', () => {
    const written = new Written();
    for (let id = 0; id < 50 * Limits.fencePointsPerTableMax; id++) {
      written.add(write([id]));
      const rows = collected(written);
      if (id >= 2 * Limits.fencePointsPerTableMax) expect(rows).toBeNull();
      else if (rows != null) expect(rows.size).toBeLessThanOrEqual(Limits.fencePointsPerTableMax);
    }
  });

  it('is the whole table when the verdict came after the write was sent, or is another by now', () => {
    for (const points of [null, write([1]).points]) {
      const written = new Written();
      written.add({ ...write([1], verdictOn([rowsOf('int4', parameter(0))])), points });
      expect(collected(written)).toBeNull();
    }
  });

  it('is what its verdicts under older catalogs say, too', () => {
    const past = new VerdictSlot();
    past.verdict = verdictOn([anyRowOf(OTHER)]);
    const written = new Written();
    written.add({ ...write([1]), past: [past] });
    expect(new Map(written.rows(now))).toEqual(
      new Map([
        [TABLE, new Set([slot('1')])],
        [OTHER, null],
      ]),
    );
    const late = new VerdictSlot();
    written.add({ ...write([1]), past: [past, late] });
    expect(written.awaited).toBe(late);
    expect(written.isUnknown).toBe(false);
    written.giveUp();
    expect(written.isUnknown).toBe(true);
  });

  it('is what a verdict says that comes late, and anything when none comes', () => {
    const [written, known, failing] = [new Written(), new VerdictSlot(), new VerdictSlot()];
    written.add({ ...write([1]), slot: known, points: null });
    expect(written.awaited).toBe(known);
    expect(written.isEmpty).toBe(true);
    known.decide(verdictOn([anyRowOf(OTHER)]));
    expect(written.awaited).toBe(null);
    expect(written.rows(null)).toEqual([[OTHER, null]]);
    expect(written.isUnknown).toBe(false);
    written.add({ ...write([1]), slot: failing, points: null });
    failing.decide(null);
    expect(written.awaited).toBe(null);
    expect(written.isUnknown).toBe(true);
  });

  it('is everything when nothing is known of a statement, or its settings are in doubt', () => {
    for (const work of [
      { ...write([1]), slot: null },
      { ...write([1]), suspect: true },
    ]) {
      const written = new Written();
      written.add(work);
      expect(written.isUnknown).toBe(true);
    }
  });

  it('is the whole table when the key may have become another: new catalog, new generation, no cache thread', () => {
    const written = new Written();
    written.add(write([1]));
    expect(collected(written, { ...now, catalogVersion: 8 })).toBeNull();
    expect(collected(written, { ...now, generation: 2 })).toBeNull();
    expect(new Map(written.rows(null)).get(TABLE)).toBeNull();
    expect(collected(written)).toEqual(new Set([slot('1')]));
    written.add(write([2], verdictOn([rowsOf('int4', parameter(0))], 8)));
    expect(collected(written)).toBeNull();
  });

  it('is forgotten with the end of the transaction, its catalog too', () => {
    const written = new Written();
    written.add(write([1]));
    written.clear();
    expect([written.isEmpty, written.rows(now)]).toEqual([true, []]);
    written.add(write([2], verdictOn([rowsOf('int4', parameter(0))], 8)));
    expect(collected(written, { ...now, catalogVersion: 8 })).toEqual(new Set([slot('2')]));
  });
});
