/**
 * What a condition says about one table, in disjunctive form: the rows satisfy one of several conjunctions of terms. Every
 * operation gives a superset of the rows that it should, so any bound may be kept by saying less.
 */
import type { CanonicalType, RangeTemplate, TermSource, TermTemplate } from '../dependency.ts';

/** A conjunction; empty: every row. Terms are by their column, ranges by `rangeKey` of it. */
export type Conjunction = ReadonlyMap<string, TermTemplate | RangeTemplate>;

/** No name has a NUL in it. */
function rangeKey(column: string): string {
  return `\0${column}`;
}

/** A disjunction of at least one conjunction; if any of them is empty it is the only one. */
export type Alternatives = readonly Conjunction[];

/** More constants than this in one list are not worth an index entry each. */
export const valuesPerTermMax = 256;
/** More alternatives than this are not worth their probes: what they have in common is kept. */
const alternativesMax = 8;

export const everyRow: Alternatives = [new Map()];

function isEveryRow(alternatives: Alternatives): boolean {
  return alternatives[0]!.size === 0;
}

export function oneTerm(term: TermTemplate): Alternatives {
  return [new Map([[term.column, term]])];
}

export function oneRange(range: RangeTemplate): Alternatives {
  return [new Map([[rangeKey(range.column), range]])];
}

/** Both hold. Where the product is too large the shorter side alone, which is weaker. */
export function both(a: Alternatives, b: Alternatives): Alternatives {
  if (isEveryRow(a)) return b;
  if (isEveryRow(b)) return a;
  if (a.length * b.length > alternativesMax) return a.length <= b.length ? a : b;
  return simplified(a.flatMap((left) => b.map((right) => conjoined(left, right))));
}

/** One of the two holds. */
export function either(a: Alternatives, b: Alternatives): Alternatives {
  if (isEveryRow(a) || isEveryRow(b)) return everyRow;
  return simplified([...a, ...b]);
}

/** Values that a column must have one of, whichever alternative holds; null when it may have any. */
export function valuesOf(alternatives: Alternatives, column: string): readonly TermSource[] | null {
  const values: TermSource[] = [];
  for (const conjunction of alternatives) {
    const term = conjunction.get(column);
    if (term === undefined || !('values' in term)) return null;
    values.push(...term.values);
  }
  const distinct = withoutDuplicates(values);
  return distinct.length > valuesPerTermMax ? null : distinct;
}

/** The one list or interval that all rows of a column are in; null where there is none, or NULL is among the values. */
export function narrowingOf(alternatives: Alternatives, column: string): TermTemplate | RangeTemplate | null {
  const values = valuesOf(alternatives, column);
  if (values !== null) {
    const term = alternatives[0]!.get(column)!;
    return 'values' in term && values.every(({ kind }) => kind !== 'null') ? { ...term, values } : null;
  }
  return alternatives.length === 1 ? (alternatives[0]!.get(rangeKey(column)) ?? null) : null;
}

/** What one column is narrowed to, said of another one that is equal to it. */
export function saidOf(narrowing: TermTemplate | RangeTemplate, column: string, type: CanonicalType): Alternatives {
  return 'values' in narrowing ? oneTerm({ ...narrowing, column, type }) : oneRange({ ...narrowing, column, type });
}

/** A second list for a column, or a second bound on one side, only narrows: the shorter list and the first bound are kept. */
function conjoined(a: Conjunction, b: Conjunction): Conjunction {
  const terms = new Map(a);
  for (const [key, term] of b) {
    const other = terms.get(key);
    if (other === undefined) terms.set(key, term);
    else if ('values' in term) {
      if ('values' in other && weight(term) < weight(other)) terms.set(key, term);
    } else if (!('values' in other)) {
      terms.set(key, { ...other, low: other.low ?? term.low, high: other.high ?? term.high });
    }
  }
  return terms;
}

/** An array may have any number of elements. */
function weight(term: TermTemplate): number {
  return term.values.some(({ kind }) => kind === 'elements') ? valuesPerTermMax : term.values.length;
}

/** Alternatives that differ in the values of one column are one with a longer list. */
function simplified(alternatives: Alternatives): Alternatives {
  const kept: Conjunction[] = [];
  for (const conjunction of alternatives) {
    let merged = conjunction;
    for (;;) {
      const at = kept.findIndex((other) => mergedOf(other, merged) !== null);
      if (at < 0) break;
      merged = mergedOf(kept[at]!, merged)!;
      kept.splice(at, 1);
    }
    kept.push(merged);
  }
  return kept.length <= alternativesMax ? kept : commonOf(kept);
}

/** The two as one, when they compare the same columns and differ in at most one of them. */
function mergedOf(a: Conjunction, b: Conjunction): Conjunction | null {
  if (a.size !== b.size) return null;
  let different: string | null = null;
  for (const [column, term] of a) {
    const other = b.get(column);
    if (other === undefined) return null;
    // One list: nothing to compare, the two are joined.
    if ((a.size > 1 || !('values' in term)) && identityOf(term) === identityOf(other)) continue;
    if (different !== null || !('values' in term)) return null;
    different = column;
  }
  if (different === null) return a;
  const values = valuesOf([a, b], different);
  const term = a.get(different)!;
  return values === null || !('values' in term) ? null : new Map([...a, [different, { ...term, values }]]);
}

/** What holds in each of the alternatives: columns that all of them compare, with the values of all. */
function commonOf(alternatives: Alternatives): Alternatives {
  const terms = new Map<string, TermTemplate>();
  for (const [column, term] of alternatives[0]!) {
    const values = valuesOf(alternatives, column);
    if (values !== null && 'values' in term) terms.set(column, { ...term, values });
  }
  return [terms];
}

function identityOf(term: TermTemplate | RangeTemplate): string {
  if ('values' in term) return term.values.map(sourceKey).sort().join('\0');
  const bounds = [term.low, term.high].map(
    (bound) => bound && `${bound.inclusive} ${bound.isPattern} ${sourceKey(bound.source)}`,
  );
  return bounds.join('\0');
}

function sourceKey(source: TermSource): string {
  if (source.kind === 'null') return 'null';
  return source.kind === 'literal' ? `literal ${source.text}` : `${source.kind} ${source.index}`;
}

function withoutDuplicates(values: readonly TermSource[]): readonly TermSource[] {
  return [...new Map(values.map((source) => [sourceKey(source), source])).values()];
}
