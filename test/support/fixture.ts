/** What most system tests need: a database of their own and a pgfresh before it, for the length of a test file. */
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { rowsOf } from './origin-state.ts';
import { type Pgfresh, type PgfreshOptions, startPgfresh } from './pgfresh.ts';
import { type Cluster, createDatabase, startCluster, type Version } from './postgres.ts';
import { waitFor } from './wait.ts';

export interface Fixture {
  /** Through pgfresh. */
  readonly url: string;
  /** Past it. */
  readonly originUrl: string;
  readonly database: string;
  readonly pgfresh: Pgfresh;
  /** The URL of the same database for another user, through pgfresh or direct. */
  as(user: string, password: string, direct?: boolean): string;
  /** A session through pgfresh that ends with the file. */
  session(url?: string): Promise<pg.Client>;
  /** Repeats `read` until it was answered from the cache. */
  warm(read: () => Promise<unknown>, what?: string): Promise<void>;
  /** Hits counted so far. */
  hits(): Promise<number>;
}

/** To be called at the top level of a test file; the fields are there from the first test on. */
export function useProxy(
  setupSql: string,
  options: Partial<PgfreshOptions> & {
    readonly origin?: 'pg15' | 'pg18' | 'pg15roles' | 'pg18roles';
    /**
     * A server of its own: for tests that stop a server process, which may hold a lock that others wait for, or keep a
     * writing transaction open, which the creation of every replication slot waits for.
     */
    readonly ownServer?: Version;
  } = {},
): Fixture {
  let cluster: Cluster | undefined;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let pgfresh: Pgfresh;
  const sessions: pg.Client[] = [];
  beforeAll(async () => {
    if (options.ownServer !== undefined) cluster = await startCluster({ version: options.ownServer });
    database = await createDatabase(cluster?.url ?? inject(options.origin ?? 'pg18'), setupSql);
    pgfresh = await startPgfresh({ upstream: database.url, ...options });
  });
  afterAll(async () => {
    await Promise.all(sessions.map((session) => session.end().catch(() => undefined)));
    await pgfresh?.stop();
    await database?.drop();
    await cluster?.stop();
  });
  const hits = async () => (await pgfresh.status()).cache.hits;
  return {
    get url() {
      return pgfresh.url;
    },
    get originUrl() {
      return database.url;
    },
    get database() {
      return database.name;
    },
    get pgfresh() {
      return pgfresh;
    },
    as(user, password, direct = false) {
      const url = new URL(direct ? database.url : pgfresh.url);
      [url.username, url.password] = [user, password];
      return url.href;
    },
    async session(url = pgfresh.url) {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => undefined);
      sessions.push(client);
      await client.connect();
      return client;
    },
    async warm(read, what = 'a hit') {
      await waitFor(
        what,
        async () => {
          const before = await hits();
          await read();
          return (await hits()) > before;
        },
        20_000,
      );
    },
    hits,
  };
}

/** Rows of one statement as arrays, on a session that stays. */
export async function ask(client: pg.Client, text: string, values?: readonly unknown[]): Promise<unknown[][]> {
  const parameters = values === undefined ? {} : { values: [...values] };
  return (await client.query({ text, rowMode: 'array', ...parameters })).rows as unknown[][];
}

/** A client of its own for each call: the answer of a fresh session. */
export const askOnce = rowsOf;
