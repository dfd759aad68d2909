/** pgbench, its tables and its report. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Where Debian's postgresql package keeps it, else whatever PATH has. */
function pgbenchPath(): string {
  const debian = [18, 17, 16, 15].map((version) => `/usr/lib/postgresql/${version}/bin/pgbench`);
  return debian.find((path) => existsSync(path)) ?? 'pgbench';
}

export interface PgbenchReport {
  readonly transactions: number;
  readonly failed: number;
  readonly tps: number;
  readonly output: string;
}

function figure(output: string, pattern: RegExp): number {
  const match = pattern.exec(output);
  if (match === null) throw new Error(`pgbench printed no ${pattern.source}:\n${output}`);
  return Number(match[1]);
}

/** @throws when pgbench exits with anything but 0, with what it printed. */
export async function pgbench(url: string, args: readonly string[]): Promise<PgbenchReport> {
  const { stdout, stderr } = await execute(pgbenchPath(), [...args, url], {
    timeout: 120_000,
    env: { ...process.env },
  });
  const output = stdout + stderr;
  return {
    transactions: figure(output, /number of transactions actually processed: (\d+)/),
    // Printed by pgbench 15 and later.
    failed: figure(output, /number of failed transactions: (\d+)/),
    tps: figure(output, /tps = ([\d.]+)/),
    output,
  };
}

/** pgbench's own tables, only `keys` accounts filled. */
export const accountsSql = (keys: number): string => `
  CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
  CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
  CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
  CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
  INSERT INTO pgbench_branches VALUES (1, 0, '');
  INSERT INTO pgbench_tellers SELECT i, 1, 0, '' FROM generate_series(1, 10) AS i;
  INSERT INTO pgbench_accounts SELECT i, 1, i * 7 % 1000, '' FROM generate_series(1, ${keys}) AS i;
  ANALYZE;`;
