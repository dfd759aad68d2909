/** Writes bench/report/: report.json, README.md and a chart for each case. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Units } from './case.ts';
import { chartsOf } from './chart.ts';
import type { CaseSummary, Conditions, Report } from './summary.ts';
import { markdownTable, notesOf } from './table.ts';
import { judge } from './targets.ts';

function conditionsText(conditions: Conditions): string {
  const { machine, versions, rounds, seconds, seed, quick } = conditions;
  const known = Object.entries(versions).map(([name, version]) => `${name}: ${version}`);
  return [
    `* Date ${conditions.date}, commit ${conditions.commit}${quick ? ', quick run' : ''}`,
    `* Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}`,
    `* Versions: ${known.join(' · ')}`,
    `* ${rounds} interleaved rounds of ${seconds} s each (some cells fewer, those of the targets for hits 2 s), seed ${seed}; medians over the rounds`,
    '* Everything on one machine: load, proxy and origin share its cores; pgbench with one thread',
    `* Every proxy reaches the origin by TCP on loopback. PostgreSQL: ${conditions.originSettings.join(', ')}`,
  ].join('\n');
}

const explanation = `**× peer** is the median over the rounds of the ratio to that peer in the same round; above 1 is better.
**spread** is the distance of the outermost rounds as a share of the median. **CPU** is in shares of one core: *load* is pgbench, *peer* the
server measured (all its threads and processes), *origin* PostgreSQL with its walsender. Where *load* is near 100 %, pgbench and not the
server is the limit. **floor** is a Node server that answers everything with one constant row, **relay** one that passes bytes on,
**pgfresh-N** has N workers and otherwise the defaults. **at most** is what the same load has in its best cell where no write concerns the cache:
no better cache would reach more on this machine.`;

function caseText(each: CaseSummary, charts: Iterable<string>): string {
  const notes = notesOf(each).map((note) => `* ${note}`);
  return [
    `## ${each.name}\n\n${each.shows}\n`,
    ...[...charts].map((name) => `![${name}](${name}.svg)\n`),
    markdownTable(each),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
    ...each.cells.flatMap(({ listing }) => (listing === undefined ? [] : [listing])),
  ].join('\n');
}

export function markdownOf(report: Report, chartNames: ReadonlyMap<string, Iterable<string>>): string {
  const verdicts = judge(report).map(
    ({ text, reached, worst, ceiling }) => `| ${text} | ${reached ? 'yes' : 'no'} | ${worst} | ${ceiling ?? ''} |`,
  );
  return [
    '# Benchmark of pgfresh\n',
    conditionsText(report.conditions),
    `\n${explanation}\n`,
    ...(verdicts.length === 0
      ? []
      : ['## Targets\n\n| target | reached | worst cell | at most |\n| --- | --- | --- | --- |', ...verdicts, '']),
    ...report.cases.map((each) => caseText(each, chartNames.get(each.name) ?? [])),
  ].join('\n');
}

const withoutPictures = (key: string, value: unknown): unknown => (key === 'pictures' ? undefined : value);

/** Charts of an earlier run are removed, nothing else is. */
export function writeReport(folder: string, report: Report): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name.endsWith('.svg')) rmSync(path.join(folder, name));
  const names = new Map<string, string[]>();
  for (const each of report.cases) {
    const charts = chartsOf(each, Units[each.unit].label);
    const pictures = each.cells.flatMap((cell) => Object.entries(cell.pictures ?? {}));
    names.set(each.name, [...charts.keys(), ...pictures.map(([name]) => name)]);
    for (const [name, svg] of [...charts, ...pictures]) writeFileSync(path.join(folder, `${name}.svg`), svg);
  }
  writeFileSync(path.join(folder, 'report.json'), `${JSON.stringify(report, withoutPictures, 1)}\n`);
  writeFileSync(path.join(folder, 'README.md'), markdownOf(report, names));
}
