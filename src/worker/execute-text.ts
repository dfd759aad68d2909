/**
 * The texts of SQL's PREPARE and EXECUTE, as far as a worker reads them: a name, and arguments that are plain constants. Whatever else an
 * EXECUTE may hold (calls, casts, operators, other forms of strings) is the origin's to evaluate. Manual: PREPARE, EXECUTE, Constants.
 */

/** How an argument is written. PostgreSQL takes a number to a parameter's type by a cast, a string by the type's input function. */
const ArgumentKind = { string: 0x73, number: 0x6e, boolean: 0x62, null: 0x30 } as const;
type ArgumentKind = (typeof ArgumentKind)[keyof typeof ArgumentKind];

export interface Argument {
  readonly kind: ArgumentKind;
  /** As Bind would carry it in text format; null for NULL. */
  readonly value: string | null;
}

export interface ExecuteText {
  readonly name: string;
  readonly arguments: readonly Argument[];
}

/** Longer names are cut off (NAMEDATALEN), and then two of them may be one. */
const NAME_LENGTH_MAX = 63;
/** Beyond it a text is not looked at. */
const TEXT_LENGTH_MAX = 16 * 1024;

/** What every server takes for white space; \s is more, and 15 knows no vertical tab. */
const space = String.raw`[ \t\n\r\f]`;
const identifier = String.raw`([a-z_][a-z0-9_$]*|"(?:[^"\0-\x1f\x7f-\uffff]|"")+")`;
const number = String.raw`(-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?)`;
const preparePattern = new RegExp(`^${space}*prepare${space}+${identifier}${space}*(?:\\(|as\\b)`, 'i');
const executePattern = new RegExp(`^${space}*execute${space}+${identifier}${space}*(\\(|;?${space}*$)`, 'i');
/** One argument and what follows it: a string that no other one continues, a number as PostgreSQL prints it, a word. */
const argumentPattern = new RegExp(`${space}*(?:('(?:[^']|'')*')|${number}|(null|true|false))${space}*([,)])`, 'iy');
const endPattern = new RegExp(`${space}*;?${space}*$`, 'y');

/** The name that a text makes, should it be a PREPARE and succeed; null: none, or one that is spelled oddly. */
export function preparedName(sql: string): string | null {
  return nameOf(preparePattern.exec(sql)?.[1]);
}

/** An EXECUTE with plain arguments, or null. @param sql without comments */
export function executeText(sql: string): ExecuteText | null {
  if (sql.length > TEXT_LENGTH_MAX) return null;
  const head = executePattern.exec(sql);
  const name = nameOf(head?.[1]);
  if (head === null || name === null) return null;
  if (head[2] !== '(') return { name, arguments: [] };
  const found: Argument[] = [];
  argumentPattern.lastIndex = head[0].length;
  for (let end = ','; end !== ')'; ) {
    const match = argumentPattern.exec(sql);
    if (match === null) return null;
    found.push(argumentOf(match));
    end = match[4]!;
    endPattern.lastIndex = argumentPattern.lastIndex;
  }
  return endPattern.test(sql) ? { name, arguments: found } : null;
}

function argumentOf([, text, digits, word]: RegExpExecArray): Argument {
  if (text !== undefined) return { kind: ArgumentKind.string, value: text.slice(1, -1).replaceAll("''", "'") };
  // -0 is 0 to an integer, and prints so.
  if (digits !== undefined) return { kind: ArgumentKind.number, value: digits.replace(/^-(?=[0.]+$)/, '') };
  const value = word!.toLowerCase();
  return value === 'null' ? { kind: ArgumentKind.null, value: null } : { kind: ArgumentKind.boolean, value };
}

function nameOf(spelled: string | undefined): string | null {
  if (spelled === undefined) return null;
  const name = spelled.startsWith('"') ? spelled.slice(1, -1).replaceAll('""', '"') : spelled.toLowerCase();
  return name.length <= NAME_LENGTH_MAX ? name : null;
}

/** A cheap test before the exact one: EXECUTE by two letters, or a comment in front of it. */
export function beginsLikeExecute(bytes: Uint8Array, at: number, end: number): boolean {
  while (at < end && (bytes[at] === 0x20 || (bytes[at]! >= 9 && bytes[at]! <= 13))) at++;
  if (at + 2 > end) return false;
  const isComment = bytes[at] === 0x2f || bytes[at] === 0x2d;
  return isComment || ((bytes[at]! | 0x20) === 0x65 && (bytes[at + 1]! | 0x20) === 0x78);
}
