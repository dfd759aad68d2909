/** Which entries can be corrected in place (in-place.ts), and how their answer is made from the row. */
import { readResultFormats } from '../shared/constants.ts';
import type { Relation } from './catalog.ts';
import type { Dependency } from './dependency.ts';
import type { ParsedKey } from './key-reader.ts';
import { formatOf, type PlainSource } from './known-keys.ts';
import type { PointAnswer } from './recipe.ts';
import { encoderOf, type OutputSettings } from './row-encoder.ts';

/**
 * Null where the answer shows more than one row's columns, or their bytes are not certain.
 * @param dependencies of the answer under this key
 */
export function pointAnswerOf(
  key: ParsedKey,
  analysis: PlainSource,
  dependencies: readonly Dependency[],
  relation: Relation,
  settings: OutputSettings,
): PointAnswer | null {
  const { plain, unicode } = analysis;
  if (plain === null || !plain.isPoint || !unicode || key.form === 'description') return null;
  const keyValues = keyOf(dependencies, relation);
  const formats = key.form === 'simple' ? [] : readResultFormats(key.bindTail);
  if (keyValues === null || formats === null) return null;
  const columns = plain.columns.map((name) => relation.column.get(name ?? ''));
  if (!columns.every((column) => column !== undefined && !column.generated)) return null;
  const shown = columns.filter((column) => column !== undefined);
  if (formats.length > 1 && formats.length !== shown.length) return null;
  const encoders = shown.map(({ type }, i) => encoderOf(type, formatOf(formats, i), settings));
  if (!encoders.every((encoder) => encoder !== null)) return null;
  return {
    kind: 'point',
    relation: relation.oid,
    keyColumns: relation.primaryKey,
    key: keyValues,
    columns: shown,
    streamedColumns: relation.columns.filter(({ generated }) => !generated).length,
    encoders,
  };
}

/** The one key that the statement asks for; null where it is not certain. */
function keyOf([dependency, other]: readonly Dependency[], relation: Relation): readonly string[] | null {
  if (dependency === undefined || other !== undefined || dependency.range !== undefined) return null;
  if (dependency.relation !== relation.oid || dependency.terms.length !== relation.primaryKey.length) return null;
  const values = relation.primaryKey.map((name) => dependency.terms.find(({ column }) => column === name)?.values);
  const texts = values.flatMap((list) => (list?.length === 1 && typeof list[0] === 'string' ? [list[0]] : []));
  return texts.length === values.length ? texts : null;
}
