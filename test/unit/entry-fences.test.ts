/** Which writes an entry is fenced by: a pair of slots for each row that it is pointed at, or for the table. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Dependency } from '../../src/cache/dependency.ts';
import { pointedFenceSlots } from '../../src/cache/entry-fences.ts';
import { type ControlWords, createControl, openControl } from '../../src/shared/memory/control.ts';
import {
  entryFenceSlots,
  entryRound,
  fenceSlotAll,
  fenceSlotKey,
  raiseFences,
  raisePointFences,
} from '../../src/shared/memory/fences.ts';
import { DATABASE_FENCES } from '../../src/shared/memory/layout.ts';
import { createStore, numberedEntry } from '../support/store.ts';

const T = 16_500;
const PAIRS = 16_600;
const KEYLESS = 16_700;
const keys: Readonly<Record<number, readonly string[]>> = { [T]: ['id'], [PAIRS]: ['a', 'b'] };

/** `{ id: [1, 2], v: [3] }`: id IN (1, 2) AND v = 3. */
const on = (relation: number, terms: Readonly<Record<string, readonly (string | number)[]>> = {}): Dependency => ({
  relation,
  terms: Object.entries(terms).map(([column, values]) => ({ column, values: values.map(String) })),
});
const slotsOf = (relations: readonly number[], ...dependencies: Dependency[]) =>
  pointedFenceSlots(0, relations, dependencies, (oid) => keys[oid] ?? []);
const key = (relation: number, ...values: (string | number)[]) => fenceSlotKey(relation, values.map(String))!;
const sorted = (slots: readonly number[]) => [...new Set(slots)].sort((a, b) => a - b);

describe('an entry pointed at rows', () => {
  it.each([
    ['one row', [on(T, { id: [5] })], [key(T, 5)]],
    ['one row, and more conditions', [on(T, { id: [5], v: [1] })], [key(T, 5)]],
    ['a list', [on(T, { id: [1, 2, 3] })], [key(T, 1), key(T, 2), key(T, 3)]],
    ['two mentions of the table', [on(T, { id: [1] }), on(T, { id: [2] })], [key(T, 1), key(T, 2)]],
    ['eight rows', [on(T, { id: [1, 2, 3, 4, 5, 6, 7, 8] })], [1, 2, 3, 4, 5, 6, 7, 8].map((id) => key(T, id))],
  ])('is fenced by writes to them and by writes to any row: %s', (_, dependencies, points) => {
    expect(sorted(slotsOf([T], ...dependencies))).toEqual(sorted([...points, fenceSlotAll(T)]));
  });

  it('of a key of two columns has a slot for every pair, in the order of the table', () => {
    const slots = slotsOf([PAIRS], on(PAIRS, { b: [1, 2], a: ['x', 'y'] }));
    const points = ['x', 'y'].flatMap((a) => [1, 2].map((b) => key(PAIRS, a, b)));
    expect(sorted(slots)).toEqual(sorted([...points, fenceSlotAll(PAIRS)]));
  });

  it('has slots in pairs, as a block keeps them', () => {
    for (let rows = 1; rows <= 10; rows++) {
      const ids = Array.from({ length: rows }, (_, id) => id);
      expect(slotsOf([T, KEYLESS], on(T, { id: ids }), on(KEYLESS)).length % 2).toBe(0);
    }
  });
});

describe('an entry pointed at no row', () => {
  it.each([
    ['the whole table', [on(T)]],
    ['another column', [on(T, { v: [5] })]],
    ['one of two mentions is of any row', [on(T, { id: [5] }), on(T)]],
    ['nine rows', [on(T, { id: [1, 2, 3, 4, 5, 6, 7, 8, 9] })]],
    ['nine rows in two mentions', [on(T, { id: [1, 2, 3, 4, 5] }), on(T, { id: [6, 7, 8, 9] })]],
    ['a key beyond ASCII', [on(T, { id: ['é'] })]],
    ['no dependency on the table at all', []],
  ])('is fenced by every write to the table: %s', (_, dependencies) => {
    expect(slotsOf([T], ...dependencies)).toEqual(entryFenceSlots([T]));
  });

  it('a part of the key, or a table without one', () => {
    expect(slotsOf([PAIRS], on(PAIRS, { a: ['x'] }))).toEqual(entryFenceSlots([PAIRS]));
    expect(slotsOf([PAIRS], on(PAIRS, { a: ['x', 'y', 'z'], b: [1, 2, 3] }))).toEqual(entryFenceSlots([PAIRS]));
    expect(slotsOf([KEYLESS], on(KEYLESS, { id: [5] }))).toEqual(entryFenceSlots([KEYLESS]));
  });
});

describe('every pair of a write and an entry that it could change meets in a word', () => {
  let control: ControlWords;
  beforeEach(() => {
    control = openControl(createControl());
  });
  const needed = (slots: number[]) => {
    const { store } = createStore({ memoryBytes: 64 * 1024, control });
    return entryRound(control, store.reader, store.insert(numberedEntry(1, 1, 20, slots)), DATABASE_FENCES);
  };

  it('a write to row 5', () => {
    raisePointFences(control, T, key(T, 5), 9);
    expect(needed(slotsOf([T], on(T, { id: [5] })))).toBe(9);
    expect(needed(slotsOf([T], on(T, { id: [4, 5] })))).toBe(9);
    expect(needed(slotsOf([PAIRS, T], on(PAIRS), on(T)))).toBe(9);
    expect(needed(slotsOf([T], on(T, { id: [4] })))).toBe(0);
    expect(needed(slotsOf([PAIRS], on(PAIRS)))).toBe(0);
  });

  it('a write to any row', () => {
    raiseFences(control, [T], 9);
    for (const terms of [{ id: [5] }, { id: [1, 2, 3] }, { v: [1] }, {}])
      expect(needed(slotsOf([T], on(T, terms)))).toBe(9);
    expect(needed(slotsOf([PAIRS], on(PAIRS)))).toBe(0);
  });
});
