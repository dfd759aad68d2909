/**
 * From the dependencies of a statement (or of its shape) to those of one answer: constants are taken from the text and
 * from the Bind message of the entry's key. What cannot be read becomes a weaker constraint; what cannot be trusted at
 * all is not admitted.
 */
import { namesMovingMoment, shapeOf } from '../../shared/shape.ts';
import type { Dependency, DependencyTemplate, EqualityTerm, TermTemplate, ValueSource } from '../dependency.ts';
import { canonicalBinary, canonicalText, familyOfType } from './canonical.ts';

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

interface Parameter {
  readonly binary: boolean;
  /** Null is NULL. */
  readonly bytes: Buffer | null;
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
    const value = constants.read(term, source);
    if (value === undefined) return null;
    if (value !== null) values.add(value);
  }
  return values.size === 0 ? null : { column: term.column, values: [...values] };
}

class Constants {
  readonly #text: string;
  readonly #parameters: readonly Parameter[];
  readonly #unicode: boolean;
  #lifted: readonly string[] | undefined;

  constructor(text: string, parameters: readonly Parameter[], unicode: boolean) {
    this.#text = text;
    this.#parameters = parameters;
    this.#unicode = unicode;
  }

  /** Canonical text, null for NULL, undefined when it is not certain. */
  read(term: TermTemplate, source: ValueSource): string | null | undefined {
    const value = this.#canonical(term, source);
    if (typeof value === 'string' && !this.#unicode && familyOfType(term.type) === 'string' && !isAscii(value)) {
      return undefined;
    }
    return value;
  }

  #canonical(term: TermTemplate, source: ValueSource): string | null | undefined {
    switch (source.kind) {
      case 'literal':
        return canonicalText(term.type, source.text) ?? undefined;
      case 'lifted': {
        this.#lifted ??= shapeOf(this.#text)?.literals ?? [];
        const literal = this.#lifted[source.index];
        return literal === undefined ? undefined : (canonicalText(term.type, literal) ?? undefined);
      }
      case 'parameter': {
        const parameter = this.#parameters[source.index];
        if (parameter === undefined) return undefined;
        if (parameter.bytes === null) return null;
        const { binary, bytes } = parameter;
        return (
          (binary ? canonicalBinary(term.type, bytes) : canonicalText(term.type, bytes.toString('utf8'))) ?? undefined
        );
      }
    }
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** Formats and values of a Bind message after its names; null when malformed. Manual: Message Formats, Bind. */
function readParameters(tail: Uint8Array): Parameter[] | null {
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  if (bytes.length < 2) return null;
  const formatCount = bytes.readUInt16BE(0);
  let at = 2 + 2 * formatCount;
  if (at + 2 > bytes.length) return null;
  const count = bytes.readUInt16BE(at);
  at += 2;
  if (formatCount > 1 && formatCount !== count) return null;
  const parameters: Parameter[] = [];
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) return null;
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < -1 || at + length > bytes.length) return null;
    const format = formatCount === 0 ? 0 : bytes.readUInt16BE(2 + 2 * (formatCount === 1 ? 0 : i));
    if (format > 1) return null;
    parameters.push({ binary: format === 1, bytes: length < 0 ? null : bytes.subarray(at, at + length) });
    if (length > 0) at += length;
  }
  return parameters;
}
