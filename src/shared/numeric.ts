/** Values of type numeric as text, without going through a JavaScript number (lesson 7). Manual: Arbitrary Precision Numbers. */

const decimal = /^[ \t\n\v\f\r]*([+-]?)(\d*)(?:\.(\d*))?[ \t\n\v\f\r]*$/;
const DIGITS_MAX = 200;

/** Digits without leading zeros and without zeros at the end of the fraction; null for anything else: exponents, NaN, Infinity. */
export function canonicalNumeric(text: string): string | null {
  const match = decimal.exec(text);
  if (match === null || text.length > DIGITS_MAX) return null;
  const [, sign, whole = '', fraction = ''] = match;
  if (whole === '' && fraction === '') return null;
  const [left, right] = [whole.replace(/^0+(?=\d)/, '') || '0', fraction.replace(/0+$/, '')];
  const digits = right === '' ? left : `${left}.${right}`;
  return sign === '-' && digits !== '0' ? `-${digits}` : digits;
}

const Sign = { positive: 0x0000, negative: 0x4000 } as const;

/** Binary format: count of digits, weight, sign, scale, then digits of base 10000. numeric_recv in numeric.c. */
export function numericOfBinary(bytes: Buffer): string | null {
  if (bytes.length < 8) return null;
  const [count, weight, sign] = [bytes.readUInt16BE(0), bytes.readInt16BE(2), bytes.readUInt16BE(4)];
  if (bytes.length !== 8 + 2 * count || (sign !== Sign.positive && sign !== Sign.negative)) return null;
  if (count > DIGITS_MAX / 8 || Math.abs(weight) > DIGITS_MAX / 8) return null;
  const digit = (position: number): string => {
    const i = weight - position;
    return i < 0 || i >= count ? '0000' : String(bytes.readUInt16BE(8 + 2 * i)).padStart(4, '0');
  };
  let whole = '0';
  for (let position = weight; position >= 0; position--) whole += digit(position);
  let fraction = '';
  for (let position = -1; position > weight - count; position--) fraction += digit(position);
  return canonicalNumeric(`${sign === Sign.negative ? '-' : ''}${whole}.${fraction}`);
}
