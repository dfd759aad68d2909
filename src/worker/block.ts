/**
 * Statements that begin or end a transaction block in the plainest way: those that can be answered here (adr/007). Anything
 * else about transactions is the origin's: savepoints, AND CHAIN, PREPARE TRANSACTION, isolation above READ COMMITTED.
 * Manual: BEGIN, START TRANSACTION, COMMIT, ROLLBACK.
 */
import { stripComments } from '../shared/shape.ts';
import { encodeCommandComplete } from '../shared/wire/backend.ts';

export interface BlockCommand {
  readonly kind: 'begin' | 'end';
  /** Its CommandComplete. */
  readonly complete: Buffer;
}

/** The longest text that is looked at, trace comments included. */
const COMMAND_BYTES_MAX = 512;

const mode = String.raw`(?:isolation\s+level\s+read\s+committed|read\s+write|read\s+only)`;
const modes = String.raw`(?:\s+${mode}(?:(?:\s*,\s*|\s+)${mode})?)?`;
const optional = String.raw`(?:\s+(?:work|transaction))?`;
const end = String.raw`\s*;?\s*$`;

const commands: readonly (readonly [RegExp, BlockCommand])[] = (
  [
    [`^\\s*begin${optional}${modes}${end}`, 'begin', 'BEGIN'],
    [`^\\s*start\\s+transaction${modes}${end}`, 'begin', 'START TRANSACTION'],
    [`^\\s*(?:commit|end)${optional}${end}`, 'end', 'COMMIT'],
    [`^\\s*(?:rollback|abort)${optional}${end}`, 'end', 'ROLLBACK'],
  ] as const
).map(([pattern, kind, tag]) => [new RegExp(pattern, 'i'), { kind, complete: encodeCommandComplete(tag) }]);

/** Whether the first letters could be those of a command, or of a comment in front of one. */
function mayBeCommand(bytes: Uint8Array, at: number, stop: number): boolean {
  while (at < stop && (bytes[at] === 0x20 || (bytes[at]! >= 9 && bytes[at]! <= 13))) at++;
  if (at + 3 > stop) return false;
  switch (((bytes[at]! | 0x20) << 8) | (bytes[at + 1]! | 0x20)) {
    case 0x6265: // be(gin)
    case 0x7374: // st(art transaction)
    case 0x636f: // co(mmit)
    case 0x656e: // en(d)
    case 0x726f: // ro(llback)
    case 0x6162: // ab(ort)
      return true;
    default:
      return bytes[at] === 0x2f || bytes[at] === 0x2d;
  }
}

/** The text of [start, stop) without comments. */
export function commandText(bytes: Buffer, start: number, stop: number): string {
  return stripComments(bytes.toString('latin1', start, stop));
}

/** The command that the text [start, stop) is, or null. */
export function blockCommand(bytes: Buffer, start: number, stop: number): BlockCommand | null {
  if (stop - start > COMMAND_BYTES_MAX || !mayBeCommand(bytes, start, stop)) return null;
  const text = commandText(bytes, start, stop);
  // White space that is none to every server (vertical tab, no-break space) is not for us to judge.
  if (/[^\t\n\f\r -~]/.test(text)) return null;
  for (const [pattern, command] of commands) if (pattern.test(text)) return command;
  return null;
}
