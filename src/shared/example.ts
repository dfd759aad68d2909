/**
 * A statement as it may be shown to people who may not see data: comments and every constant taken out, names kept. Not the shape that verdicts
 * are found by (shape.ts), which keeps the constants that decide what a statement means.
 */
import { Char, charAt, isCommentStart, skipComment, skipToken } from './lexer.ts';
import { Limits } from './limits.ts';

const REST = '…';

/** At most `Limits.exampleCharsMax` characters. From the first token on that does not end, or that another setting would end elsewhere, nothing. */
export function exampleOf(text: string): string {
  let out = '';
  for (let i = 0; i < text.length && out.length < Limits.exampleCharsMax; ) {
    const comment = isCommentStart(text, i);
    const end = comment ? skipComment(text, i) : skipToken(text, i);
    if (end < 0) return finish(out + REST);
    const token = text.slice(i, end);
    i = end;
    if (comment || charAt(token, 0) === Char.space) out += out === '' || out.endsWith(' ') ? '' : ' ';
    // With standard_conforming_strings off a backslash takes the quote behind it along.
    else if (token.startsWith("'") && token.includes('\\')) return finish(`${out}?${REST}`);
    else out += shown(token);
  }
  return finish(out);
}

function shown(token: string): string {
  const kind = charAt(token, 0);
  if (kind === Char.digit || kind === Char.quote) return '?';
  const isDollarQuote = kind === Char.dollar && token.length > 1 && charAt(token, 1) !== Char.digit;
  // E'…' is one token.
  return isDollarQuote || (kind === Char.name && token.endsWith("'")) ? '?' : token;
}

/** A SET's value may be a bare word. */
const assignment = /^((?:set|alter\s+(?:role|user|database|system))\b.*?(?:=|\bto\b)).*$/is;

function finish(out: string): string {
  const whole = out.trim().replace(assignment, '$1 ?');
  return whole.length > Limits.exampleCharsMax ? `${whole.slice(0, Limits.exampleCharsMax - 1)}${REST}` : whole;
}
