/**
 * Where the tokens of a statement end. Only as much of PostgreSQL's lexer as is needed to tell text that is code from
 * text that is data: quoted strings, quoted identifiers, dollar quotes, comments, operators. Manual: Lexical Structure.
 * Holds for `standard_conforming_strings = on`; sessions without it are not served (context.ts).
 *
 * Every `skip…` takes the index of the token's first character and returns the index after its last one, or -1 when
 * the token does not end.
 */

/** Classes of characters; everything from 128 on is part of a name, as in PostgreSQL. */
export const Char = {
  other: 0,
  space: 1,
  name: 2,
  digit: 3,
  operator: 4,
  quote: 5,
  doubleQuote: 6,
  dollar: 7,
} as const;
export type Char = (typeof Char)[keyof typeof Char];

const classes = new Uint8Array(128);
for (const c of ' \t\n\r\f\v') classes[c.charCodeAt(0)] = Char.space;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') classes[c.charCodeAt(0)] = Char.name;
for (const c of '0123456789') classes[c.charCodeAt(0)] = Char.digit;
for (const c of '+-*/<>=~!@#%^&|`?') classes[c.charCodeAt(0)] = Char.operator;
classes[39] = Char.quote;
classes[34] = Char.doubleQuote;
classes[36] = Char.dollar;

/** 1 for what goes on with a name: letters, digits, _ and $. */
const inName = classes.map((kind) => (kind === Char.name || kind === Char.digit || kind === Char.dollar ? 1 : 0));

const MINUS = 45;
const SLASH = 47;
const STAR = 42;
const BACKSLASH = 92;
const QUOTE = 39;

/** Class of the character at `i`; `other` beyond the end (NaN indexes nothing). */
export function charAt(text: string, i: number): Char {
  const c = text.charCodeAt(i);
  return c >= 128 ? Char.name : ((classes[c] ?? Char.other) as Char);
}

export function skipSpace(text: string, i: number): number {
  while (charAt(text, i) === Char.space) i++;
  return i;
}

/** A name, a key word, or the prefix of a string (E, B, X, N, U&). */
export function skipName(text: string, i: number): number {
  for (i++; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 128 && inName[c] === 0) break;
  }
  return i;
}

/** A number with whatever sticks to it (`1.5`, `0x1F`, `1_000`, and the junk that PostgreSQL refuses). */
export function skipNumber(text: string, i: number): number {
  for (i++; ; i++) {
    const kind = charAt(text, i);
    if (kind !== Char.name && kind !== Char.digit && text.charCodeAt(i) !== 46) return i;
  }
}

/** An operator: it ends where a comment begins. */
export function skipOperator(text: string, i: number): number {
  for (i++; charAt(text, i) === Char.operator && !isCommentStart(text, i); i++);
  return i;
}

export function isCommentStart(text: string, i: number): boolean {
  const c = text.charCodeAt(i);
  return (c === MINUS && text.charCodeAt(i + 1) === MINUS) || (c === SLASH && text.charCodeAt(i + 1) === STAR);
}

/** '…' with '' for a quote, or "…" with "" for one. */
export function skipQuoted(text: string, i: number): number {
  const quote = text[i]!;
  for (let at = i + 1; ; at += 2) {
    at = text.indexOf(quote, at);
    if (at < 0) return -1;
    if (text[at + 1] !== quote) return at + 1;
  }
}

/** The quoted part of E'…', where a backslash takes the next character with it. */
function skipEscaped(text: string, i: number): number {
  for (let at = i + 1; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === BACKSLASH) at++;
    else if (c === QUOTE) {
      if (text.charCodeAt(at + 1) !== QUOTE) return at + 1;
      at++;
    }
  }
  return -1;
}

/** A name together with the string that it prefixes: E'…' has other rules than '…'. */
function skipNameOrString(text: string, i: number): number {
  const end = skipName(text, i);
  if (end === i + 1 && charAt(text, end) === Char.quote && (text[i] === 'e' || text[i] === 'E')) {
    return skipEscaped(text, end);
  }
  return end;
}

/** $tag$ … $tag$, or $1, or a lone $. */
function skipDollar(text: string, i: number): number {
  let end = i + 1;
  if (charAt(text, end) === Char.digit) {
    while (charAt(text, end) === Char.digit) end++;
    return end;
  }
  for (let kind = charAt(text, end); kind === Char.name || kind === Char.digit; kind = charAt(text, ++end));
  if (charAt(text, end) !== Char.dollar) return i + 1;
  const tag = text.slice(i, end + 1);
  const close = text.indexOf(tag, end + 1);
  return close < 0 ? -1 : close + tag.length;
}

/** `-- …` up to the end of the line, or a block comment, which nests. */
export function skipComment(text: string, i: number): number {
  if (text.charCodeAt(i) === MINUS) {
    for (i += 2; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === 10 || c === 13) break;
    }
    return i;
  }
  let depth = 0;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === SLASH && text.charCodeAt(i + 1) === STAR) {
      depth++;
      i++;
    } else if (c === STAR && text.charCodeAt(i + 1) === SLASH) {
      i++;
      if (--depth === 0) return i + 1;
    }
  }
  return -1;
}

/** The end of the token at `i`, whatever it is, except a comment, which the caller looks for first. */
export function skipToken(text: string, i: number): number {
  switch (charAt(text, i)) {
    case Char.name:
      return skipNameOrString(text, i);
    case Char.digit:
      return skipNumber(text, i);
    case Char.operator:
      return skipOperator(text, i);
    case Char.quote:
    case Char.doubleQuote:
      return skipQuoted(text, i);
    case Char.dollar:
      return skipDollar(text, i);
    default:
      return i + 1;
  }
}
