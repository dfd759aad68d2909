/**
 * `npm run bench`: starts PostgreSQL, the rivals and pgfresh on loopback, measures, prints one table, writes a report.
 * Exit codes: 0 measured, 1 a ratio fell (--compare) or pgfresh failed in a cell, 2 wrong usage, 130 interrupted.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { BenchCase } from './case.ts';
import { cases } from './cases.ts';
import { compareReports, describeFall } from './compare.ts';
import { Household } from './household.ts';
import { pgbenchPath } from './load/pgbench.ts';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts';
import { type Origin, originSettings, startOrigin } from './origin.ts';
import { isPgfresh } from './peers/pgfresh.ts';
import { Progress } from './progress.ts';
import { writeReport } from './report.ts';
import { hasQuickCells, type RunOptions, runCase, stepsOf } from './runner.ts';
import { type CaseSummary, type Conditions, type Report, summarizeCase } from './summary.ts';
import { textTable } from './table.ts';
import { judge } from './targets.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** First line of what a command prints; "?" when it cannot be run. */
function firstLine(file: string, args: readonly string[]): string {
  try {
    return execFileSync(file, args, { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0]!;
  } catch {
    return '?';
  }
}

function conditionsOf(options: BenchOptions, versions: Readonly<Record<string, string>>): Conditions {
  return {
    date: options.date,
    commit: firstLine('git', ['describe', '--always', '--dirty', '--abbrev=10']),
    machine: {
      cpu: cpus()[0]?.model ?? '?',
      cores: availableParallelism(),
      memoryGib: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${release()}`,
    },
    versions: { Node: process.versions.node, pgbench: firstLine(pgbenchPath(), ['--version']), ...versions },
    rounds: options.rounds,
    seconds: options.seconds,
    seed: options.seed,
    quick: options.quick,
    originSettings,
  };
}

const chosen = ({ cases: names, quick }: BenchOptions): readonly BenchCase[] =>
  cases.filter((each) => (names.length === 0 ? !quick || hasQuickCells(each) : names.includes(each.name)));

interface Measured {
  readonly summaries: readonly CaseSummary[];
  readonly versions: Readonly<Record<string, string>>;
}

async function measureAll(
  household: Household,
  origin: Origin,
  options: BenchOptions,
  signal: AbortSignal,
): Promise<Measured> {
  const endMs = performance.now() + options.minutesMax * 60_000;
  const late = (): boolean => performance.now() > endMs;
  const { workers, quick, rounds, seconds, seed } = options;
  const runOptions: RunOptions = {
    workers,
    quick,
    rounds,
    seconds,
    seed,
    signal,
    late,
    progress: (step) => progress.step(step),
  };
  const selection = chosen(options);
  const progress = new Progress(process.stderr, stepsOf(selection, runOptions), () => performance.now());
  const summaries: CaseSummary[] = [];
  const versions: Record<string, string> = {};
  for (const each of selection) {
    const result = await runCase(each, household, origin, runOptions);
    for (const [peer, version] of result.versions) versions[peer] = version;
    for (const peer of result.absent) versions[peer] = 'not installed';
    summaries.push(summarizeCase(each, result));
    progress.clear();
    print(textTable(summaries.at(-1)!));
  }
  return { summaries, versions };
}

/** 0, or 1 with what is wrong printed. */
function verdictOf(report: Report, comparePath: string | undefined): number {
  for (const { text, reached, worst } of judge(report))
    print(`${reached ? 'reached    ' : 'NOT REACHED'} ${text}: ${worst}`);
  const failed = report.cases.flatMap(({ name, cells }) =>
    cells.flatMap((cell) =>
      Object.keys(cell.failures)
        .filter(isPgfresh)
        .map((peer) => `${name}: ${cell.name}: ${peer} failed`),
    ),
  );
  for (const line of failed) print(line);
  if (comparePath === undefined) return failed.length > 0 ? 1 : 0;
  const baseline = JSON.parse(readFileSync(comparePath, 'utf8')) as Report;
  const { compared, falls } = compareReports(baseline, report);
  for (const fall of falls) print(describeFall(fall));
  print(`${compared} ratios compared with ${comparePath}, ${falls.length} fell by more than 10 %`);
  if (compared === 0) print('nothing to compare: the baseline has none of these cells');
  return failed.length + falls.length > 0 || compared === 0 ? 1 : 0;
}

/** The first signal ends the run in order, the second at once. */
function abortOnSignal(): AbortController {
  const abort = new AbortController();
  const end = (): void => {
    if (abort.signal.aborted) process.exit(130);
    abort.abort(new Error('interrupted'));
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  return abort;
}

async function run(options: BenchOptions): Promise<number> {
  const { signal } = abortOnSignal();
  const household = new Household();
  try {
    const origin = await startOrigin(household, options.pg);
    const { summaries, versions } = await measureAll(household, origin, options, signal);
    const report: Report = { conditions: conditionsOf(options, versions), cases: summaries };
    writeReport(options.out, report);
    print(`report: ${options.out}/README.md`);
    return verdictOf(report, options.compare);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stderr.write('\ninterrupted\n');
    return 130;
  } finally {
    await household.close();
  }
}

async function main(): Promise<number> {
  const names = cases.map(({ name }) => name);
  const out = fileURLToPath(new URL('report', import.meta.url));
  try {
    const options = parseOptions(process.argv.slice(2), new Date().toISOString().slice(0, 10), names, out);
    if (options === null) print(usage);
    else if (options === 'list') for (const { name, shows } of cases) print(`${name.padEnd(16)} ${shows}`);
    else return await run(options);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
    return 2;
  }
}

process.exitCode = await main();
