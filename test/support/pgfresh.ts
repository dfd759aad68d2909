/**
 * pgfresh as its users run it: the CLI in a process of its own, on free ports, in front of a real server. Whatever a
 * test does, no process, socket folder or slot outlives the test file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, inject } from 'vitest';
import { freePort } from './postgres.ts';
import { waitFor } from './wait.ts';

export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url));
/** As it was built for this run; `npm run soak` has the sources. `PGFRESH_TEST_CLI` runs the tests against another build, such as an installed package. */
const cliPath = process.env['PGFRESH_TEST_CLI'] ?? inject('cli') ?? path.join(repositoryRoot, 'bin/pgfresh.js');
const compileCache = inject('compileCache');
/** The Node that the repository brings with it; PATH may have an older one. */
const nodePath = path.join(repositoryRoot, 'node_modules/.bin/node');
const startDeadlineMs = 40_000;
const stopDeadlineMs = 30_000;

/** `GET /status`, as the contract has it. */
/** Logins that pgfresh can use again for connections of its own (`pool.mode = transaction`), by SCRAM. */
export const reusableLogins = ['--auth-query', 'SELECT rolpassword FROM pg_authid WHERE rolname = $1'];

export interface Status {
  readonly version: string;
  readonly state: 'live' | 'starting' | 'down';
  readonly uptimeMs: number;
  readonly cache: {
    readonly entries: number;
    readonly bytes: number;
    readonly bytesMax: number;
    readonly hits: number;
    readonly misses: number;
    readonly passthrough: number;
    readonly admitted: number;
    readonly rejected: number;
    readonly invalidated: number;
    readonly corrected: number;
    readonly refreshed: number;
    readonly evicted: number;
    readonly pinnedEntries: number;
    readonly pinnedBytes: number;
  };
  readonly pool: {
    readonly connections: { readonly idle: number; readonly active: number; readonly pinned: number };
    readonly waiting: number;
    readonly pins: Readonly<Record<string, number>>;
  };
  readonly cdc: {
    readonly state: string;
    readonly problem?: string | null;
    readonly appliedLsn: string;
    readonly lagBytes: number;
    readonly freshAsOfMs: number;
  };
  readonly workers: readonly { readonly id: number; readonly sessions: number; readonly restarts: number }[];
  readonly cacheThread: { readonly generation: number; readonly restarts: number };
  readonly reasons: Readonly<Record<string, number>>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface PgfreshOptions {
  /** URL of the origin; its user, password and database are those of `url` too. */
  readonly upstream: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: a free one. A node is known by its host and port, so a second start on the same port is the same node. */
  readonly port?: number;
  /** Default 2. */
  readonly workers?: number;
  /** Listen on a Unix socket in a folder of its own too. */
  readonly unix?: boolean;
  /** 'ready' (default): the ready line; 'accepting': the port accepts; 'none': return at once. */
  readonly waitUntil?: 'ready' | 'accepting' | 'none';
}

export interface Pgfresh {
  readonly pid: number;
  readonly port: number;
  /** Through TCP. */
  readonly url: string;
  /** Through the Unix socket, for drivers that take a folder as `host`; only with `unix`. */
  readonly unixDirectory: string;
  readonly adminUrl: string;
  /** Everything printed so far, stdout and stderr, a line each. */
  readonly lines: readonly string[];
  readonly exited: Promise<Exit>;
  status(): Promise<Status>;
  metrics(): Promise<string>;
  /** `POST /fault/<kind>`; needs `PGFRESH_FAULTS=admin`. */
  fault(kind: string): Promise<void>;
  waitForStatus(what: string, test: (status: Status) => boolean, deadlineMs?: number): Promise<Status>;
  /** Waits until it is live and so many statements more have hit. */
  moreHits(count: number, deadlineMs?: number): Promise<Status>;
  /** SIGTERM; fails unless the process exits with 0. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<Exit>;
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();

function killLeftovers(): void {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  running.clear();
  folders.clear();
}

// A test that fails leaves its process to these two.
afterAll(killLeftovers);
process.once('exit', killLeftovers);

/** Runs the CLI with its output collected; `args` are everything after `pgfresh`. */
export function spawnCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { child: ChildProcess; lines: string[]; exited: Promise<Exit> } {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('PGFRESH_') && name !== 'NODE_OPTIONS'),
  );
  const child = spawn(nodePath, [cliPath, ...args], {
    cwd: repositoryRoot,
    env: { ...inherited, ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines: string[] = [];
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => void lines.push(line));
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  return { child, lines, exited };
}

async function fetchText(url: string, init?: RequestInit): Promise<string> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return text;
}

export async function startPgfresh(options: PgfreshOptions): Promise<Pgfresh> {
  const [port, adminPort] = [options.port ?? (await freePort()), await freePort()];
  const unixDirectory = options.unix ? mkdtempSync(path.join(tmpdir(), 'pgfresh-sock-')) : '';
  if (unixDirectory !== '') folders.add(unixDirectory);
  const { child, lines, exited } = spawnCli(
    [
      ...['serve', '--upstream', options.upstream, '--listen', `127.0.0.1:${port}`],
      ...['--admin', `127.0.0.1:${adminPort}`, '--workers', String(options.workers ?? 2)],
      ...(unixDirectory === '' ? [] : ['--listen-unix', unixDirectory]),
      ...(options.args ?? []),
    ],
    { THREADS_WORKER_INIT_TIMEOUT: '60000', ...options.env },
  );
  const url = new URL(options.upstream);
  url.host = `127.0.0.1:${port}`;
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const status = async () => JSON.parse(await fetchText(`${adminUrl}/status`)) as Status;
  let exit: Exit | undefined;
  void exited.then((value) => {
    exit = value;
  });
  const output = () => lines.slice(-40).join('\n');

  const waitUntil = options.waitUntil ?? 'ready';
  if (waitUntil !== 'none') {
    await waitFor(
      `pgfresh to be ${waitUntil}`,
      async () => {
        if (exit !== undefined) throw new Error(`pgfresh exited with ${JSON.stringify(exit)}:\n${output()}`);
        if (waitUntil === 'ready') return lines.some((line) => line.includes(`pgfresh ready on 127.0.0.1:${port}`));
        return fetch(`${adminUrl}/healthz`).then(
          (response) => response.ok,
          () => false,
        );
      },
      startDeadlineMs,
      output,
    );
  }

  async function end(signal: NodeJS.Signals): Promise<Exit> {
    child.kill(signal);
    await waitFor(`pgfresh to exit after ${signal}`, () => exit !== undefined, stopDeadlineMs, output);
    if (unixDirectory !== '') rmSync(unixDirectory, { recursive: true, force: true });
    return exit!;
  }

  async function waitForStatus(what: string, test: (status: Status) => boolean, deadlineMs = 30_000): Promise<Status> {
    let last: Status | undefined;
    await waitFor(
      what,
      async () => {
        last = await status();
        return test(last);
      },
      deadlineMs,
      () => `${JSON.stringify(last)}\n${output()}`,
    );
    return last!;
  }

  return {
    pid: child.pid!,
    port,
    url: url.href,
    unixDirectory,
    adminUrl,
    lines,
    exited,
    status,
    metrics: () => fetchText(`${adminUrl}/metrics`),
    async fault(kind) {
      await fetchText(`${adminUrl}/fault/${kind}`, { method: 'POST' });
    },
    waitForStatus,
    async moreHits(count, deadlineMs) {
      const { hits } = (await status()).cache;
      const what = `${count} more hits`;
      return waitForStatus(what, ({ state, cache }) => state === 'live' && cache.hits >= hits + count, deadlineMs);
    },
    async stop() {
      const { code, signal } = await end('SIGTERM');
      if (code !== 0) throw new Error(`pgfresh ended with code ${code}, signal ${signal}:\n${output()}`);
    },
    kill: end,
  };
}
