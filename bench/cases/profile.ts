/** Where a worker and the cache thread spend their time: kept in the report as tables and flame graphs. */
import type { BenchCase, Cell, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql, newKeySql, pointSql } from '../data.ts';
import { pgfresh } from '../peers/pgfresh.ts';
import { callTree, topFunctions } from '../profile/cpu-profile.ts';
import { flameGraph } from '../profile/flame-graph.ts';

const [warmSeconds, profiledSeconds, shown] = [3, 4, 25];

async function measure(stage: Stage, path: string, load: PgbenchLoad, threads: readonly string[]): Promise<Sample> {
  await stage.load(load, warmSeconds, stage.seed + 1_000);
  let sample: Sample | undefined;
  const profiles = await stage.peer.profiles!.during(threads, async () => {
    sample = await stage.load(load, profiledSeconds);
  });
  const listings = [...profiles].map(([thread, profile]) => {
    const rows = topFunctions(profile, shown).map(
      ({ name, share }) => `| ${(100 * share).toFixed(1)} % | \`${name.replaceAll('|', '\\|')}\` |`,
    );
    return [`**${path}: ${thread}**\n`, '| own time | function |', '| ---: | --- |', ...rows, ''].join('\n');
  });
  const pictures = [...profiles].map(
    ([thread, profile]) => [`flame-${path}-${thread}`, flameGraph(`${path}: ${thread}`, callTree(profile))] as const,
  );
  return { ...sample!, listing: listings.join('\n'), pictures: Object.fromEntries(pictures) };
}

const cell = (path: string, sql: string, threads: readonly string[]): Cell => ({
  name: `${path}, prepared, 8 clients`,
  load: (stage) =>
    measure(stage, path, { mode: 'prepared', clients: 8, transport: 'tcp', scripts: [{ sql }] }, threads),
  secondsPlanned: warmSeconds + profiledSeconds + 2,
});

export const profile: BenchCase = {
  name: 'profile',
  shows:
    "V8's sampling profiler (a sample each 0.2 ms, which itself slows the threads down) on the way of a hit and of a miss: the functions by their own time, and flame graphs.",
  setup: accountsSql(),
  unit: 'rate',
  lifetime: 'measurement',
  roundsMax: 1,
  peers: () => [pgfresh({ workers: 1, profiled: true })],
  cells: [cell('hit', pointSql, ['worker-1']), cell('miss', newKeySql, ['worker-1', 'cache'])],
};
