/** Where SCRAM verifiers of roles come from: a file, or a query on the origin under pgfresh's own role (ADR-006). */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import type { Config } from '../shared/config.ts';
import { connectPg } from '../shared/tls-origin.ts';
import { parseVerifier, type ScramVerifier } from './auth-scram.ts';

export interface Verifiers {
  /** Null: the role has none. Rejects when it cannot be found out. */
  find(user: string): Promise<ScramVerifier | null>;
  /** The next `find` does not rely on what an earlier one opened. */
  close(): void;
}

/** Null when nothing of the kind is configured. */
export function openVerifiers({ auth, upstream, limits }: Config): Verifiers | null {
  if (auth.file !== undefined) return new VerifierFile(auth.file);
  if (auth.query !== undefined) return new VerifierQuery(auth.query, upstream, limits.originConnectTimeoutMs);
  return null;
}

/** `"role" "SCRAM-SHA-256$…"` a line, quotes doubled inside quotes, as pgbouncer has it; `;` and `#` begin a comment. */
export function verifierInFile(content: string, user: string): ScramVerifier | null {
  for (const line of content.split('\n')) {
    const match = /^\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"/.exec(line);
    if (match !== null && match[1]!.replaceAll('""', '"') === user) return parseVerifier(match[2]!);
  }
  return null;
}

/** Read at each login: logins are rare, and a changed file needs no signal. */
class VerifierFile implements Verifiers {
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  async find(user: string): Promise<ScramVerifier | null> {
    return verifierInFile(await readFile(this.file, 'utf8'), user);
  }

  /** Nothing stays open between two look-ups. */
  close(): void {}
}

/** One connection a worker, opened at the first login that needs it and again when it was lost. */
class VerifierQuery implements Verifiers {
  private readonly sql: string;
  private readonly upstream: Config['upstream'];
  private readonly timeoutMs: number;
  private client: Promise<pg.Client> | null = null;

  constructor(sql: string, upstream: Config['upstream'], timeoutMs: number) {
    this.sql = sql;
    this.upstream = upstream;
    this.timeoutMs = timeoutMs;
  }

  async find(user: string): Promise<ScramVerifier | null> {
    this.client ??= this.connect();
    try {
      const client = await this.client;
      const { rows } = await client.query<(string | null)[]>({ text: this.sql, values: [user], rowMode: 'array' });
      const text = rows[0]?.at(-1);
      return typeof text === 'string' ? parseVerifier(text) : null;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    const closing = this.client;
    this.client = null;
    closing?.then((client) => client.end()).catch(() => undefined);
  }

  private async connect(): Promise<pg.Client> {
    const { default: pg } = await import('pg');
    const { host, port, user, password, database } = this.upstream;
    const client = await connectPg(
      this.upstream,
      (ssl) =>
        new pg.Client({
          ...{ host, port, user, database, ssl, application_name: 'pgfresh logins' },
          ...(password === undefined ? {} : { password }),
          connectionTimeoutMillis: this.timeoutMs,
          query_timeout: this.timeoutMs,
          statement_timeout: this.timeoutMs,
        }),
    );
    client.on('end', () => this.close());
    return client;
  }
}
