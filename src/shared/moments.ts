/**
 * Dates and times given as canonical digits, in the text that the change stream carries (DateStyle ISO, TimeZone UTC). Forms whose meaning
 * depends on a setting (order of day and month, the session's time zone) and special values have none. Manual: Date/Time Input.
 */

/** Microseconds since 2000-01-01 00:00:00; dates in days. */
const DAY_SECONDS = 86_400;
const MICROSECONDS = 1_000_000n;
/** Days from 0000-03-01 to 2000-01-01. */
const EPOCH_DAYS = 730_425;

const date = '(\\d{4})-(\\d{2})-(\\d{2})';
const time = '(\\d{2}):(\\d{2})(?::(\\d{2})(?:\\.(\\d{1,6}))?)?';
const zone = '(?: ?(Z|[+-]\\d{2}(?::?\\d{2})?))?';
const moment = new RegExp(`^${date}(?:[ T]${time}${zone})?$`);

interface Moment {
  /** Since 2000-01-01. */
  readonly days: number;
  readonly seconds: number;
  /** Up to six digits behind the point, zeros at the end left out. */
  readonly fraction: string;
  /** Offset from UTC in seconds; null: none is given. */
  readonly zoneSeconds: number | null;
}

/** Days since 2000-01-01 in the proleptic Gregorian calendar; null when there is no such day. */
function daysOf(year: number, month: number, day: number): number | null {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const length = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > length) return null;
  const shifted = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return (
    365 * shifted +
    Math.floor(shifted / 4) -
    Math.floor(shifted / 100) +
    Math.floor(shifted / 400) +
    dayOfYear -
    EPOCH_DAYS
  );
}

function read(text: string): Moment | null {
  const match = moment.exec(text);
  if (match === null) return null;
  const [, year, month, day, hours = '0', minutes = '0', seconds = '0', fraction = '', zoneText] = match;
  const days = daysOf(Number(year), Number(month), Number(day));
  if (days === null || Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return null;
  const zoneSeconds = zoneText === undefined ? null : zoneOf(zoneText);
  if (zoneSeconds === undefined) return null;
  return {
    days,
    seconds: Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds),
    fraction: fraction.replace(/0+$/, ''),
    zoneSeconds,
  };
}

function zoneOf(text: string): number | undefined {
  if (text === 'Z') return 0;
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(3).replace(':', '') || '0')];
  if (hours > 14 || minutes > 59) return undefined;
  return (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60);
}

const digits = (value: number, width: number): string => String(value).padStart(width, '0');

/** `YYYY-MM-DD`; null outside the years 1 to 9999. */
function dateText(days: number): string | null {
  const sinceMarch = days + EPOCH_DAYS;
  const era = Math.floor(sinceMarch / 146_097);
  const dayOfEra = sinceMarch - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  if (year < 1 || year > 9999) return null;
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1, 2)}`;
}

function timestampText(days: number, seconds: number, fraction: string): string | null {
  const day = dateText(days);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const clock = `${digits(hours, 2)}:${digits(minutes, 2)}:${digits(seconds % 60, 2)}`;
  return day === null ? null : `${day} ${clock}${fraction === '' ? '' : `.${fraction}`}`;
}

/** A time behind the day is left out, as date_in does. */
export function canonicalDate(text: string): string | null {
  const found = read(text);
  return found === null ? null : dateText(found.days);
}

/** A time zone is left out, as timestamp_in does. */
export function canonicalTimestamp(text: string): string | null {
  const found = read(text);
  return found === null ? null : timestampText(found.days, found.seconds, found.fraction);
}

/** Null without a time zone: it would be the session's. */
export function canonicalTimestamptz(text: string): string | null {
  const found = read(text);
  if (found === null || found.zoneSeconds === null) return null;
  const seconds = found.seconds - found.zoneSeconds;
  const days = found.days + Math.floor(seconds / DAY_SECONDS);
  const utc = timestampText(days, seconds - Math.floor(seconds / DAY_SECONDS) * DAY_SECONDS, found.fraction);
  return utc === null ? null : `${utc}+00`;
}

/** Binary format of date: days since 2000-01-01. */
export function dateOfBinary(bytes: Buffer): string | null {
  return bytes.length === 4 ? dateText(bytes.readInt32BE(0)) : null;
}

/** Binary format of timestamp and timestamptz (in UTC): microseconds since 2000-01-01. */
export function timestampOfBinary(bytes: Buffer): string | null {
  if (bytes.length !== 8) return null;
  const micros = bytes.readBigInt64BE(0);
  const rest = ((micros % MICROSECONDS) + MICROSECONDS) % MICROSECONDS;
  const seconds = Number((micros - rest) / MICROSECONDS);
  const days = Math.floor(seconds / DAY_SECONDS);
  const fraction = String(rest).padStart(6, '0').replace(/0+$/, '');
  return timestampText(days, seconds - days * DAY_SECONDS, fraction);
}

/** Position in time of a canonical date or timestamp: days, or microseconds, since 2000-01-01; null for any other text. */
export function momentRank(text: string, isDate: boolean): bigint | null {
  const found = read(text.endsWith('+00') ? text.slice(0, -3) : text);
  if (found === null || found.zoneSeconds !== null) return null;
  if (isDate) return text.length === 10 ? BigInt(found.days) : null;
  return BigInt(found.days * DAY_SECONDS + found.seconds) * MICROSECONDS + BigInt(found.fraction.padEnd(6, '0'));
}
