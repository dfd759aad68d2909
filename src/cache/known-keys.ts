/**
 * The keys of the rows in an answer (C22): read when it is admitted, where it shows rows of one table as they are, so that changes of rows which
 * the stream tells by their key alone are known to be of other rows.
 */
import { canonicalTypeOf } from '../shared/canonical.ts';
import { Constants, type Parameter, readResultFormats } from '../shared/constants.ts';
import { Limits } from '../shared/limits.ts';
import type { BindKey } from './analyse/bind.ts';
import type { PlainAnswer } from './analyse/plain.ts';
import { type AnswerFrames, rowsOfAnswer } from './answer-rows.ts';
import type { Relation } from './catalog.ts';
import type { Dependency, KnownKeys } from './dependency.ts';

export interface PlainSource {
  readonly plain: PlainAnswer | null;
  /** Texts beyond ASCII can be compared. */
  readonly unicode: boolean;
}

/** The dependencies with the keys of the answer's rows, where these are of use and can be read. */
export function withKnownKeys(
  dependencies: readonly Dependency[],
  { plain, unicode }: PlainSource,
  relation: Relation | undefined,
  key: BindKey,
  answer: AnswerFrames,
): readonly Dependency[] {
  // A row with its old values whole needs no key.
  if (plain === null || relation === undefined || relation.replicaIdentity === 'f' || key.form === 'description')
    return dependencies;
  const { identityColumns } = relation;
  const isOfUse = ({ terms, range }: Dependency): boolean =>
    [...terms, ...(range === undefined ? [] : [range])].some(({ column }) => !identityColumns.includes(column));
  if (!dependencies.some(isOfUse)) return dependencies;
  const known = knownKeys(plain, relation, key, answer, unicode);
  return known === null ? dependencies : dependencies.map((dependency) => ({ ...dependency, known }));
}

function knownKeys(
  plain: PlainAnswer,
  relation: Relation,
  key: BindKey,
  answer: AnswerFrames,
  unicode: boolean,
): KnownKeys | null {
  const columns = relation.identityColumns;
  const positions = columns.map((column) => plain.columns.indexOf(column));
  if (columns.length === 0 || positions.includes(-1)) return null;
  const types = columns.map((name) => canonicalTypeOf(relation.column.get(name)?.type ?? 0)?.canonical);
  const formats = key.form === 'simple' ? [] : readResultFormats(key.bindTail);
  const rows = rowsOfAnswer(answer, Limits.tuplesPerEntryMax);
  if (rows === null || formats === null) return null;
  const keys: string[][] = [];
  for (const row of rows) {
    const values = positions.map((at): Parameter => ({ binary: formatOf(formats, at) === 1, bytes: row[at] ?? null }));
    const constants = new Constants('', values, unicode);
    const texts = types.map((type, index) =>
      type === undefined || type === 'numeric' ? undefined : constants.read(type, { kind: 'parameter', index }),
    );
    if (!texts.every((text) => typeof text === 'string')) return null;
    keys.push(texts);
  }
  return { columns, keys };
}

/** None: all text; one: for all columns; else one each. */
export function formatOf(formats: readonly number[], column: number): number {
  return formats.length === 1 ? formats[0]! : (formats[column] ?? 0);
}
