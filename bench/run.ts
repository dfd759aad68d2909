/**
 * `npm run bench`: starts PostgreSQL, the rivals and pgfresh on loopback, measures, prints one table, writes a report.
 * Exit codes: 0 measured, 1 a ratio fell (--compare) or pgfresh failed in a cell, 2 wrong usage, 130 interrupted.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BenchCase } from './case.ts';
import { cases } from './cases.ts';
import {
  type Comparison,
  compareReports,
  describeFall,
  differences,
  fallenCells,
  machineMoves,
  mergeCells,
} from './compare.ts';
import { conditionsOf } from './conditions.ts';
import { Household } from './household.ts';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts';
import { type Origin, startOrigin } from './origin.ts';
import { isPgfresh } from './peers/pgfresh.ts';
import { describePlan, stepsOf } from './plan.ts';
import { Progress } from './progress.ts';
import { writeReport } from './report.ts';
import { hasQuickCells, type RunOptions, runCase } from './runner.ts';
import { type CaseSummary, type Report, summarizeCase } from './summary.ts';
import { textTable } from './table.ts';
import { judge } from './targets.ts';

/** A cell that fell is measured again, so often at most and in so many times the rounds, and all rounds are taken together. */
const passesAgain = 2;
const roundsAgain = 2;
const minutesAgainMax = 4;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const chosen = ({ cases: names, quick }: BenchOptions): readonly BenchCase[] =>
  cases.filter((each) => (names.length === 0 ? !quick || hasQuickCells(each) : names.includes(each.name)));

/** What a run has started. */
interface Bench {
  readonly household: Household;
  readonly origin: Origin;
  readonly signal: AbortSignal;
  /** Versions of the peers seen so far, or "not installed". */
  readonly versions: Record<string, string>;
}

async function measure(bench: Bench, selection: readonly BenchCase[], options: BenchOptions): Promise<CaseSummary[]> {
  const { household, origin, signal, versions } = bench;
  const endMs = performance.now() + options.minutesMax * 60_000;
  const { workers, quick, rounds, seconds, seed } = options;
  const runOptions: RunOptions = {
    ...{ workers, quick, rounds, seconds, seed, signal },
    late: () => performance.now() > endMs,
    progress: (step) => progress.step(step),
  };
  print(describePlan(selection, runOptions));
  const progress = new Progress(process.stderr, stepsOf(selection, runOptions), () => performance.now());
  const summaries: CaseSummary[] = [];
  for (const each of selection) {
    const result = await runCase(each, household, origin, runOptions);
    for (const [peer, version] of result.versions) versions[peer] = version;
    for (const peer of result.absent) versions[peer] = 'not installed';
    summaries.push(summarizeCase(each, result));
    progress.clear();
    print(textTable(summaries.at(-1)!));
  }
  return summaries;
}

/** Compares; what fell is measured once more and then again, since a busy moment of the machine is no regression. */
async function compareWith(
  baseline: Report,
  bench: Bench,
  selection: readonly BenchCase[],
  first: CaseSummary[],
  options: BenchOptions,
): Promise<{ summaries: CaseSummary[]; comparison: Comparison }> {
  let summaries = first;
  let comparison = compareReports(baseline, { cases: summaries });
  for (let pass = 0; pass < passesAgain && comparison.falls.length > 0; pass++) {
    for (const fall of comparison.falls) print(describeFall(fall));
    print('measuring these cells once more');
    const more = { rounds: options.rounds * roundsAgain, minutesMax: minutesAgainMax };
    const again = await measure(bench, fallenCells(selection, comparison.falls), { ...options, ...more });
    summaries = mergeCells(summaries, again);
    comparison = compareReports(baseline, { cases: summaries });
  }
  return { summaries, comparison };
}

/** Prints what was reached, what failed and what fell; the exit code. */
function conclude(report: Report, comparison: Comparison | null): number {
  for (const { text, reached, worst, ceiling } of judge(report)) {
    const most = ceiling === null ? '' : `, at most ${ceiling}`;
    print(`${reached ? 'reached    ' : 'NOT REACHED'} ${text}: ${worst}${most}`);
  }
  const failed = report.cases.flatMap(({ name, cells }) =>
    cells.flatMap((cell) =>
      Object.keys(cell.failures)
        .filter(isPgfresh)
        .map((peer) => `${name}: ${cell.name}: ${peer} failed`),
    ),
  );
  for (const line of failed) print(line);
  if (comparison === null) return failed.length > 0 ? 1 : 0;
  const { compared, falls } = comparison;
  for (const fall of falls) print(describeFall(fall));
  print(`${compared} ratios compared, ${falls.length} fell by more than 10 %`);
  if (compared === 0) print('nothing to compare: the baseline has none of these cells');
  return failed.length + falls.length > 0 || compared === 0 ? 1 : 0;
}

/** Why ratios may have fallen though pgfresh is what it was. */
function printStrangeness(baseline: Report, report: Report): void {
  for (const each of differences(baseline.conditions, report.conditions))
    print(`compared with another kind of run: ${each}`);
  for (const each of machineMoves(baseline, report)) print(`compared with a machine of another kind: ${each}`);
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
  const baseline = options.compare === undefined ? null : (JSON.parse(readFileSync(options.compare, 'utf8')) as Report);
  const { signal } = abortOnSignal();
  const household = new Household();
  try {
    const origin = await startOrigin(household, options.pg);
    const bench: Bench = { household, origin, signal, versions: {} };
    const selection = chosen(options);
    const first = await measure(bench, selection, options);
    const { summaries, comparison } =
      baseline === null
        ? { summaries: first, comparison: null }
        : await compareWith(baseline, bench, selection, first, options);
    const report: Report = { conditions: conditionsOf(options, bench.versions), cases: summaries };
    writeReport(options.out, report);
    if (baseline !== null) printStrangeness(baseline, report);
    print(`report: ${options.out}/README.md`);
    return conclude(report, comparison);
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
