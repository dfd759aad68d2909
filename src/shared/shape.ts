/**
 * Shapes of statements: the text without comments and without the constants that do not decide what a statement means.
 *
 * **Why two texts of one shape have one verdict (C8).** They differ only in constants that (a) are integers or plain
 * strings, (b) stand directly after one of `= <> != < > <= >=`, or in `IN (constant, …)` or `BETWEEN constant AND
 * constant`, so they are operands of a comparison and never an ordinal, a LIMIT, a name, a type modifier or a setting's
 * name, and (c) are of one class. The class is all of a constant that name resolution looks at: PostgreSQL types an
 * integer literal by its range (int4, int8, numeric) and a string as `unknown`. What a string's *value* could decide is
 * kept in the shape: strings with one of the words now, today, tomorrow, yesterday (inputs of date and time types that
 * mean another moment each time) are not lifted. Everything else (signs, decimals, other string forms, casts, the length
 * of an IN list, white space, letter case) is part of the shape.
 */

import {
  Char,
  charAt,
  isCommentStart,
  skipComment,
  skipName,
  skipNumber,
  skipOperator,
  skipQuoted,
  skipSpace,
  skipToken,
} from './lexer.ts';
import { Limits } from './limits.ts';

export interface Shape {
  /** The text with U+0001 and a letter for the class in place of each lifted constant. */
  readonly shape: string;
  /** Values of the lifted constants in order: digits as written, strings unquoted. */
  readonly literals: readonly string[];
  /** Where each of them begins in the text without comments (UTF-16 index). */
  readonly offsets: readonly number[];
}

const MARK = '\u0001';
const INT4_MAX = '2147483647';
const INT8_MAX = '9223372036854775807';

/** Words that date and time input resolves at run time, as a run of letters (manual: Date/Time Types, Special Values). */
const movingMoment = /(?:^|[^a-z])(?:now|today|tomorrow|yesterday)(?![a-z])/i;

/** Whether the text, given to the input function of a date or time type, could mean another moment tomorrow. */
export function namesMovingMoment(value: string): boolean {
  return movingMoment.test(value);
}

function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (charAt(text, start) === Char.space) start++;
  while (end > start && charAt(text, end - 1) === Char.space) end--;
  return text.slice(start, end);
}

/**
 * The statement without its comments: the same string when it has none; else a block comment becomes a space, a line
 * comment nothing (its line break stays), and white space at both ends goes, so that a trace comment before or behind a
 * statement leaves no trace. A text that does not end properly (open quote or comment) is returned as it is.
 */
export function stripComments(text: string): string {
  return hasCommentMark(text) ? withoutComments(text) : text;
}

function hasCommentMark(text: string): boolean {
  return text.indexOf('--') >= 0 || text.indexOf('/*') >= 0;
}

function withoutComments(text: string): string {
  let out = '';
  let from = 0;
  let found = false;
  for (let i = 0; i < text.length; ) {
    const comment = isCommentStart(text, i);
    const end = comment ? skipComment(text, i) : skipToken(text, i);
    if (end < 0) return text;
    if (comment) {
      out += text.slice(from, i) + (text[i] === '-' ? '' : ' ');
      from = end;
      found = true;
    }
    i = end;
  }
  return found ? trimSpace(out + text.slice(from)) : text;
}

/** One pass over a text; collects what it lifts. */
class Lifter {
  readonly #text: string;
  readonly #literals: string[] = [];
  readonly #offsets: number[] = [];
  #shape = '';
  /** Everything before is in `#shape`. */
  #from = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Shape | null {
    const text = this.#text;
    for (let i = 0; i < text.length; ) {
      const kind = charAt(text, i);
      if (kind === Char.space || kind === Char.other) i++;
      else if (kind === Char.operator) i = this.#operator(i);
      else {
        const end = skipToken(text, i);
        if (end < 0) return null;
        i = kind === Char.name ? this.#word(i, end) : end;
      }
    }
    return { shape: this.#shape + text.slice(this.#from), literals: this.#literals, offsets: this.#offsets };
  }

  #operator(start: number): number {
    const text = this.#text;
    const end = skipOperator(text, start);
    if (!isComparison(text, start, end) || text[start - 1] === ':') return end;
    const at = skipSpace(text, end);
    const literalEnd = literalAt(text, at);
    if (literalEnd < 0) return end;
    this.#lift(at, literalEnd);
    return literalEnd;
  }

  #word(start: number, end: number): number {
    const text = this.#text;
    if (end - start === 2 && isWord(text, start, end, 'in')) return this.#list(end);
    if (end - start === 7 && isWord(text, start, end, 'between')) return this.#between(end);
    return end;
  }

  /** `IN (constant, …)`: all or nothing, so that no constant of a sub-select in the brackets is taken. */
  #list(end: number): number {
    const text = this.#text;
    let at = skipSpace(text, end);
    if (text[at] !== '(') return end;
    const ends: number[] = [];
    const starts: number[] = [];
    do {
      const start = skipSpace(text, at + 1);
      const literalEnd = literalAt(text, start);
      if (literalEnd < 0) return end;
      starts.push(start);
      ends.push(literalEnd);
      at = skipSpace(text, literalEnd);
    } while (text[at] === ',');
    if (text[at] !== ')') return end;
    for (let i = 0; i < starts.length; i++) this.#lift(starts[i]!, ends[i]!);
    return at;
  }

  #between(end: number): number {
    const text = this.#text;
    const low = skipSpace(text, end);
    const lowEnd = literalAt(text, low);
    if (lowEnd < 0) return end;
    const and = skipSpace(text, lowEnd);
    if (charAt(text, and) !== Char.name || skipName(text, and) !== and + 3 || !isWord(text, and, and + 3, 'and'))
      return end;
    const high = skipSpace(text, and + 3);
    const highEnd = literalAt(text, high);
    if (highEnd < 0) return end;
    this.#lift(low, lowEnd);
    this.#lift(high, highEnd);
    return highEnd;
  }

  #lift(start: number, end: number): void {
    const text = this.#text;
    const isString = text[start] === "'";
    const value = isString ? unquote(text, start, end) : text.slice(start, end);
    this.#shape += text.slice(this.#from, start) + MARK + (isString ? 's' : integerClass(value));
    this.#literals.push(value);
    this.#offsets.push(start);
    this.#from = end;
  }
}

function isComparison(text: string, start: number, end: number): boolean {
  if (end - start === 1) return text[start] === '=' || text[start] === '<' || text[start] === '>';
  if (end - start !== 2) return false;
  const op = text.slice(start, end);
  return op === '<=' || op === '>=' || op === '<>' || op === '!=';
}

/** ASCII letters only differ in bit 5. */
function isWord(text: string, start: number, end: number, word: string): boolean {
  for (let i = start; i < end; i++) if ((text.charCodeAt(i) | 32) !== word.charCodeAt(i - start)) return false;
  return true;
}

/** The end of an integer or plain string that may be lifted, or -1. */
function literalAt(text: string, i: number): number {
  const kind = charAt(text, i);
  if (kind === Char.digit) {
    let end = i + 1;
    while (charAt(text, end) === Char.digit) end++;
    return skipNumber(text, i) === end && charAt(text, end) !== Char.dollar ? end : -1;
  }
  if (kind !== Char.quote) return -1;
  const end = skipQuoted(text, i);
  // Another string behind it may be its continuation on the next line.
  if (end < 0 || charAt(text, skipSpace(text, end)) === Char.quote) return -1;
  return namesMovingMoment(text.slice(i, end)) ? -1 : end;
}

function unquote(text: string, start: number, end: number): string {
  const inner = text.slice(start + 1, end - 1);
  return inner.indexOf("'") < 0 ? inner : inner.replaceAll("''", "'");
}

/** '4', '8' or 'n': the type PostgreSQL gives the literal by its value. */
function integerClass(digits: string): '4' | '8' | 'n' {
  if (digits.length < INT4_MAX.length) return '4';
  const value = digits.replace(/^0+(?=.)/, '');
  if (fits(value, INT4_MAX)) return '4';
  return fits(value, INT8_MAX) ? '8' : 'n';
}

function fits(digits: string, max: string): boolean {
  return digits.length < max.length || (digits.length === max.length && digits <= max);
}

/** The shape of a statement and its constants; null when it is too long or does not end properly. */
export function shapeOf(text: string): Shape | null {
  if (text.length > Limits.statementBytesMax || text.indexOf(MARK) >= 0) return null;
  if (!hasCommentMark(text)) return new Lifter(text).run();
  const stripped = withoutComments(text);
  if (stripped.length === text.length && hasComment(text)) return null;
  return new Lifter(stripped).run();
}

/** Whether a text that stripping left alone still holds a comment, that is: does not end properly. */
function hasComment(text: string): boolean {
  for (let i = 0; i < text.length; ) {
    if (isCommentStart(text, i)) return true;
    const end = skipToken(text, i);
    if (end < 0) return true;
    i = end;
  }
  return false;
}
