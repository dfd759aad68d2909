/**
 * Elements of array values, in text and in binary format. What is not a plain one-dimensional array is null: nothing is then
 * concluded from it. Manual: Arrays, Array Input and Output Syntax; for the binary format array_recv in arrayfuncs.c.
 */
import type { Family } from '../../shared/canonical.ts';

const nullWord = /^null$/i;

/** Whether an element of text format is NULL for types other than text. */
export function isNullElement(text: string): boolean {
  return nullWord.test(text);
}

/** By oid of the array type. */
const families: ReadonlyMap<number, Family> = new Map([
  [1005, 'integer'], // int2[]
  [1007, 'integer'], // int4[]
  [1016, 'integer'], // int8[]
  [1028, 'oid'],
  [1000, 'boolean'],
  [2951, 'uuid'],
  [1009, 'string'], // text[]
  [1015, 'string'], // varchar[]
  [1182, 'date'],
  [1115, 'timestamp'],
  [1185, 'timestamptz'],
  [1231, 'numeric'],
]);

export function familyOfArray(oid: number): Family | undefined {
  return families.get(oid);
}

/** Blank, as array_isspace has it. */
const blank = '[ \\t\\n\\v\\f\\r]*';
/** A quoted element, or one without quotes, braces, commas and backslashes that is not blank; then what ends it. */
const element = new RegExp(
  `${blank}(?:"((?:[^"\\\\]|\\\\[^])*)"|([^\\s",{}\\\\](?:[^",{}\\\\]*[^\\s",{}\\\\])?))${blank}([,}])`,
  'y',
);
const opening = new RegExp(`^${blank}\\{`);
const empty = new RegExp(`^${blank}\\{${blank}\\}${blank}$`);
const rest = new RegExp(`^${blank}$`);

/**
 * Texts of the elements; null when it is not certain, or there are more than `elementsMax`. `NULL` stands as it is written: with the
 * setting array_nulls off it is a text like any other, and where it is not it equals nothing.
 */
export function elementsOfText(text: string, elementsMax: number): string[] | null {
  if (empty.test(text)) return [];
  const start = opening.exec(text);
  if (start === null) return null;
  const elements: string[] = [];
  element.lastIndex = start[0].length;
  for (;;) {
    const match = element.exec(text);
    if (match === null || elements.length === elementsMax) return null;
    const [, quoted, bare, end] = match;
    elements.push(quoted === undefined ? bare! : quoted.replace(/\\(.)/gs, '$1'));
    if (end === ',') continue;
    const at = element.lastIndex;
    element.lastIndex = 0;
    return rest.test(text.slice(at)) ? elements : null;
  }
}

/** Bytes of the elements in their type's binary format, null for NULL; null as for text. */
export function elementsOfBinary(bytes: Buffer, elementsMax: number): (Buffer | null)[] | null {
  if (bytes.length < 12) return null;
  const dimensions = bytes.readInt32BE(0);
  if (dimensions === 0) return bytes.length === 12 ? [] : null;
  if (dimensions !== 1 || bytes.length < 20) return null;
  const count = bytes.readInt32BE(12);
  if (count < 0 || count > elementsMax) return null;
  const elements: (Buffer | null)[] = [];
  let at = 20;
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) return null;
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < -1 || at + length > bytes.length) return null;
    elements.push(length < 0 ? null : bytes.subarray(at, at + length));
    if (length > 0) at += length;
  }
  return at === bytes.length ? elements : null;
}
