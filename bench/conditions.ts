/** On what and with what a run was made. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { pgbenchPath } from './load/pgbench.ts';
import type { BenchOptions } from './options.ts';
import { originSettings } from './origin.ts';
import type { Conditions } from './summary.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));

/** First line of what a command prints; "?" when it cannot be run. */
function firstLine(file: string, args: readonly string[]): string {
  try {
    const output = execFileSync(file, args, { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return output.split('\n')[0]!;
  } catch {
    return '?';
  }
}

/** @param versions - of the peers, by name. */
export function conditionsOf(options: BenchOptions, versions: Readonly<Record<string, string>>): Conditions {
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
