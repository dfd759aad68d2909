/**
 * Statements that PostgreSQL refuses while a change stream of the database is open: DROP DATABASE, ALTER DATABASE … RENAME TO and SET TABLESPACE,
 * CREATE DATABASE, which copies one. Recognised by their first words; all of them must be the only statement of a text, so no more has to be known.
 */
import { stripComments } from './shape.ts';

export interface DatabaseStatement {
  /** The database that nobody may be connected to; null: not told. */
  readonly name: string | null;
  /** Whether the session's own may be it. No session can drop, rename or move the database that it is in. */
  readonly mayBeOwn: boolean;
  /** The tag of its success, after which nothing has that name; null: it stays. */
  readonly goneAfter: 'DROP DATABASE' | 'ALTER DATABASE' | null;
}

/** What CREATE DATABASE copies when it does not say. */
const DEFAULT_TEMPLATE = 'template1';
const NAME_BYTES_MAX = 63;

const name = String.raw`("(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*(?!["'&\w$]))`;
const dropPattern = new RegExp(String.raw`^\s*drop\s+database(?:\s+if\s+exists)?\s*(?!if\s+exists\b)${name}`, 'i');
const alterPattern = new RegExp(String.raw`^\s*alter\s+database\s*${name}`, 'i');
const templatePattern = new RegExp(String.raw`\btemplate\s*=?\s*(?:${name}|'((?:[^']|'')+)')`, 'i');

/** The statement in a text of the client, or null: it is none of these. */
export function databaseStatement(text: string): DatabaseStatement | null {
  const bare = stripComments(text);
  const words = /^\s*(drop|alter|create)\s+database\b/i.exec(bare);
  switch (words?.[1]?.toLowerCase()) {
    case 'drop':
      return { name: identifier(dropPattern.exec(bare)?.[1]), mayBeOwn: false, goneAfter: 'DROP DATABASE' };
    case 'alter': {
      if (/\brename\s+to\b/i.test(bare)) {
        return { name: identifier(alterPattern.exec(bare)?.[1]), mayBeOwn: false, goneAfter: 'ALTER DATABASE' };
      }
      if (!/\bset\s+tablespace\b/i.test(bare)) return null;
      return { name: identifier(alterPattern.exec(bare)?.[1]), mayBeOwn: false, goneAfter: null };
    }
    case 'create': {
      const match = templatePattern.exec(bare);
      const literal = match?.[2]?.replaceAll("''", "'");
      const isSilent = !/\btemplate\b/i.test(bare);
      return {
        name: isSilent ? DEFAULT_TEMPLATE : (literal ?? identifier(match?.[1])),
        mayBeOwn: true,
        goneAfter: null,
      };
    }
    default:
      return null;
  }
}

/** As the origin reads it; null: not for us to say (U&"…", a name that it would cut). */
function identifier(token: string | undefined): string | null {
  if (token === undefined || token === '') return null;
  const plain = token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : token;
  if (Buffer.byteLength(plain) > NAME_BYTES_MAX) return null;
  if (token.startsWith('"')) return plain;
  return /[^\0-\x7f]/.test(plain) ? null : plain.toLowerCase();
}

/** A cheap test before the exact one: DROP, ALTER or CREATE, by two letters, or a comment. */
export function mayBeDatabaseStatement(bytes: Uint8Array, at: number, end: number): boolean {
  while (at < end && (bytes[at] === 0x20 || (bytes[at]! >= 9 && bytes[at]! <= 13))) at++;
  if (at + 2 > end) return false;
  const letters = ((bytes[at]! | 0x20) << 8) | (bytes[at + 1]! | 0x20);
  const isWord = letters === 0x6472 || letters === 0x616c || letters === 0x6372;
  return isWord || bytes[at] === 0x2f || bytes[at] === 0x2d;
}
