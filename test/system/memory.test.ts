/**
 * What a pgfresh takes beyond what it takes when idle stays within 1.25 × `cache.memory` + 120 MB, whatever its clients send: a store written full
 * several times, statements that nobody has sent before, many sessions with prepared statements of their own (issue 6, ADR-021).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { statusAgeMsMax } from '../../src/proxy/admin/report.ts';
import { ask, useProxy } from '../support/fixture.ts';
import { pgbench } from '../support/pgbench.ts';
import { waitFor } from '../support/wait.ts';

const memoryMib = 16;
const workers = 3;
const sessions = 40;
/** Each has its own credit for answers that nobody has asked for twice (worker/worth.ts): together more than the store has room for. */
const shapes = 12;
const rows = 2_000;
const newStatements = 8_000;

const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const script = (name: string, sql: string): string => {
  writeFileSync(path.join(folder, name), `${sql}\n`);
  return path.join(folder, name);
};

const proxy = useProxy(
  `CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, repeat('x', 1500) FROM generate_series(1, ${rows}) i`,
  { workers, args: ['--cache-memory', `${memoryMib}MB`] },
);

/** The most ever resident, in MiB; where the system keeps no such mark, what is resident now. */
function residentMib(pid: number): number {
  const status = `/proc/${pid}/status`;
  const kib = existsSync(status)
    ? /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(status, 'latin1'))?.[1]
    : execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' });
  return Number(kib) / 1024;
}

it('a full store, a scan of new statements and many sessions', { timeout: 120_000 }, async () => {
  const { pid } = proxy.pgfresh;
  await ask(await proxy.session(), 'SELECT count(*) FROM item WHERE id = 1');
  const idleMib = residentMib(pid);

  const fills = Array.from({ length: shapes }, (_, i) => {
    const sql = `\\set id random(1, ${rows})\nSELECT v AS c${i} FROM item WHERE id = :id;`;
    return ['-f', script(`fill-${i}.sql`, sql)];
  });
  const perClient = String(Math.ceil((2 * shapes * rows) / sessions));
  const many = ['-n', '-c', String(sessions), '-t', perClient];
  await pgbench(proxy.url, ['-M', 'prepared', ...many, ...fills.flat()]);
  const { evicted, bytes, bytesMax } = (await proxy.pgfresh.status()).cache;
  // A role that another test makes empties the store: then it is not full at this moment, but was.
  expect(evicted + bytes, 'nothing filled the store').toBeGreaterThan(0);
  expect(bytes).toBeLessThanOrEqual(bytesMax);
  expect(bytesMax).toBeLessThanOrEqual(memoryMib * 2 ** 20);

  const scan = script('scan.sql', '\\set n random(1, 1000000000000)\nSELECT id AS c:n FROM item WHERE id = 1;');
  const scanning = ['-n', '-c', '16', '-t', String(newStatements / 16), '-f', scan];
  expect((await pgbench(proxy.url, ['-M', 'simple', ...scanning])).failed).toBe(0);

  const growthMib = residentMib(pid) - idleMib;
  expect(growthMib, `idle: ${Math.round(idleMib)} MiB`).toBeLessThan(1.25 * memoryMib + 120);
});

it('what must be remembered of an answer counts as its memory', async () => {
  const client = await proxy.session();
  /** What it takes when it is the only one there. */
  async function bytesOf(sql: string): Promise<number> {
    let bytes = 0;
    await waitFor(`${sql.slice(0, 60)} to be stored alone`, async () => {
      await fetch(`${proxy.pgfresh.adminUrl}/flush`, { method: 'POST' });
      await ask(client, sql);
      await delay(statusAgeMsMax + 20);
      const { cache } = await proxy.pgfresh.status();
      bytes = cache.bytes;
      return cache.entries === 1;
    });
    return bytes;
  }
  const ids = Array.from({ length: 100 }, (_, i) => i + 1).join();
  expect(await bytesOf('SELECT count(*) FROM item WHERE id = 1')).toBeLessThan(1_000);
  // It is short, as is its answer: what is long is the list of keys that it depends on.
  expect(await bytesOf(`SELECT count(*) FROM item WHERE id IN (${ids})`)).toBeGreaterThan(5_000);
});
