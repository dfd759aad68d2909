/**
 * Where a value stands in the order of its type, as a 64-bit integer: equal or rising with the value. Ranges of every type are so ranges of
 * integers (interval-tree.ts).
 *
 *   integers, oid, date, timestamp, timestamptz    exact: other values, other ranks
 *   numeric                                        millionths towards zero, within 64 bits
 *   text, varchar                                  the first eight bytes of UTF-8: the order of collation C, and of prefixes in any
 *   uuid                                           the first eight of its sixteen bytes
 *
 * Where ranks are coarse, an open end is taken as a closed one: a superset, as every constraint.
 */
import type { CanonicalType } from '../shared/canonical.ts';
import { momentRank } from '../shared/moments.ts';

export const RANK_MIN = -(2n ** 63n);
export const RANK_MAX = 2n ** 63n - 1n;

/** A type whose order is used, or 'none': all that is asked of the column is that it is not NULL. */
export type RankedType = CanonicalType | 'none';

const coarse: ReadonlySet<RankedType> = new Set(['numeric', 'text', 'varchar', 'uuid', 'bool', 'none']);

/** Whether the rank tells any two values apart. */
export function isExact(type: RankedType): boolean {
  return !coarse.has(type);
}

/** Rank of a text as the change stream has it, or of a canonical one; null when it is not known: the value may stand anywhere. */
export function rankOf(type: RankedType, text: string): bigint | null {
  switch (type) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      return /^-?\d{1,19}$/.test(text) ? BigInt(text) : null;
    case 'numeric':
      return numericRank(text);
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      if (text.endsWith('infinity')) return text === 'infinity' ? RANK_MAX : RANK_MIN;
      return momentRank(text, type === 'date');
    case 'text':
    case 'varchar':
      return bytesRank(text, 0);
    case 'uuid':
      return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-/.test(text)
        ? BigInt(`0x${text.slice(0, 8)}${text.slice(9, 13)}${text.slice(14, 18)}`) + RANK_MIN
        : null;
    case 'bool':
    case 'none':
      return null;
  }
}

/** The highest rank of texts that begin so. */
export function prefixRankMax(prefix: string): bigint {
  return bytesRank(prefix, 0xff);
}

/** Nine UTF-16 units have eight bytes of whole characters or more. */
const scratch = Buffer.alloc(3 * 9);

function bytesRank(text: string, padding: number): bigint {
  scratch.fill(padding, 0, 8);
  scratch.write(text.slice(0, 9), 0, 'utf8');
  return scratch.readBigUInt64BE(0) + RANK_MIN;
}

const numeric = /^(-?)(\d+)(?:\.(\d+))?$/;
/** 10^12 millions of millionths: within 64 bits. */
const WHOLE_DIGITS_MAX = 12;

function numericRank(text: string): bigint | null {
  if (text === 'NaN' || text === 'Infinity') return RANK_MAX;
  if (text === '-Infinity') return RANK_MIN;
  const match = numeric.exec(text);
  if (match === null) return null;
  const [, sign, whole, fraction = ''] = match;
  if (whole!.length > WHOLE_DIGITS_MAX) return sign === '-' ? RANK_MIN : RANK_MAX;
  const magnitude = BigInt(whole! + fraction.slice(0, 6).padEnd(6, '0'));
  return sign === '-' ? -magnitude : magnitude;
}
