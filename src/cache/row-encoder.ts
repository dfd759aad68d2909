/**
 * Rows as the origin would send them, made of the texts of the change stream: for types whose text does not depend on a setting, or where the
 * session has the stream's, and for binary formats that follow from the text exactly. Manual: Message Formats, DataRow, CommandComplete.
 */
import { canonicalText } from '../shared/canonical.ts';
import { encodeCommandComplete, encodeDataRow } from '../shared/wire/backend.ts';

/** Settings of a session that texts of dates and times depend on. */
export interface OutputSettings {
  readonly isoDates: boolean;
  readonly utc: boolean;
}

export type ValueEncoder = (text: string) => Buffer | null;

const utf8: ValueEncoder = (text) => Buffer.from(text, 'utf8');

/** By type oid: "char", name, json, jsonb, cidr, inet, macaddr, macaddr8, bpchar, numeric, time. */
const textOnly: ReadonlySet<number> = new Set([18, 19, 114, 3802, 650, 869, 829, 774, 1042, 1700, 1083]);

function integer(bytes: 2 | 4 | 8): ValueEncoder {
  return (text) => {
    const canonical = canonicalText('int8', text);
    if (canonical === null) return null;
    const wide = Buffer.alloc(8);
    wide.writeBigInt64BE(BigInt(canonical));
    return wide.subarray(8 - bytes);
  };
}

/** Types with a binary format that is known here; their text is always the stream's. */
const binary: ReadonlyMap<number, ValueEncoder> = new Map<number, ValueEncoder>([
  [16, (text) => Buffer.from([text === 't' ? 1 : 0])],
  [20, integer(8)],
  [21, integer(2)],
  [23, integer(4)],
  [26, integer(4)],
  [25, utf8],
  [1043, utf8],
  [2950, (text) => Buffer.from(text.replaceAll('-', ''), 'hex')],
]);

/** Null where the bytes are not certain. @param format 0 text, 1 binary */
export function encoderOf(type: number, format: number, { isoDates, utc }: OutputSettings): ValueEncoder | null {
  if (format === 1) return binary.get(type) ?? null;
  if (format !== 0) return null;
  if (binary.has(type) || textOnly.has(type)) return utf8;
  // date, timestamp; timestamptz
  if (type === 1082 || type === 1114) return isoDates ? utf8 : null;
  return type === 1184 && isoDates && utc ? utf8 : null;
}

const [NO_ROW, ONE_ROW] = [encodeCommandComplete('SELECT 0'), encodeCommandComplete('SELECT 1')];

/** The frames behind the RowDescription of an answer of one row, or of none; null where a value cannot be encoded. */
export function encodeAnswer(
  values: readonly (string | null)[] | null,
  encoders: readonly ValueEncoder[],
): Buffer | null {
  if (values === null) return NO_ROW;
  const encoded: (Buffer | null)[] = [];
  for (let i = 0; i < values.length; i++) {
    const text = values[i]!;
    const value = text === null ? null : encoders[i]!(text);
    if (value === null && text !== null) return null;
    encoded.push(value);
  }
  return Buffer.concat([encodeDataRow(encoded), ONE_ROW]);
}
