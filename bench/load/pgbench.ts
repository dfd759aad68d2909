/** pgbench, the load of nearly every case: one thread, custom scripts, a log of sampled latencies. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PgbenchLoad } from '../case.ts';
import type { Household } from '../household.ts';

/** Where a load is sent to. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Encrypted. */
  readonly tls?: boolean;
}

export interface PgbenchOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Of the transactions, how many are logged with their latency. */
  readonly samplingRate: number;
  readonly signal: AbortSignal;
}

export interface PgbenchResult {
  readonly transactions: number;
  /** Without the time to connect, unless each transaction connects. */
  readonly tps: number;
  readonly latencyMs: Latency;
}

export interface Latency {
  readonly mean: number;
  /** Null when too few transactions were sampled. */
  readonly p50: number | null;
  readonly p99: number | null;
}

const graceMs = 20_000;
const samplesMin = 50;

/** Debian's own binary rather than its Perl wrapper in /usr/bin, else whatever PATH has. */
export function pgbenchPath(): string {
  const debian = [18, 17, 16, 15, 14].map((version) => `/usr/lib/postgresql/${version}/bin/pgbench`);
  return debian.find((file) => existsSync(file)) ?? 'pgbench';
}

function figure(output: string, pattern: RegExp): number {
  const match = pattern.exec(output);
  if (match === null) throw new Error(`pgbench printed no ${pattern.source}: ${output.slice(-600)}`);
  return Number(match[1]);
}

export function parseReport(output: string): Pick<PgbenchResult, 'transactions' | 'tps'> & { meanMs: number } {
  const failed = /number of failed transactions: (\d+)/.exec(output);
  if (failed !== null && failed[1] !== '0') throw new Error(`pgbench: ${failed[1]} transactions failed`);
  if (/actually processed: 0\b/.test(output)) throw new Error('pgbench: not one transaction ended in time');
  return {
    transactions: figure(output, /number of transactions actually processed: (\d+)/),
    tps: figure(output, /tps = ([\d.]+)/),
    meanMs: figure(output, /latency average = ([\d.]+) ms/),
  };
}

/** The first lines that speak of an error, since every client repeats it. */
function errorsOf(output: string): string {
  const lines = output.split('\n').filter((line) => /error|FATAL|aborted|unexpectedly/.test(line));
  return [...new Set(lines)].slice(0, 3).join(' ');
}

/** Third column of pgbench's log: microseconds. */
export function percentilesMs(log: string): { p50: number | null; p99: number | null } {
  const times = log
    .split('\n')
    .filter(Boolean)
    .map((line) => Number(line.split(' ')[2]) / 1000)
    .sort((a, b) => a - b);
  if (times.length < samplesMin) return { p50: null, p99: null };
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
  return { p50: at(0.5), p99: at(0.99) };
}

/** @throws with what pgbench printed when a client aborted, a transaction failed or the time ran out. */
export async function runPgbench(
  household: Household,
  target: Target,
  load: PgbenchLoad,
  options: PgbenchOptions,
): Promise<PgbenchResult> {
  options.signal.throwIfAborted();
  const folder = household.newFolder('load');
  const scripts = load.scripts.map(({ sql, weight = 1 }, i) => {
    const file = path.join(folder, `${i}.sql`);
    writeFileSync(file, `${sql}\n`);
    return `--file=${file}@${weight}`;
  });
  const prefix = path.join(folder, 'log');
  const child = household.spawn(
    'pgbench',
    pgbenchPath(),
    [
      ...[
        '--no-vacuum',
        `--protocol=${load.mode}`,
        `--client=${load.clients}`,
        '--jobs=1',
        `--time=${options.seconds}`,
      ],
      ...[
        `--random-seed=${options.seed}`,
        '--log',
        `--log-prefix=${prefix}`,
        `--sampling-rate=${options.samplingRate}`,
      ],
      ...(load.reconnect === true ? ['--connect'] : []),
      ...scripts,
    ],
    {
      env: {
        ...{ PGHOST: target.host, PGPORT: String(target.port), PGUSER: 'postgres', PGDATABASE: target.database },
        ...{ PGSSLMODE: target.tls ? 'require' : 'disable', PGGSSENCMODE: 'disable', PGCONNECT_TIMEOUT: '10' },
      },
    },
  );
  let late = false;
  const kill = (): void => void child.end('SIGKILL');
  const timer = setTimeout(
    () => {
      late = true;
      kill();
    },
    options.seconds * 1000 + graceMs,
  );
  options.signal.addEventListener('abort', kill);
  await child.closed;
  clearTimeout(timer);
  options.signal.removeEventListener('abort', kill);
  options.signal.throwIfAborted();
  const output = child.lines.join('\n');
  if (late) throw new Error(`pgbench did not end ${graceMs / 1000} s after its time: ${output.slice(-600)}`);
  if (/aborted|error:|FATAL/.test(output)) throw new Error(`pgbench: ${errorsOf(output)}`);
  const { meanMs, ...report } = parseReport(output);
  return { ...report, latencyMs: { mean: meanMs, ...percentilesMs(readLogs(folder)) } };
}

function readLogs(folder: string): string {
  return readdirSync(folder)
    .filter((name) => name.startsWith('log.'))
    .map((name) => readFileSync(path.join(folder, name), 'latin1'))
    .join('');
}
