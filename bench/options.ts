/** The command line of the bench. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { PgVersion } from './origin.ts';

export interface BenchOptions {
  readonly quick: boolean;
  /** Names of the cases to run; all when empty. */
  readonly cases: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  /** The whole run is over by then, about: cells are left out. */
  readonly minutesMax: number;
  readonly workers: readonly number[];
  readonly pg: PgVersion;
  readonly seed: number;
  readonly compare: string | undefined;
  readonly out: string;
  /** ISO date of the report. */
  readonly date: string;
}

export const usage = `npm run bench -- [options]
  --quick             three minutes at most: one or two cells of the main cases
  --case NAME         only this case (repeatable)
  --rounds N          interleaved rounds (5; quick 3)
  --seconds N         of each measurement (1)
  --minutes N         leave out what does not fit (55; quick 2.9)
  --workers N         measure pgfresh with 1 and with N workers (cores)
  --pg 15|18          version of PostgreSQL (18)
  --seed N            of the load (1)
  --compare FILE      exit 1 when a ratio is more than 10 % below that report's
  --out FOLDER        where the report goes (bench/report)
  --date DATE         of the report (now)
  --list              names of the cases
`;

export class UsageError extends Error {}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`--${name}: a whole number from ${min} to ${max}, not "${text}"`);
  return value;
}

function minutes(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--minutes: a number above 0, not "${text}"`);
  return value;
}

const flags = {
  quick: { type: 'boolean', default: false },
  case: { type: 'string', multiple: true, default: [] as string[] },
  rounds: { type: 'string' },
  seconds: { type: 'string', default: '1' },
  minutes: { type: 'string' },
  workers: { type: 'string', default: String(availableParallelism()) },
  pg: { type: 'string', default: '18' },
  seed: { type: 'string', default: '1' },
  compare: { type: 'string' },
  out: { type: 'string' },
  date: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * @param now - ISO date, for the report.
 * @param known - names of the cases.
 * @returns null when help was asked for, 'list' for the names.
 * @throws UsageError naming the option that is wrong.
 */
export function parseOptions(
  args: readonly string[],
  now: string,
  known: readonly string[],
  reportFolder: string,
): BenchOptions | null | 'list' {
  const values = parse(args);
  if (values.help) return null;
  if (values.list) return 'list';
  for (const name of values.case) {
    if (!known.includes(name)) throw new UsageError(`--case: no case "${name}"; there are ${known.join(', ')}`);
  }
  if (values.pg !== '15' && values.pg !== '18') throw new UsageError(`--pg: 15 or 18, not "${values.pg}"`);
  const workers = wholeNumber('workers', values.workers, 1, 64);
  return {
    quick: values.quick,
    cases: values.case,
    rounds: wholeNumber('rounds', values.rounds ?? (values.quick ? '3' : '5'), 1, 1_000),
    seconds: wholeNumber('seconds', values.seconds, 1, 600),
    minutesMax: minutes(values.minutes ?? (values.quick ? '2.9' : '55')),
    workers: [...new Set([1, workers])],
    pg: values.pg === '15' ? 15 : 18,
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31),
    compare: values.compare,
    out: values.out ?? reportFolder,
    date: values.date ?? now,
  };
}
