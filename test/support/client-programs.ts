/**
 * Clients in other languages as programs of their own (test/support/clients): each line on stdin is an errand, `WHAT FORM CONNINFO`; what
 * they report comes back up to a line with a dot. .ci/run installs what they need.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Form } from './forms.ts';
import { resetSql } from './scripts.ts';

export interface ClientProgram {
  readonly name: string;
  readonly forms: readonly Form[];
  /** Forms whose reads can be answered from the cache. */
  readonly hitting: readonly Form[];
  readonly transports: readonly ('tcp' | 'unix' | 'tls')[];
  /** Everything that it does and its options, in its own words. */
  readonly command: (setupFile: string) => readonly string[];
  readonly conninfo: (place: Place) => string;
}

/** Where a client connects to. `unixFolder`: over the Unix socket in it. */
export interface Place {
  readonly url: URL;
  readonly unixFolder?: string;
  readonly encrypted?: boolean;
}

const file = (name: string): string => fileURLToPath(new URL(`./clients/${name}`, import.meta.url));
const hostOf = ({ url, unixFolder }: Place): string => unixFolder ?? url.hostname;
const keywords = (place: Place, separator: string, database: string): string =>
  [
    ...[`host=${hostOf(place)}`, `port=${place.url.port}`, `user=${place.url.username}`],
    ...[`password=${place.url.password}`, `${database}=${place.url.pathname.slice(1)}`],
    `sslmode=${place.encrypted ? 'require' : 'disable'}`,
  ].join(separator);

const everywhere = ['tcp', 'unix', 'tls'] as const;
/** Debian's interpreter, which its modules are installed for. */
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

export const clientPrograms: readonly ClientProgram[] = [
  {
    name: 'psycopg2',
    forms: ['simple', 'prepared'],
    hitting: ['simple', 'prepared'],
    transports: everywhere,
    command: (setupFile) => [python, file('psycopg.py'), setupFile],
    conninfo: (place) => keywords(place, ' ', 'dbname'),
  },
  {
    name: 'DBD::Pg',
    forms: ['simple', 'unnamed', 'prepared'],
    hitting: ['simple', 'unnamed', 'prepared'],
    transports: everywhere,
    command: (setupFile) => ['/usr/bin/perl', file('dbd.pl'), setupFile],
    conninfo: (place) => keywords(place, ';', 'dbname'),
  },
  {
    name: 'JDBC',
    forms: ['simple', 'unnamed', 'prepared'],
    hitting: ['simple', 'unnamed', 'prepared'],
    transports: ['tcp', 'tls'],
    command: (setupFile) => ['java', '-cp', '/usr/share/java/postgresql.jar', file('Jdbc.java'), setupFile],
    conninfo: ({ url, encrypted }) =>
      `jdbc:postgresql://${url.host}${url.pathname}?user=${url.username}&password=${url.password}&sslmode=${encrypted ? 'require' : 'disable'}`,
  },
];

export interface RunningClient {
  /** What the program reported of one errand. @throws when it ended instead, with what it said on stderr. */
  run(what: 'mixed' | 'reads' | 'units', form: Form, conninfo: string): Promise<string[]>;
  stop(): Promise<void>;
}

export function startClient(program: ClientProgram): RunningClient {
  const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-client-'));
  const setupFile = path.join(folder, 'setup.sql');
  writeFileSync(setupFile, resetSql);
  const [command, ...args] = program.command(setupFile);
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(command!, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
  });
  const errors: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => void errors.push(chunk.toString()));
  child.stdin.on('error', (error) => void errors.push(error.message));
  const closed = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      errors.push(error.message);
      resolve();
    });
    child.once('close', () => resolve());
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run(what, form, conninfo) {
      child.stdin.write(`${what} ${form} ${conninfo}\n`);
      const report: string[] = [];
      for (let next = await lines.next(); next.value !== '.'; next = await lines.next()) {
        if (next.done === true) {
          await closed;
          throw new Error(`${program.name} ended:\n${report.slice(-5).join('\n')}\n${errors.join('')}`);
        }
        report.push(next.value);
      }
      return report;
    },
    async stop() {
      child.stdin.end();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
