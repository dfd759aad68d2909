/** Which entries are lists that can be corrected in place (listed-rows.ts), and how their rows are read, placed and written. */
import { type CanonicalType, canonicalTypeOf } from '../shared/canonical.ts';
import { Constants, type Parameter, readParameters, readResultFormats, type ValueSource } from '../shared/constants.ts';
import type { ListShape, SortedColumn } from './analyse/list.ts';
import type { Column, Relation } from './catalog.ts';
import type { Dependency } from './dependency.ts';
import type { ParsedKey } from './key-reader.ts';
import { formatOf } from './known-keys.ts';
import { isExact, rankOf } from './rank.ts';
import { encoderOf, type OutputSettings, type ValueEncoder } from './row-encoder.ts';

/** The canonical text of a value as an answer has it; null is NULL, undefined: it has none. */
export type ValueReader = (bytes: Buffer | null) => string | null | undefined;

export type Compare = (a: string | null, b: string | null) => number;

/** A value that all rows of the answer have, or that the answer shows. */
type Shown = { readonly text: string } | { readonly at: number };

export interface SortKey {
  readonly at: number;
  readonly compare: Compare;
}

export interface ListAnswer {
  readonly kind: 'list';
  readonly relation: number;
  readonly keyColumns: readonly string[];
  /** Where the values of the key are, in the order of `keyColumns`. */
  readonly key: readonly Shown[];
  /** A row is in the answer if and only if it has all these values; null is NULL. */
  readonly members: readonly { readonly column: string; readonly value: string | null }[];
  /** The order of the rows; null: they are in no order that could be told. */
  readonly order: readonly SortKey[] | null;
  /** LIMIT, where more rows than one can be in the answer; null: none. */
  readonly rowsMax: number | null;
  readonly columns: readonly { readonly name: string; readonly type: number }[];
  /** Columns of the table that the stream carries. */
  readonly streamedColumns: number;
  readonly readers: readonly ValueReader[];
  readonly encoders: readonly ValueEncoder[];
}

export interface ListSource {
  readonly list: ListShape | null;
  readonly unicode: boolean;
}

/**
 * Null where it is not certain which rows are in the answer, where, or what their bytes are.
 * @param dependencies of the answer under this key
 */
export function listAnswerOf(
  key: ParsedKey,
  { list, unicode }: ListSource,
  dependencies: readonly Dependency[],
  relation: Relation,
  settings: OutputSettings,
): ListAnswer | null {
  if (list === null || !unicode || key.form === 'description' || relation.primaryKey.length === 0) return null;
  const parameters = key.form === 'simple' ? [] : readParameters(key.bindTail);
  const formats = key.form === 'simple' ? [] : readResultFormats(key.bindTail);
  const members = membersOf(list, dependencies, relation);
  const columns = list.columns.map((name) => relation.column.get(name));
  if (members === null || parameters === null || formats === null) return null;
  if (!columns.every((column) => column !== undefined && !column.generated)) return null;
  const shown = columns.filter((column) => column !== undefined);
  if (formats.length > 1 && formats.length !== shown.length) return null;
  const encoders = shown.map(({ type }, i) => encoderOf(type, formatOf(formats, i), settings));
  const keyPlaces = relation.primaryKey.map((name) => placeOf(name, members, list.columns));
  if (!encoders.every((encoder) => encoder !== null) || !keyPlaces.every((place) => place !== null)) return null;
  const constants = new Constants(key.text, parameters, unicode);
  const limit = limitOf(list, constants);
  if (limit === undefined) return null;
  const isOne = relation.primaryKey.every((name) => list.fixed.includes(name));
  if (isOne && limit === 0) return null;
  return {
    kind: 'list',
    relation: relation.oid,
    keyColumns: relation.primaryKey,
    key: keyPlaces,
    members,
    order: orderOf(list, relation),
    rowsMax: isOne ? null : limit,
    columns: shown,
    streamedColumns: relation.columns.filter(({ generated }) => !generated).length,
    readers: shown.map(({ type }, i) => readerOf(type, formatOf(formats, i) === 1, unicode)),
    encoders,
  };
}

/** The values that the condition asks for, if its constraint says just what it says. */
function membersOf(
  { fixed }: ListShape,
  [dependency, other]: readonly Dependency[],
  relation: Relation,
): ListAnswer['members'] | null {
  if (dependency === undefined || other !== undefined || dependency.range !== undefined) return null;
  const { terms } = dependency;
  if (dependency.relation !== relation.oid || terms.length !== fixed.length) return null;
  const members = terms.map(({ column, values }) => ({ column, value: values[0]! }));
  const isExactly = terms.every(({ column, values }) => fixed.includes(column) && values.length === 1);
  return isExactly ? members : null;
}

function placeOf(name: string, members: ListAnswer['members'], columns: readonly string[]): Shown | null {
  const text = members.find(({ column }) => column === name)?.value;
  if (typeof text === 'string') return { text };
  const at = columns.indexOf(name);
  return at < 0 ? null : { at };
}

/** Null: no limit; undefined: not known. */
function limitOf({ limit, offset }: ListShape, constants: Constants): number | null | undefined {
  const number = (source: ValueSource): number | null | undefined => {
    const text = constants.read('int8', source);
    return typeof text === 'string' ? Number(text) : text;
  };
  if (offset !== null && number(offset) !== 0) return undefined;
  const count = limit === null ? null : number(limit);
  return typeof count === 'number' && count < 0 ? undefined : count;
}

/** Null unless it tells all rows apart and every value that it compares is shown. */
function orderOf({ order, fixed, columns }: ListShape, relation: Relation): readonly SortKey[] | null {
  const sorted = new Set([...fixed, ...order.map(({ name }) => name)]);
  if (!relation.primaryKey.every((name) => sorted.has(name))) return null;
  const keys: SortKey[] = [];
  for (const each of order) {
    if (fixed.includes(each.name)) continue;
    const at = columns.indexOf(each.name);
    const compare = compareOf(relation.column.get(each.name));
    if (at < 0 || compare === null) return null;
    keys.push({ at, compare: directed(compare, each) });
  }
  return keys;
}

/** Of two values that are not NULL, by the order of the type's default operators; null: not known. NaN: these two cannot be told apart here. */
function compareOf(column: Column | undefined): ((a: string, b: string) => number) | null {
  const type = canonicalTypeOf(column?.type ?? 0)?.canonical;
  if (column === undefined || type === undefined) return null;
  if (isExact(type)) return (a, b) => rankDifference(type, a, b);
  // Lower case letters and digits in groups of one length, t and f: bytes are in the order of the values.
  if (type === 'uuid' || type === 'bool') return (a, b) => (a < b ? -1 : Number(a > b));
  const isText = type === 'text' || type === 'varchar';
  return isText && column.byteOrdered ? (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) : null;
}

function rankDifference(type: CanonicalType, a: string, b: string): number {
  const [left, right] = [rankOf(type, a), rankOf(type, b)];
  if (left === null || right === null) return Number.NaN;
  return left < right ? -1 : Number(left > right);
}

function directed(compare: (a: string, b: string) => number, { descending, nullsFirst }: SortedColumn): Compare {
  return (a, b) => {
    if (a === null || b === null) return a === b ? 0 : (a === null) === nullsFirst ? -1 : 1;
    return descending ? -compare(a, b) : compare(a, b);
  };
}

function readerOf(type: number, binary: boolean, unicode: boolean): ValueReader {
  const canonical = canonicalTypeOf(type)?.canonical;
  if (canonical === undefined || canonical === 'numeric') return () => undefined;
  return (bytes) => {
    const values: Parameter[] = [{ binary, bytes }];
    return new Constants('', values, unicode).read(canonical, { kind: 'parameter', index: 0 });
  };
}
