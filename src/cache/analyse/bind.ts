/**
 * From the dependencies of a statement (or of its shape) to those of one answer: constants are taken from the text and
 * from the Bind message of the entry's key. What cannot be read becomes a weaker constraint; what cannot be trusted at
 * all is not admitted.
 */
import { Constants, type Parameter, readParameters } from '../../shared/constants.ts';
import { namesMovingMoment } from '../../shared/shape.ts';
import type { Dependency, DependencyTemplate, EqualityTerm, TermTemplate } from '../dependency.ts';

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
  const constants = new Constants(key.text, parameters, analysis.unicode);
  const dependencies: Dependency[] = [];
  for (const template of analysis.dependencies) {
    const terms = template.terms.map((term) => bindTerm(term, constants));
    dependencies.push({ relation: template.relation, terms: terms.filter((term) => term !== null) });
  }
  return dependencies;
}

function saysMovingMoment({ binary, bytes }: Parameter): boolean {
  if (binary || bytes === null) return false;
  if (bytes.length > momentBytesMax && !'{[("'.includes(String.fromCharCode(bytes[0]!))) return false;
  return namesMovingMoment(bytes.toString('latin1'));
}

/** NULL in an equality matches no row, so it drops out of a list; a list of nothing but NULLs constrains nothing. */
function bindTerm(term: TermTemplate, constants: Constants): EqualityTerm | null {
  const values = new Set<string>();
  for (const source of term.values) {
    const value = constants.read(term.type, source);
    if (value === undefined) return null;
    if (value !== null) values.add(value);
  }
  return values.size === 0 ? null : { column: term.column, values: [...values] };
}
