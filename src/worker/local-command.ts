/**
 * Statements that the proxy answers itself, wherever the session stands:
 *
 *   SET, SHOW, RESET pgfresh.consistency      consistency.ts
 *   SHOW pgfresh.status                       how the cache is, and this session's part in it
 *   EXPLAIN (PGFRESH) statement               whether the statement is cached in this session, and why not
 *
 * PostgreSQL itself has no option PGFRESH of EXPLAIN (42601), so the spelling takes nothing away, and drivers treat it as a statement that gives rows.
 */
import { Char, charAt, isCommentStart, skipComment, skipToken } from '../shared/lexer.ts';
import { type LevelCommand, levelCommand } from './consistency.ts';

export type LocalCommand =
  | LevelCommand
  | { readonly kind: 'status' }
  | { readonly kind: 'explain'; readonly text: string };

const statusPattern = /^\s*show\s+(?:pgfresh\.status|"pgfresh"\."status"|"pgfresh\.status")\s*;?\s*$/i;
const explainPattern = /^\s*explain\s*\(\s*pgfresh(?:\s+(?:on|true|1))?\s*\)\s*(?=\S)/i;

/** The command in a statement's text, or null. */
export function localCommand(text: string): LocalCommand | null {
  const level = levelCommand(text);
  if (level !== null) return level;
  if (text.length < 64 && statusPattern.test(text)) return { kind: 'status' };
  const match = explainPattern.exec(text);
  return match === null ? null : { kind: 'explain', text: text.slice(match[0].length) };
}

/** A cheap test before the exact one: SET, SHOW, RESET or EXPLAIN, by three letters. */
export function beginsLikeCommand(bytes: Uint8Array, at: number, end: number): boolean {
  while (at < end && (bytes[at] === 0x20 || (bytes[at]! >= 9 && bytes[at]! <= 13))) at++;
  if (at + 3 > end) return false;
  const letters = (((bytes[at]! | 0x20) << 16) | ((bytes[at + 1]! | 0x20) << 8) | (bytes[at + 2]! | 0x20)) >>> 0;
  return letters === 0x736574 || letters === 0x73686f || letters === 0x726573 || letters === 0x657870;
}

/** How many parameters a statement has: the highest `$n` outside of strings and comments. */
export function parameterCount(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; ) {
    const end = isCommentStart(text, i) ? skipComment(text, i) : skipToken(text, i);
    if (end < 0) return count;
    if (charAt(text, i) === Char.dollar && charAt(text, i + 1) === Char.digit) {
      count = Math.max(count, Number(text.slice(i + 1, end)));
    }
    i = end;
  }
  return Math.min(count, 0xffff);
}
