/** PostgreSQL's own programs through pgfresh: what they write is what they write directly. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { accountsSql, pgbench } from '../support/pgbench.ts';
import { createDatabase, run } from '../support/postgres.ts';
import { resetSql, shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

const execute = promisify(execFile);
// A server of its own: a base backup is of a whole cluster. Version 15, since pg_dump refuses servers that are newer than itself.
const proxy = useProxy(`${shopSql} ${resetSql} ${accountsSql(200)}`, { ownServer: 15, unix: true });
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-tools-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where Debian keeps those that are not wrapped. */
function program(name: string): string {
  const debian = [18, 17, 16, 15].map((version) => `/usr/lib/postgresql/${version}/bin/${name}`);
  return debian.find((file) => existsSync(file)) ?? name;
}

async function tool(name: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program(name), args, { maxBuffer: 64 * 2 ** 20, timeout: 100_000 });
  return stdout;
}

/** Without the line that is another one in each dump (since 15.14), and without pgfresh's own publication, whose tables come and go. */
const dump = async (url: string, ...args: readonly string[]): Promise<string> =>
  (await tool('pg_dump', '--no-publications', ...args, '-d', url)).replace(/^\\(?:un)?restrict .*$/gm, '');

const unixUrl = (): string =>
  `postgres://postgres:secret@/${proxy.database}?host=${proxy.pgfresh.unixDirectory}&port=${proxy.pgfresh.port}`;

describe('pg_dump and pg_restore', () => {
  const objects = `
    CREATE VIEW cheap AS SELECT id, name FROM shop WHERE price < 50;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM shop;
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE part (at date, mood mood) PARTITION BY RANGE (at);
    CREATE TABLE part_2024 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    INSERT INTO part VALUES ('2024-02-03', 'good');
    CREATE INDEX ON shop USING gin (data);
    SELECT lo_from_bytea(4711, decode(repeat('ab', 5000), 'hex'));`;

  it('a dump is the same as a direct one, and what is restored from it dumps the same again', async () => {
    await run(proxy.originUrl, objects);
    const expected = await dump(proxy.originUrl);
    expect(expected).toMatch(/CREATE MATERIALIZED VIEW public.totals/);
    expect(await dump(proxy.url)).toBe(expected);
    expect(await dump(unixUrl(), '--inserts')).toBe(await dump(proxy.originUrl, '--inserts'));
    const archive = path.join(folder, 'archive');
    await tool('pg_dump', '-Fd', '--no-publications', '-j', '2', '-f', archive, '-d', proxy.url);
    const copy = await createDatabase(new URL('/postgres', proxy.originUrl).href);
    const copyUrl = proxy.url.replace(proxy.database, copy.name);
    await tool('pg_restore', '-j', '2', '--exit-on-error', '-d', copyUrl, archive);
    expect(await dump(copy.url)).toBe(expected);
    expect(await dump(copyUrl)).toBe(expected);
  }, 120_000);
});

describe('pgbench', () => {
  it.each(['simple', 'extended', 'prepared'])('-M %s with a connection for each transaction', async (mode) => {
    const args = ['-S', '-n', '-C', '-M', mode, '-c', '4', '-j', '1', '-t', '5', '-D', 'scale=0.002'];
    for (const url of [proxy.url, unixUrl()]) {
      expect(await pgbench(url, args)).toMatchObject({ transactions: 20, failed: 0 });
    }
  });

  it.each(['extended', 'prepared'])('-M %s with pipelines of reads, and of reads and writes', async (mode) => {
    const args = ['-n', '-M', mode, '-c', '4', '-j', '1', '-t', '200', '-D', 'keys=200'];
    const reads = ['-f', 'test/support/pgbench-pipeline.sql', ...args];
    await waitFor('a run of hits', async () => {
      const before = (await proxy.pgfresh.status()).cache.hits;
      expect(await pgbench(proxy.url, reads)).toMatchObject({ transactions: 800, failed: 0 });
      return (await proxy.pgfresh.status()).cache.hits - before > 800;
    });
    const writes = ['-f', 'test/support/pgbench-pipeline-writes.sql', ...args];
    expect(await pgbench(proxy.url, writes)).toMatchObject({ transactions: 800, failed: 0 });
    const books = `SELECT (SELECT sum(bbalance) FROM pgbench_branches), coalesce((SELECT sum(delta) FROM pgbench_history), 0)`;
    const [[balance, history]] = (await rowsOf(proxy.url, books)) as [[unknown, unknown]];
    expect(balance).toEqual(history);
  });
});

describe('replication connections', () => {
  const admin = (): string => proxy.url.replace(/\/[^/]*$/, '/postgres');

  it('pg_basebackup brings a whole cluster', async () => {
    const target = path.join(folder, 'backup');
    await tool('pg_basebackup', '-D', target, '-X', 'stream', '--checkpoint=fast', '-d', admin());
    expect(readFileSync(path.join(target, 'PG_VERSION'), 'utf8').trim()).toBe('15');
    await tool('pg_verifybackup', target);
  }, 120_000);

  it('pg_receivewal follows the log', async () => {
    const [[until]] = (await rowsOf(proxy.originUrl, 'SELECT pg_current_wal_lsn()')) as [[string]];
    await run(proxy.originUrl, "INSERT INTO log (line) VALUES ('for the log')");
    const target = mkdtempSync(path.join(folder, 'wal-'));
    await tool('pg_receivewal', '-D', target, '--endpos', until, '--no-loop', '-d', admin());
    expect(readdirSync(target).map((name) => statSync(path.join(target, name)).size)).toContain(16 * 2 ** 20);
  }, 120_000);

  it('pg_recvlogical decodes what is written', async () => {
    const slot = ['-d', proxy.url, '--slot', 'through_pgfresh'];
    await tool('pg_recvlogical', ...slot, '--create-slot', '-P', 'test_decoding');
    await run(proxy.url, "INSERT INTO log (line) VALUES ('decoded')");
    const [[until]] = (await rowsOf(proxy.originUrl, 'SELECT pg_current_wal_lsn()')) as [[string]];
    const decoded = path.join(folder, 'decoded');
    await tool('pg_recvlogical', ...slot, '--start', '--endpos', until, '--no-loop', '-f', decoded);
    await tool('pg_recvlogical', ...slot, '--drop-slot');
    expect(readFileSync(decoded, 'utf8')).toMatch(/table public.log: INSERT: .*line\[text\]:'decoded'/);
  }, 120_000);
});
