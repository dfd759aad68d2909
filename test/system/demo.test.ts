import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, inject, it } from 'vitest';
import { rowsOf } from '../support/origin-state.ts';
import { repositoryRoot } from '../support/pgfresh.ts';
import { createDatabase, freePort } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const demoFolders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('pgfresh-demo-'));

const running = new Set<{ readonly child: ChildProcess; readonly exited: Promise<number | null> }>();
/** A test that fails leaves its demo to this: a signal ends it and its server in order. */
afterEach(async () => {
  for (const { child, exited } of running) {
    if (child.exitCode === null) child.kill('SIGTERM');
    await exited;
  }
  running.clear();
});

async function startDemo(env: Readonly<Record<string, string>>) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const child = spawn(path.join(repositoryRoot, 'node_modules/.bin/node'), ['src/proxy/demo/start.ts'], {
    cwd: repositoryRoot,
    env: { ...process.env, PGFRESH_LISTEN: `127.0.0.1:${port}`, PGFRESH_ADMIN: `127.0.0.1:${adminPort}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => void lines.push(line));
  const exited = new Promise<number | null>((resolve) => void child.once('close', resolve));
  running.add({ child, exited });
  const printed = (text: string) =>
    waitFor(
      text,
      () => lines.some((line) => line.includes(text)) || child.exitCode !== null,
      40_000,
      () => lines.join('\n'),
    );
  return { child, lines, exited, printed, port, adminPort };
}

it('shows a hit and a fresh row on a sample shop, and leaves nothing behind', async () => {
  const before = demoFolders();
  const demo = await startDemo({});
  await demo.printed('Ctrl-C stops everything');
  expect(demo.lines).toContain(`pgfresh ready on 127.0.0.1:${demo.port}`);
  const text = demo.lines.join('\n');
  expect(text).toMatch(/again: hit in [\d.]+ ms/);
  const [, written, read] = /price = ([\d.]+) WHERE id = 42 {2}→ {2}the next read says ([\d.]+)/.exec(text)!;
  expect(read).toBe(written);
  const url = `postgres://postgres:secret@127.0.0.1:${demo.port}/shop`;
  const counts =
    'SELECT (SELECT count(*) FROM customers) + (SELECT count(*) FROM products) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_items)';
  expect(Number((await rowsOf(url, counts))[0]![0])).toBeGreaterThanOrEqual(100_000);
  demo.child.kill('SIGINT');
  expect(await demo.exited).toBe(0);
  expect(demoFolders().filter((name) => !before.includes(name))).toEqual([]);
});

it('uses PGFRESH_UPSTREAM when it is set, and writes nothing to it', async () => {
  const database = await createDatabase(inject('pg15'));
  const demo = await startDemo({ PGFRESH_UPSTREAM: database.url });
  await demo.printed('connect to 127.0.0.1');
  expect(demo.lines).toContain(`pgfresh ready on 127.0.0.1:${demo.port}`);
  expect(await rowsOf(database.url, "SELECT 1 FROM pg_class WHERE relname = 'products'")).toEqual([]);
  demo.child.kill('SIGTERM');
  expect(await demo.exited).toBe(0);
  await database.drop();
});

it('interrupted while it starts, leaves nothing behind', async () => {
  const before = demoFolders();
  const demo = await startDemo({});
  await waitFor('the data folder', () => demoFolders().length > before.length);
  demo.child.kill('SIGINT');
  await demo.exited;
  await waitFor('the folder to be gone', () => demoFolders().filter((name) => !before.includes(name)).length === 0);
});
