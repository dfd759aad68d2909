/**
 * Everything a run leaves behind if nobody looks after it: processes and one temporary folder. Each child is started and ended
 * here, by its own pid; children have a process group of their own, so that Ctrl-C reaches only the bench, which then ends them in order.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const linesKept = 200;
const endDeadlineMs = 15_000;
const pollMs = 10;

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** The last lines that it printed, stdout and stderr. */
  readonly lines: readonly string[];
  readonly exited: Promise<void>;
  /** It ended and all its output was read. */
  readonly closed: Promise<void>;
  hasExited(): boolean;
  /** Asks with `signal`, then kills; returns when the process is gone. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Servers that refuse to run as root. */
  readonly asService?: boolean;
}

/** Files (PEM) that every server which speaks TLS shows. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** Who servers run as when the bench runs as root: `postgres`, else `nobody`. */
function serviceIdentity(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = ['postgres', 'nobody'].map((name) => users.find((fields) => fields[0] === name)).find(Boolean);
  return user === undefined ? undefined : { uid: Number(user[2]), gid: Number(user[3]) };
}

export class Household {
  /** Removed at the end. Readable by the service user. */
  readonly folder: string;
  readonly #identity = serviceIdentity();
  readonly #children = new Set<Child>();
  readonly #emergency = (): void => this.#endAtOnce();
  #folderCount = 0;
  #certificate: Promise<Certificate | null> | undefined;

  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-bench-'));
    this.#own(this.folder);
    process.once('exit', this.#emergency);
  }

  /** A new folder, writable by the service user, with a short path (a Unix socket's has 107 bytes). */
  newFolder(name: string): string {
    const folder = path.join(this.folder, `${name}-${++this.#folderCount}`);
    mkdirSync(folder);
    this.#own(folder);
    return folder;
  }

  #own(path_: string, mode = 0o755): void {
    if (this.#identity !== undefined) chownSync(path_, this.#identity.uid, this.#identity.gid);
    chmodSync(path_, mode);
  }

  /** One for the whole run, made by openssl at the first call; null where that is not installed. */
  certificate(): Promise<Certificate | null> {
    this.#certificate ??= this.#makeCertificate();
    return this.#certificate;
  }

  async #makeCertificate(): Promise<Certificate | null> {
    const folder = this.newFolder('tls');
    const [cert, key] = [path.join(folder, 'server.crt'), path.join(folder, 'server.key')];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    try {
      await this.run('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', cert]);
    } catch (error) {
      if ((error as Error).message.includes('ENOENT')) return null;
      throw error;
    }
    // PostgreSQL takes no key that others can read.
    this.#own(key, 0o600);
    return { cert, key };
  }

  /** Runs a command to its end. @throws with what it printed. */
  async run(file: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(file, args, { ...this.#spawnOptions(options), timeout: 60_000 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout + stderr);
        else reject(new Error(`${path.basename(file)} failed: ${stderr || stdout || error.message}`));
      });
    });
  }

  spawn(name: string, file: string, args: readonly string[], options: SpawnOptions = {}): Child {
    const child = spawn(file, args, {
      ...this.#spawnOptions(options),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (lines.length > linesKept) lines.shift();
      });
    }
    const owned = this.#childOf(name, child, lines);
    this.#children.add(owned);
    return owned;
  }

  #spawnOptions({ env = {}, asService = false }: SpawnOptions) {
    const inherited = Object.entries(process.env).filter(([key]) => !/^(PGFRESH_|PG[A-Z]+$|NODE_OPTIONS$)/.test(key));
    return {
      cwd: this.folder,
      env: { ...Object.fromEntries(inherited), ...env },
      ...(asService && this.#identity !== undefined ? this.#identity : {}),
    };
  }

  #childOf(name: string, process_: ChildProcess, lines: string[]): Child {
    let gone = false;
    const exited = new Promise<void>((resolve) => {
      const settle = (): void => {
        gone = true;
        this.#children.delete(owned);
        resolve();
      };
      process_.once('exit', settle);
      process_.once('error', (error) => {
        lines.push(String(error));
        settle();
      });
    });
    const closed = new Promise<void>((resolve) => void process_.once('close', () => resolve()));
    const owned: Child = {
      name,
      pid: process_.pid ?? -1,
      lines,
      exited,
      closed,
      hasExited: () => gone,
      async end(signal = 'SIGTERM') {
        if (gone) return;
        process_.kill(signal);
        await Promise.race([exited, delay(endDeadlineMs, undefined, { ref: false })]);
        if (!gone) killGroup(owned.pid);
        await exited;
      },
    };
    return owned;
  }

  /** Ends what still runs, the youngest first, and removes the folder. */
  async close(): Promise<void> {
    for (const child of [...this.#children].reverse()) await child.end('SIGINT');
    rmSync(this.folder, { recursive: true, force: true });
    process.off('exit', this.#emergency);
  }

  #endAtOnce(): void {
    for (const { pid } of this.#children) killGroup(pid);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The process and what it forked, which shares its group. */
function killGroup(pid: number): void {
  if (pid <= 0) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone already
  }
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Waits until the child is `ready`. @throws with its output when it exits first or the deadline passes. */
export async function untilReady(
  child: Child,
  ready: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await ready())) {
    const late = performance.now() > endMs;
    if (late || child.hasExited()) {
      const output = child.lines.slice(-8).join('\n');
      await child.end('SIGKILL');
      throw new Error(`${child.name} ${late ? `was not ready after ${deadlineMs} ms` : 'ended'}: ${output}`);
    }
    await delay(pollMs);
  }
}

/** Whether something accepts connections there. */
export async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
