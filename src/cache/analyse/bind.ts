/**
 * From the dependencies of a statement (or of its shape) to those of one answer: constants are taken from the text and
 * from the Bind message of the entry's key. What cannot be read becomes a weaker constraint; what cannot be trusted at
 * all is not admitted.
 */
import { type CanonicalType, familyOfType } from '../../shared/canonical.ts';
import { Constants, type Parameter, readParameters } from '../../shared/constants.ts';
import { Limits } from '../../shared/limits.ts';
import { namesMovingMoment } from '../../shared/shape.ts';
import type {
  BoundTemplate,
  Dependency,
  DependencyTemplate,
  EqualityTerm,
  RangeTemplate,
  RangeTerm,
  TermTemplate,
} from '../dependency.ts';
import { isExact, prefixRankMax, RANK_MAX, RANK_MIN, type RankedType, rankOf } from '../rank.ts';
import { elementsOfBinary, elementsOfText, isNullElement } from './arrays.ts';

/** The parts of an entry's key (src/shared/query-key.ts) that hold constants. */
export interface BindKey {
  readonly form: 'simple' | 'portal' | 'description';
  /** The statement's text without comments. */
  readonly text: string;
  /** The Bind message after its two names; empty for the other forms. */
  readonly bindTail: Uint8Array;
}

/** What binding needs of an analysis. */
export interface Bindable {
  readonly dependencies: readonly DependencyTemplate[];
  /** 0-based numbers of parameters that may be read as date or time. */
  readonly momentParameters: readonly number[];
  readonly parameterCount: number;
  /** Constants beyond ASCII can be compared: the session, the statement's bytes and the stream are all UTF-8. */
  readonly unicode: boolean;
}

interface Execution {
  readonly constants: Constants;
  readonly parameters: readonly Parameter[];
  readonly unicode: boolean;
}

/** Longer texts are refused by the input functions of date and time types (MAXDATELEN), but for arrays and ranges. */
const momentBytesMax = 128;

/**
 * The dependencies of the answer under this key, or null: do not admit it. Null when the Bind message does not fit the
 * statement, and when a parameter may be read as a date or time and says 'now' or the like: that is a constant of another value each day.
 */
export function bindDependencies(analysis: Bindable, key: BindKey): Dependency[] | null {
  // What a statement looks like (its columns) does not depend on any row.
  if (key.form === 'description') return [];
  const parameters = key.form === 'portal' ? readParameters(key.bindTail) : [];
  if (parameters === null || parameters.length < analysis.parameterCount) return null;
  for (const index of analysis.momentParameters) {
    const parameter = parameters[index];
    if (parameter === undefined || saysMovingMoment(parameter)) return null;
  }
  const execution: Execution = {
    constants: new Constants(key.text, parameters, analysis.unicode),
    parameters,
    unicode: analysis.unicode,
  };
  const dependencies: Dependency[] = [];
  for (const template of analysis.dependencies) {
    const terms = template.terms.map((term) => bindTerm(term, execution)).filter((term) => term !== null);
    const range = template.range === undefined ? null : bindRange(template.range, execution.constants);
    // A column that must equal one of no values, or lie between such as have none between them: no row can be seen.
    if (range === 'empty' || !terms.every(({ values }) => values.length > 0)) continue;
    const { relation, uses } = template;
    dependencies.push({ relation, terms, ...(range !== null && { range }), ...(uses !== undefined && { uses }) });
  }
  return dependencies;
}

function saysMovingMoment({ binary, bytes }: Parameter): boolean {
  if (binary || bytes === null) return false;
  if (bytes.length > momentBytesMax && !'{[("'.includes(String.fromCharCode(bytes[0]!))) return false;
  return namesMovingMoment(bytes.toString('latin1'));
}

/** NULL in an equality matches no row, so it drops out of a list. Null: the column may have any value. */
function bindTerm(term: TermTemplate, execution: Execution): EqualityTerm | null {
  const values = new Set<string | null>();
  for (const source of term.values) {
    if (source.kind === 'null') {
      values.add(null);
      continue;
    }
    if (source.kind === 'elements') {
      const elements = bindElements(term.type, execution.parameters[source.index], execution.unicode);
      if (elements === null) return null;
      for (const value of elements) values.add(value);
      continue;
    }
    const value = execution.constants.read(term.type, source);
    if (value === undefined) return null;
    if (value !== null) values.add(value);
  }
  return { column: term.column, values: [...values] };
}

/** No order is true for NULL; a bound that is not certain is none, and where there were bounds and are none, any value will do. */
function bindRange({ column, type, low, high }: RangeTemplate, constants: Constants): RangeTerm | 'empty' | null {
  const lowText = low === null ? undefined : boundText(type, low, constants);
  const highText = high === null ? undefined : boundText(type, high, constants);
  if (lowText === null || highText === null) return 'empty';
  const lowRank = lowText === undefined ? null : rankOf(type, lowText);
  const highRank = highText === undefined ? null : highRankOf(type, high!, highText);
  // Where ranks are coarse, values beyond an open end may have its rank.
  const step = (bound: BoundTemplate | null): bigint => (bound?.inclusive === false && isExact(type) ? 1n : 0n);
  const from = lowRank === null ? RANK_MIN : lowRank + step(low);
  const to = highRank === null ? RANK_MAX : highRank - step(high);
  if (from === RANK_MIN && to === RANK_MAX && (low !== null || high !== null)) return null;
  return from > to ? 'empty' : { column, type, low: from, high: to };
}

function boundText(
  type: RankedType,
  { source, isPattern }: BoundTemplate,
  constants: Constants,
): string | null | undefined {
  const text = type === 'none' ? undefined : constants.read(type, source);
  return isPattern === true && typeof text === 'string' ? prefixOf(text) : text;
}

function highRankOf(type: RankedType, { isPattern }: BoundTemplate, text: string): bigint | null {
  return isPattern === true ? prefixRankMax(text) : rankOf(type, text);
}

/** What every text begins with that a pattern of LIKE matches. Manual: Pattern Matching. */
function prefixOf(pattern: string): string {
  const start = /^(?:[^%_\\]|\\.)*/s.exec(pattern)![0];
  return start.replace(/\\(.)/gs, '$1');
}

/** The elements of an array but for NULLs, or null when they are not certain. */
function bindElements(type: CanonicalType, parameter: Parameter | undefined, unicode: boolean): string[] | null {
  if (parameter === undefined) return null;
  const elements = elementsOf(type, parameter);
  if (elements === null) return null;
  const constants = new Constants('', elements, unicode);
  const values: string[] = [];
  for (let index = 0; index < elements.length; index++) {
    const value = constants.read(type, { kind: 'parameter', index });
    if (value === undefined) return null;
    if (value !== null) values.push(value);
  }
  return values;
}

function elementsOf(type: CanonicalType, { binary, bytes }: Parameter): readonly Parameter[] | null {
  if (bytes === null) return [];
  if (binary)
    return elementsOfBinary(bytes, Limits.tuplesPerEntryMax)?.map((each) => ({ binary, bytes: each })) ?? null;
  const texts = elementsOfText(bytes.toString('utf8'), Limits.tuplesPerEntryMax);
  const hasNulls = familyOfType(type) !== 'string';
  return texts?.map((text) => ({ binary, bytes: hasNulls && isNullElement(text) ? null : Buffer.from(text) })) ?? null;
}
