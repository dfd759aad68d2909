/**
 * Constants in the one text form in which the change stream carries a value of the type, so that equal values are equal
 * strings (lesson 6). What is not certain is null: the constraint then falls away, which is always safe. No value goes
 * through a JavaScript number (lesson 7).
 */
import { canonicalDate, canonicalTimestamp, canonicalTimestamptz, dateOfBinary, timestampOfBinary } from './moments.ts';
import { canonicalNumeric, numericOfBinary } from './numeric.ts';

/**
 * Types whose text form decides equality; numeric alone has several texts for a value on the stream (1.0, 1.00), so it is only ever compared
 * by its rank.
 */
export type CanonicalType =
  | 'int2'
  | 'int4'
  | 'int8'
  | 'oid'
  | 'bool'
  | 'uuid'
  | 'text'
  | 'varchar'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'numeric';

/** Types whose equality is comparable with each other. */
export type Family =
  | 'integer'
  | 'oid'
  | 'boolean'
  | 'uuid'
  | 'string'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'numeric';

interface TypeFacts {
  readonly canonical: CanonicalType;
  readonly family: Family;
}

/** By type oid. bpchar is missing: it ignores trailing blanks; name, float, time and interval as well. */
const canonicalTypes: ReadonlyMap<number, TypeFacts> = new Map([
  [21, { canonical: 'int2', family: 'integer' }],
  [23, { canonical: 'int4', family: 'integer' }],
  [20, { canonical: 'int8', family: 'integer' }],
  [26, { canonical: 'oid', family: 'oid' }],
  [16, { canonical: 'bool', family: 'boolean' }],
  [2950, { canonical: 'uuid', family: 'uuid' }],
  [25, { canonical: 'text', family: 'string' }],
  [1043, { canonical: 'varchar', family: 'string' }],
  [1082, { canonical: 'date', family: 'date' }],
  [1114, { canonical: 'timestamp', family: 'timestamp' }],
  [1184, { canonical: 'timestamptz', family: 'timestamptz' }],
  [1700, { canonical: 'numeric', family: 'numeric' }],
]);

export function canonicalTypeOf(oid: number): TypeFacts | undefined {
  return canonicalTypes.get(oid);
}

const families: Readonly<Record<CanonicalType, Family>> = {
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  oid: 'oid',
  bool: 'boolean',
  uuid: 'uuid',
  text: 'string',
  varchar: 'string',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  numeric: 'numeric',
};

export function familyOfType(type: CanonicalType): Family {
  return families[type];
}

const integer = /^[ \t\n\v\f\r]*([+-]?)0*(\d+)[ \t\n\v\f\r]*$/;
const INT8_MAX = 9223372036854775807n;
const INT8_MIN = -9223372036854775808n;
const OID_MAX = 4294967295n;
const uuid = /^(?:\{([0-9a-f-]{32,39})\}|([0-9a-f-]{32,39}))$/i;
const uuidGroups = /^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$/i;
const DIGITS_MAX = 19;

/**
 * The canonical text of a constant given as text, or null when it has none that is certain.
 * Forms accepted: those of int2in, int4in, int8in, oidin (decimal only), boolin, uuid_in; of dates, times and numeric plain digits only. Manual: Data Types.
 */
export function canonicalText(type: CanonicalType, text: string): string | null {
  switch (families[type]) {
    case 'integer':
      return canonicalInteger(text, INT8_MIN, INT8_MAX);
    case 'oid':
      // oidin reads a leading zero as octal.
      return /^\s*[+-]?0\d/.test(text) ? null : canonicalInteger(text, 0n, OID_MAX);
    case 'boolean':
      return canonicalBoolean(text);
    case 'uuid':
      return canonicalUuid(text);
    case 'string':
      // A replacement character stands for bytes that were not UTF-8: what they were is unknown.
      return text.includes('\ufffd') || text.includes('\u0000') ? null : text;
    case 'date':
      return canonicalDate(text);
    case 'timestamp':
      return canonicalTimestamp(text);
    case 'timestamptz':
      return canonicalTimestamptz(text);
    case 'numeric':
      return canonicalNumeric(text);
  }
}

function canonicalInteger(text: string, min: bigint, max: bigint): string | null {
  const match = integer.exec(text);
  if (match === null || match[2]!.length > DIGITS_MAX) return null;
  const value = match[1] === '-' ? -BigInt(match[2]!) : BigInt(match[2]!);
  return value < min || value > max ? null : value.toString();
}

/** parse_bool_with_len: a prefix of true, false, yes, no, or on, of, off, 1, 0, in any letter case. */
function canonicalBoolean(text: string): string | null {
  const word = text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '').toLowerCase();
  if (word === '') return null;
  if ('true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on' || word === '1') return 't';
  if ('false'.startsWith(word) || 'no'.startsWith(word) || word === 'off' || word === 'of' || word === '0') return 'f';
  return null;
}

function canonicalUuid(text: string): string | null {
  const match = uuid.exec(text);
  const inner = match?.[1] ?? match?.[2];
  if (inner === undefined || !uuidGroups.test(inner)) return null;
  return hyphenate(inner.replaceAll('-', '').toLowerCase());
}

function hyphenate(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The canonical text of a parameter in binary format, or null. Sizes decide: they are fixed for each type. */
export function canonicalBinary(type: CanonicalType, bytes: Buffer): string | null {
  switch (families[type]) {
    case 'integer':
      if (bytes.length === 4) return String(bytes.readInt32BE(0));
      if (bytes.length === 2) return String(bytes.readInt16BE(0));
      return bytes.length === 8 ? bytes.readBigInt64BE(0).toString() : null;
    case 'oid':
      return bytes.length === 4 ? String(bytes.readUInt32BE(0)) : null;
    case 'boolean':
      // boolrecv: any byte but 0 is true.
      return bytes.length === 1 ? (bytes[0] === 0 ? 'f' : 't') : null;
    case 'uuid':
      return bytes.length === 16 ? hyphenate(bytes.toString('hex')) : null;
    case 'string':
      return canonicalText(type, bytes.toString('utf8'));
    case 'date':
      return dateOfBinary(bytes);
    case 'timestamp':
      return timestampOfBinary(bytes);
    case 'timestamptz': {
      const utc = timestampOfBinary(bytes);
      return utc === null ? null : `${utc}+00`;
    }
    case 'numeric':
      return numericOfBinary(bytes);
  }
}
