/**
 * The settings that a session has made for itself, as far as they outlive its transactions: read from the origin after a statement that may have
 * changed them, and made again on another connection (ADR-020).
 *
 *   pg_settings.source = 'session'   every setting of the server's and of its modules that differs from the connection's beginning
 *   names with a dot                 settings of applications, which no catalog lists: their names are those that statements gave
 */
import { decodeDataRow } from '../shared/wire/backend.ts';
import { oneRow } from './one-row.ts';
import type { ReplySink } from './owed.ts';

/** What is read when a statement is parsed: a prepared statement keeps it, and another connection's copy must be of the same. */
const parseSettings: ReadonlySet<string> = new Set([
  ...['search_path', 'timezone', 'datestyle', 'intervalstyle', 'client_encoding', 'standard_conforming_strings'],
  ...['backslash_quote', 'transform_null_equals', 'array_nulls', 'lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time'],
  ...['xmloption', 'xmlbinary', 'default_text_search_config', 'bytea_output', 'extra_float_digits'],
  ...['timezone_abbreviations', 'quote_all_identifiers', 'default_with_oids', 'escape_string_warning'],
]);

/** What decides which objects names stand for, and how a text is read: until they are known again no statement can be judged. */
const namingSettings: ReadonlySet<string> = new Set([
  ...['search_path', 'client_encoding', 'standard_conforming_strings', 'transform_null_equals', 'backslash_quote'],
]);

export const isParseSetting = (name: string): boolean => parseSettings.has(name);
export const isNamingSetting = (name: string): boolean => namingSettings.has(name);
export const isCustomSetting = (name: string): boolean => name.includes('.');

function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return text.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

export class CarriedSettings {
  /** In the order of their names. */
  readonly values: ReadonlyMap<string, string>;
  /** Equal for equal settings. */
  readonly fingerprint: string;
  /** Equal where a text is parsed alike. */
  readonly parseFingerprint: string;

  constructor(values: Iterable<readonly [name: string, value: string]> = []) {
    const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.values = new Map(sorted);
    this.fingerprint = sorted.length === 0 ? '' : JSON.stringify(sorted);
    const parsed = sorted.filter(([name]) => isParseSetting(name.toLowerCase()));
    this.parseFingerprint = parsed.length === 0 ? '' : JSON.stringify(parsed);
  }

  /** False: a value has letters that mean something else under another client_encoding. */
  get isPlain(): boolean {
    return !/[^\0-\x7f]/.test(this.fingerprint);
  }

  /** Makes these settings on a connection that has `others`; null: it has them. */
  restoreSql(others: CarriedSettings): string | null {
    if (others.fingerprint === this.fingerprint) return null;
    const calls = [...this.values].map(
      ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, false)`,
    );
    return `RESET ALL${calls.length === 0 ? '' : `; SELECT ${calls.join(', ')}`}`;
  }
}

export const noSettings = new CarriedSettings();

/** The question for a session's settings: one row with one text. @param custom names of applications' settings */
export function settingsQuery(custom: ReadonlySet<string>): string {
  const eq = 'OPERATOR(pg_catalog.=)';
  const own = [...custom].map(
    (name) =>
      ` UNION ALL SELECT ${literal(name)}::pg_catalog.text, pg_catalog.current_setting(${literal(name)}::pg_catalog.text, true)`,
  );
  return `SELECT pg_catalog.json_agg(pg_catalog.json_build_array(s.name, s.setting))::pg_catalog.text FROM (SELECT p.name, p.setting FROM pg_catalog.pg_settings p WHERE p.source ${eq} 'session'${own.join('')}) s`;
}

/** Takes the answer to `settingsQuery`; null: it failed. */
export function settingsSink(read: (settings: CarriedSettings | null) => void): ReplySink {
  return oneRow((frame) => {
    if (frame === null) {
      read(null);
      return;
    }
    const [text] = decodeDataRow(frame, 0, frame.length);
    const rows = JSON.parse(text ?? '[]') as readonly (readonly [string, string | null])[];
    read(new CarriedSettings(rows.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))));
  });
}
