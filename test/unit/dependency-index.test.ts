import { expect, it } from 'vitest';
import { Books } from '../../src/cache/books.ts';
import type { StreamRelation } from '../../src/cache/change.ts';
import type { Dependency, EqualityTerm } from '../../src/cache/dependency.ts';
import { DependencyIndex } from '../../src/cache/dependency-index.ts';
import { maySatisfy, type RowView, viewsOf } from '../../src/cache/row-view.ts';
import { boundedTerms } from '../../src/cache/signature.ts';
import { Limits } from '../../src/shared/limits.ts';
import { announceSeed, seededRandom } from '../model/random.ts';

const term = (column: string, ...values: string[]): EqualityTerm => ({ column, values });
const on = (relation: number, ...terms: EqualityTerm[]): Dependency => ({ relation, terms });
const keysOf = (...ids: string[]) => ({ columns: ['id'], keys: ids.map((id) => [id]) });
const row = (values: Record<string, string | null>, more: Partial<RowView> = {}): RowView => ({
  isOld: false,
  value: (column) => values[column],
  touches: () => true,
  ...more,
});

const int8Max = 2n ** 63n - 1n;

function matching(index: DependencyIndex, relation: number, values: Record<string, string | null>): number[] {
  const blocks = new Set<number>();
  index.match(relation, row(values), blocks);
  index.check();
  return [...blocks].sort((a, b) => a - b);
}

it('finds entries by the values that they compare', () => {
  const index = new DependencyIndex(() => null);
  index.add(1, [on(7, term('id', '1'))]);
  index.add(2, [on(7, term('id', '2'))]);
  index.add(3, [on(7)]);
  index.add(4, [on(8, term('id', '1'))]);
  expect(matching(index, 7, { id: '1', v: 'x' })).toEqual([1, 3]);
  expect(matching(index, 7, { id: '3', v: 'x' })).toEqual([3]);
  expect(matching(index, 9, { id: '1' })).toEqual([]);
});

it('files an IN list under each of its values and forgets all of them at once', () => {
  const index = new DependencyIndex(() => null);
  index.add(1, [on(7, term('a', '1', '2'), term('b', 'x', 'y'))]);
  expect(matching(index, 7, { a: '2', b: 'y' })).toEqual([1]);
  expect(matching(index, 7, { a: '2', b: 'z' })).toEqual([]);
  index.remove(1);
  expect(matching(index, 7, { a: '2', b: 'y' })).toEqual([]);
  expect(index.shapes).toBe(0);
  expect(index.has(7)).toBe(false);
});

it('lets NULL equal nothing', () => {
  const index = new DependencyIndex(() => null);
  index.add(1, [on(7, term('a', 'null'), term('b', '1'))]);
  expect(matching(index, 7, { a: null, b: '1' })).toEqual([]);
});

it('matches by the key columns when the other columns of an old row are unknown', () => {
  const index = new DependencyIndex(() => ['id']);
  index.add(1, [on(7, term('id', '1'), term('tenant', 'a'))]);
  index.add(2, [on(7, term('id', '2'), term('tenant', 'a'))]);
  index.add(3, [on(7, term('tenant', 'a'))]);
  expect(matching(index, 7, { id: '1' })).toEqual([1, 3]);
  expect(matching(index, 7, { tenant: 'a' })).toEqual([1, 2, 3]);
  // Without the key, entries that compare it are matched as a whole.
  expect(matching(index, 7, { tenant: 'b' })).toEqual([1, 2]);
  expect(matching(index, 7, { id: '1', tenant: null })).toEqual([]);
  expect(matching(index, 7, {})).toEqual([1, 2, 3]);
});

it('counts the old row of an update that sent none as its key and unknown columns', () => {
  const relation: StreamRelation = {
    oid: 7,
    schema: 'public',
    name: 't',
    replicaIdentity: 'd',
    columns: [
      { name: 'id', typeOid: 23, isKey: true },
      { name: 'status', typeOid: 25, isKey: false },
    ],
  };
  const change = { relation, kind: 'update', oldRow: null, newRow: ['1', 'paid'] } as const;
  const open = on(7, term('status', 'open'));
  const other = on(7, term('id', '2'), term('status', 'open'));
  const may = (dependency: Dependency) => viewsOf(change).some((view) => maySatisfy(view, dependency));
  expect(may(open)).toBe(true);
  expect(may(other)).toBe(false);
});

it('finds every entry of a truncated table', () => {
  const index = new DependencyIndex(() => ['id']);
  index.add(1, [on(7, term('id', '1'))]);
  index.add(2, [on(7, term('id', '1'), term('v', 'x')), on(8)]);
  index.add(3, [on(8)]);
  const blocks = new Set<number>();
  index.matchAll(7, blocks);
  expect([...blocks].sort()).toEqual([1, 2]);
});

it('widens a constraint whose lists multiply beyond the bound', () => {
  const many = Array.from({ length: 100 }, (_, i) => String(i));
  const terms = [term('a', ...many), term('b', ...many.slice(0, 50)), term('c', 'x')];
  expect(boundedTerms(terms, 128).map((t) => t.column)).toEqual(['b', 'c']);
  expect(boundedTerms(terms, 10).map((t) => t.column)).toEqual(['c']);
});

const between = (relation: number, column: string, low: bigint, high: bigint): Dependency => {
  return { relation, terms: [], range: { column, type: 'int8', low, high } };
};

it('finds entries by the intervals that hold a value, both ends included', () => {
  const index = new DependencyIndex(() => ['id']);
  index.add(1, [between(7, 'id', 5n, 9n)]);
  index.add(2, [between(7, 'id', 9n, int8Max)]);
  index.add(3, [between(7, 'id', 5n, 9n), between(7, 'v', -3n, -2n)]);
  index.add(4, [{ ...between(7, 'id', 100n, 200n), terms: [term('v', '-2')] }]);
  const of = (id: string | null, v: string | null = null) => matching(index, 7, { id, v });
  expect([of('4'), of('5'), of('9'), of('10'), of(null)]).toEqual([[], [1, 3], [1, 2, 3], [2], []]);
  expect([of('9223372036854775807'), of('-9223372036854775808')]).toEqual([[2], []]);
  expect([of('0', '-2'), of('0', '-4')]).toEqual([[3, 4], []]);
  // A row that tells only its key may have any other value.
  expect(matching(index, 7, { id: '0' })).toEqual([3, 4]);
  expect([of('five'), matching(index, 7, {})]).toEqual([
    [1, 2, 3],
    [1, 2, 3, 4],
  ]);
  for (const block of [2, 3, 1, 4]) {
    index.remove(block);
    index.check();
  }
  expect([index.entries, index.shapes]).toEqual([0, 0]);
});

it('lets the constraints of an entry on one relation share the bound', () => {
  const index = new DependencyIndex(() => null);
  const many = Array.from({ length: 100 }, (_, i) => String(i));
  index.add(1, [on(7, term('a', ...many)), on(8, term('a', ...many))]);
  index.add(2, [on(9, term('a', ...many)), on(9, term('b', ...many))]);
  index.check();
  expect([7, 8, 9].map((relation) => matching(index, relation, { a: 'x', b: 'x' }))).toEqual([[], [], [2]]);
  index.add(3, [on(7, term('a', '1')), on(7, term('b', '2'))]);
  const found = [
    { a: '1', b: '1' },
    { a: '2', b: '2' },
    { a: '200', b: '1' },
  ].map((row) => matching(index, 7, row));
  expect(found).toEqual([[1, 3], [1, 3], []]);
});

it('an old row that tells its key only matches entries that have the key', () => {
  const index = new DependencyIndex(() => ['id']);
  const known = (...ids: string[]) => ({ columns: ['id'], keys: ids.map((id) => [id]) });
  index.add(1, [{ ...on(7, term('tenant', '5')), known: known('1', '2') }]);
  index.add(2, [{ ...on(7, term('tenant', '5')), known: known() }]);
  index.add(3, [{ ...between(7, 'age', 10n, 20n), known: known('2') }]);
  index.add(4, [on(7, term('tenant', '6'))]);
  const matches = (values: Record<string, string | null>, isOld: boolean): number[] => {
    const blocks = new Set<number>();
    index.match(7, row(values, { isOld }), blocks);
    index.check();
    return [...blocks].sort((a, b) => a - b);
  };
  expect(matches({ id: '2' }, true)).toEqual([1, 3, 4]);
  expect(index.fallBacks.get(7)).toEqual({ rows: 1, entries: 1 });
  expect(matches({ id: '3' }, true)).toEqual([4]);
  // A new row may have come to satisfy it: an unchanged value that the stream does not repeat, beside one that changed.
  expect(matches({ id: '3' }, false)).toEqual([1, 2, 3, 4]);
  expect(matches({ id: '3', tenant: '5', age: '9' }, false)).toEqual([1, 2]);
  for (const block of [1, 2, 3, 4]) index.remove(block);
  index.check();
  expect(index.shapes).toBe(0);
});

it('lets shapes beyond the bound depend on every row', () => {
  const index = new DependencyIndex(() => null);
  for (let i = 0; i < Limits.signaturesPerRelationMax; i++) index.add(i + 1, [on(7, term(`c${i}`, '1'))]);
  index.add(1000, [on(7, term('one_more', '1'))]);
  expect(matching(index, 7, { one_more: '2' }).includes(1000)).toBe(true);
});

/** The index leaves such a range out. */
function withoutRangeBesideValues(dependency: Dependency): Dependency {
  const { range, ...others } = dependency;
  return dependency.terms.length === 0 || range === undefined ? dependency : others;
}

/** Every dependency kept as it was given; matching by definition. */
class NaiveIndex {
  readonly entries = new Map<number, readonly Dependency[]>();
  match(relation: number, view: RowView, weaker = (d: Dependency): Dependency => d): Set<number> {
    const found = new Set<number>();
    for (const [block, dependencies] of this.entries) {
      if (dependencies.some((d) => d.relation === relation && maySatisfy(view, weaker(d)))) found.add(block);
    }
    return found;
  }
}

it('agrees with the naive model under random entries and rows', () => {
  const seed = announceSeed('dependency-index');
  const random = seededRandom(seed).next;
  const pick = (n: number): number => Math.floor(random() * n);
  const identities = [null, ['a'], ['a', 'b'], ['d']];
  const books = new Books();
  const index = new DependencyIndex((relation) => identities[relation]!, books);
  const model = new NaiveIndex();
  const dependency = (): Dependency => {
    const terms = ['a', 'b', 'c', 'd']
      .filter(() => pick(3) === 0)
      // Few enough tuples that no list is dropped.
      .map((column) =>
        term(column, ...new Set(Array.from({ length: 1 + pick(column === 'd' ? 1 : 3) }, () => String(pick(8))))),
      )
      .map((one) => (pick(6) === 0 ? { ...one, values: [null] } : one));
    const low = BigInt(pick(10) - 1);
    const column = pick(2) === 0 ? 'a' : 'd';
    const range = { column, type: 'int8' as const, low, high: pick(4) === 0 ? int8Max : low + BigInt(pick(3)) };
    const relation = pick(4);
    const columns = identities[relation]!;
    const keys = Array.from({ length: pick(4) }, () => (columns ?? []).map(() => String(pick(8))));
    return {
      ...(pick(3) === 0
        ? { ...on(relation, ...(pick(3) === 0 ? terms.slice(0, 1) : [])), range }
        : on(relation, ...terms)),
      ...(pick(2) === 0 && { uses: ['a', 'b', 'c', 'd'].filter(() => pick(2) === 0) }),
      ...(columns !== null && pick(3) === 0 && { known: { columns, keys: keys.filter(isFirst) } }),
    };
  };
  const isFirst = (key: string[], i: number, all: string[][]): boolean =>
    all.findIndex((other) => String(other) === String(key)) === i;
  for (let step = 0; step < 6000; step++) {
    const block = 1 + pick(400);
    if (model.entries.has(block)) {
      index.remove(block);
      model.entries.delete(block);
    } else {
      const dependencies = Array.from({ length: pick(4) }, dependency);
      index.add(block, dependencies);
      model.entries.set(block, dependencies);
    }
    if (step % 500 === 0) index.check();
    const relation = pick(4);
    const values: Record<string, string | null> = {};
    const keyOnly = pick(3) === 0;
    for (const column of ['a', 'b', 'c', 'd']) {
      if (keyOnly && !(identities[relation]?.includes(column) ?? false)) continue;
      values[column] = pick(10) === 0 ? null : String(pick(8));
    }
    const changed = ['a', 'b', 'c', 'd'].filter(() => pick(3) === 0);
    const touches = (columns: readonly string[]) => columns.some((column) => changed.includes(column));
    const view = row(values, { isOld: pick(2) === 0, ...(pick(2) === 0 && { touches }) });
    const found = new Set<number>();
    index.match(relation, view, found);
    const expected = model.match(relation, view);
    for (const wanted of expected) expect(found.has(wanted), `seed ${seed} step ${step}`).toBe(true);
    // Whole rows are matched exactly, but for ranges beside values; only unknown columns may cost more.
    const exact = model.match(relation, { ...view, isOld: false }, withoutRangeBesideValues);
    if (!keyOnly) expect(found.size, `seed ${seed} step ${step}`).toBe(exact.size);
  }
  for (const block of model.entries.keys()) index.remove(block);
  index.check();
  expect([index.entries, index.shapes, books.bytes]).toEqual([0, 0, 0]);
});

// Counted, not weighed: the arrays at their fullest and just after they grew. A range costs most, for the maps beside the tree (range-index.ts).
it.each<[string, (id: string, n: number) => Dependency[]]>([
  ['a key', (id) => [on(7, term('id', id))]],
  ['a key and another column', (id, n) => [on(7, term('id', id), term('tenant', String(n % 100)))]],
  ['a column of an answer that knows its row', (id) => [{ ...on(7, term('mail', id)), known: keysOf(id) }]],
  ['both tables of a join', (id) => [on(7, term('id', id)), on(8, term('owner', id))]],
  ['a list of three', (id, n) => [on(7, term('id', id, String(-n), `${n}x`))]],
  ['a range', (_, n) => [between(7, 'at', BigInt(n), BigInt(n + 10))]],
  ['every row', () => [on(7)]],
])('costs the cache thread at most 400 bytes an entry: %s', (_, dependenciesOf) => {
  const books = new Books();
  const index = new DependencyIndex(() => ['id'], books);
  let most = 0;
  for (let n = 1; n <= 70_000; n++) {
    index.add(n, dependenciesOf(String(n), n));
    if (n >= 1_000 && n % 16 === 0) most = Math.max(most, index.bytes / n);
  }
  expect(most).toBeLessThanOrEqual(400);
  // What is booked is what is in use: arrays grow by half, tables double.
  expect(books.bytes).toBeLessThanOrEqual(1.1 * index.bytes);
  expect(books.bytes).toBeGreaterThan(index.bytes / 2);
  for (let n = 1; n <= 35_000; n++) index.remove(n);
  expect(books.bytes).toBeGreaterThan(0);
  index.clear();
  expect(books.bytes).toBe(0);
});

it('forgets all entries at once, and files new ones as if there had been none', () => {
  const index = new DependencyIndex(() => ['id']);
  for (let n = 1; n <= 3_000; n++) index.add(n, [n % 2 === 0 ? on(7, term('id', String(n))) : on(8)]);
  index.clear();
  index.check();
  expect([index.entries, index.shapes, index.has(7), index.has(8)]).toEqual([0, 0, false, false]);
  // The store takes them out later, one by one.
  index.remove(1_500);
  index.add(2, [on(7, term('id', '4'))]);
  expect([matching(index, 7, { id: '2' }), matching(index, 7, { id: '4' })]).toEqual([[], [2]]);
});
