/**
 * A plain connection of the cache thread to the origin: rounds of the freshness clock run on one, publication changes on
 * another, since an ALTER PUBLICATION that waits for a lock must not hold up freshness.
 *
 * Statements of a pg client are queued and run one after the other, so nobody may leave a transaction open between two
 * calls: whatever must be atomic goes in one string (an implicit transaction) or in one DO block.
 */
import { EventEmitter } from 'node:events';
import net from 'node:net';
import pg from 'pg';
import type { Upstream } from '../shared/config.ts';
import { PgfreshError } from '../shared/errors.ts';
import { connectPg } from '../shared/tls-origin.ts';

/** What the modules of the change stream need of a connection. Values arrive as text or null. */
export interface SqlPort {
  query(text: string, values?: readonly (string | null)[], name?: string): Promise<TextRow[]>;
  /** Several statements in one implicit transaction; rows of the last one. */
  batch(statements: readonly string[]): Promise<TextRow[]>;
}
export type TextRow = (string | null)[];

/** A statement did not answer in time. The connection is unusable afterwards and ends. */
class OriginTimeoutError extends PgfreshError {
  constructor(message: string) {
    super('ORIGIN_TIMEOUT', 1, message);
  }
}

/** Everything as text: bigint, oid, arrays and times reach us as the origin printed them. */
const asText: pg.CustomTypesConfig = { getTypeParser: () => (value: string | Buffer) => value };

export interface ConnectOptions {
  readonly upstream: Upstream;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  /** Sent as a startup parameter `replication=database`. While its stream is paused, what comes stays in the kernel. */
  readonly replication?: boolean;
}

/** Node reads on for a paused stream until this much is buffered. With one byte that is one read; then nobody is woken for what comes (ADR-022). */
const pausable: net.SocketConstructorOpts & { readonly highWaterMark: number } = { highWaterMark: 1 };

/** Connects as sslmode says. @throws as `connectPg` does. */
export function connectClient(options: ConnectOptions): Promise<pg.Client> {
  const { upstream, replication = false } = options;
  return connectPg(
    upstream,
    (ssl) =>
      new pg.Client({
        host: upstream.host,
        port: upstream.port,
        user: upstream.user,
        ...(upstream.password === undefined ? {} : { password: upstream.password }),
        database: upstream.database,
        ssl: replication && typeof ssl === 'object' ? { ...ssl, ...pausable } : ssl,
        types: asText,
        client_encoding: 'UTF8',
        application_name: options.applicationName,
        connectionTimeoutMillis: options.connectTimeoutMs,
        keepAlive: true,
        keepAliveInitialDelayMillis: 5_000,
        ...(replication ? { replication: 'database', stream: () => new net.Socket(pausable) } : {}),
      }),
  );
}

/** Settings that an administrator may have put on our role and that would change what our statements do. */
const settings = [
  `synchronous_commit = local`, // C12: never wait for a standby
  `search_path = pg_catalog`,
  `default_transaction_isolation = 'read committed'`,
  `default_transaction_read_only = off`,
  `plan_cache_mode = force_generic_plan`, // rounds are planned once
  `jit = off`,
  `max_parallel_workers_per_gather = 0`,
  `DateStyle = 'ISO, MDY'`,
  `TimeZone = 'UTC'`,
  `client_encoding = 'UTF8'`,
  `row_security = on`,
  `idle_in_transaction_session_timeout = '30s'`,
  `idle_session_timeout = 0`, // no rounds run while nobody is connected
  `lock_timeout = 0`,
];

interface ControlEvents {
  /** Once, unless `end` was called: the connection is gone. */
  lost: [Error];
}

export class ControlConnection extends EventEmitter<ControlEvents> implements SqlPort {
  readonly #client: pg.Client;
  readonly #timeoutMs: number;
  #queue: Promise<unknown> = Promise.resolve();
  #over = false;

  private constructor(client: pg.Client, timeoutMs: number) {
    super();
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    client.on('error', (error) => this.#lose(error));
    client.on('end', () => this.#lose(new Error('the origin closed the control connection')));
  }

  /** @param timeoutMs how long any one statement may take before the connection counts as lost. */
  static async open(options: ConnectOptions & { readonly timeoutMs: number }): Promise<ControlConnection> {
    const client = await connectClient(options);
    const connection = new ControlConnection(client, options.timeoutMs);
    try {
      await client.query(`${settings.map((setting) => `SET ${setting}`).join('; ')};
        SET statement_timeout = ${Math.floor(options.timeoutMs)}`);
    } catch (error) {
      await connection.end();
      throw error;
    }
    return connection;
  }

  /** Rows as arrays of text; statements wait for those before them. `name` makes it a prepared statement.
   * @throws OriginTimeoutError, or the origin's error with its SQLSTATE in `code`. */
  query(text: string, values: readonly (string | null)[] = [], name?: string): Promise<TextRow[]> {
    const answer = this.#queue.then(() => this.#ask(text, values, name));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  async #ask(text: string, values: readonly (string | null)[], name: string | undefined): Promise<TextRow[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      // Beyond the server's own statement_timeout: a hung server or network answers nothing at all.
      timer = setTimeout(() => {
        const error = new OriginTimeoutError(`no answer within ${this.#timeoutMs + 1_000} ms`);
        this.#lose(error);
        reject(error);
      }, this.#timeoutMs + 1_000);
      timer.unref();
    });
    const answer = this.#client.query<TextRow>({
      text,
      values: [...values],
      rowMode: 'array',
      ...(name === undefined ? {} : { name }),
    });
    // When the time is up first, the answer still settles later, with nobody left to care.
    answer.catch(() => undefined);
    try {
      const result: pg.QueryArrayResult<TextRow> | pg.QueryArrayResult<TextRow>[] = await Promise.race([answer, late]);
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs several statements in one implicit transaction (simple protocol); rows of the last one. */
  batch(statements: readonly string[]): Promise<TextRow[]> {
    return this.query(statements.join(';\n'), []);
  }

  /** Closes; never fails, never waits longer than a second. */
  async end(): Promise<void> {
    this.#over = true;
    await endClient(this.#client);
  }

  #lose(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#client.connection.stream.destroy();
    this.emit('lost', error);
  }
}

/** Says goodbye (Terminate) and waits for the socket to close; destroys it after a second. */
export async function endClient(client: pg.Client): Promise<void> {
  const { stream } = client.connection;
  if (stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => stream.destroy(), 1_000);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    client.connection.end();
  });
}
