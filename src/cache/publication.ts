/**
 * The publication of this node: made empty, and grown by the tables that cached statements read. Every change of it is one short
 * transaction with a lock_timeout, on a connection of its own, so that neither the application nor the freshness clock waits for us.
 *
 *   ensure ──▶ ALTER PUBLICATION … ADD TABLE ONLY ──▶ barrier ──▶ onLive          (publication-facts.ts, barrier.ts)
 *
 * Operations run one after the other. `published` is what the origin should show; the clock compares (C11): on PostgreSQL 18 a
 * dropped publication leaves a stream that is silent but alive.
 */
import { escapeIdentifier, escapeLiteral } from 'pg';
import { toError } from '../shared/errors.ts';
import { Barrier } from './barrier.ts';
import type { SqlPort } from './control-connection.ts';
import { oidArray, publishableSql, type Refusal, readFacts, refusalOf, type TableFacts } from './publication-facts.ts';
import { StreamError } from './stream-error.ts';

export interface PublicationOptions {
  readonly sql: SqlPort;
  /** For short questions: `sql` may be busy with a catalog. */
  readonly looks: SqlPort;
  readonly name: string;
  /** Role of the connection, for remedies. */
  readonly user: string;
  readonly lockTimeoutMs: number;
  /** Tables whose changes are now all on the stream. The caller gives them their liveStamp. */
  readonly onLive: (oids: readonly number[]) => void;
  /** The connection failed while the barrier was watched. */
  readonly onError: (error: Error) => void;
  readonly pollMsMin: number;
  readonly pollMsMax: number;
}

export class Publication {
  readonly #options: PublicationOptions;
  readonly #barrier: Barrier;
  readonly #published = new Set<number>();
  readonly #live = new Set<number>();
  #queue: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #pollMs: number;
  #streaming = false;
  #unfitMayRemain = false;
  #stopped = false;

  constructor(options: PublicationOptions) {
    this.#options = options;
    this.#barrier = new Barrier(options.sql);
    this.#pollMs = options.pollMsMin;
  }

  get name(): string {
    return this.#options.name;
  }

  /** What the publication holds on the origin. A copy. */
  get published(): ReadonlySet<number> {
    return new Set(this.#published);
  }

  isLive(oid: number): boolean {
    return this.#live.has(oid);
  }

  /** Makes the publication, or takes over the one that an earlier life left, without the tables that may not be in it. Before the
   * slot is made: the stream must find it.
   * @throws StreamError PUBLICATION_DENIED with a remedy. */
  open(): Promise<void> {
    return this.#run(async () => {
      const { sql, name } = this.#options;
      const [existing] = await sql.query(
        `SELECT NOT puballtables AND NOT pubviaroot AND pubinsert AND pubupdate AND pubdelete AND pubtruncate
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_namespace WHERE pnpubid = p.oid)
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_rel
             WHERE prpubid = p.oid AND (prqual IS NOT NULL OR prattrs IS NOT NULL))
         FROM pg_catalog.pg_publication p WHERE pubname = $1`,
        [name],
      );
      const statements: string[] = [];
      if (existing !== undefined && existing[0] !== 't') statements.push(`DROP PUBLICATION ${escapeIdentifier(name)}`);
      if (existing?.[0] !== 't') statements.push(`CREATE PUBLICATION ${escapeIdentifier(name)}`);
      if (statements.length > 0) await this.#alter(statements).catch((error) => this.#denied(error));
      await this.#refresh();
      await this.#dropUnfit();
    });
  }

  /** A stream has begun: nothing is live before the barrier was passed again (C4). */
  streamStarted(): Promise<void> {
    return this.#run(async () => {
      this.#streaming = true;
      this.#live.clear();
      this.#announce(await this.#barrier.set([...this.#published]));
    });
  }

  /** The stream has ended. */
  streamEnded(): void {
    this.#streaming = false;
    this.#live.clear();
    this.#barrier.forget(this.#barrier.waiting);
  }

  /** Publishes tables. Those not refused become live after the barrier (`onLive`), at once when nobody was writing them.
   * @returns one refusal for each table that is not published. @throws when the connection fails. */
  ensure(oids: Iterable<number>): Promise<Refusal[]> {
    const wanted = [...new Set(oids)];
    return this.#run(async () => {
      const missing = wanted.filter((oid) => !this.#published.has(oid));
      // In the publication, but no barrier was ever set: taken over from somebody's ALTER or from an earlier life.
      const unwatched = wanted.filter(
        (oid) => this.#published.has(oid) && !this.#live.has(oid) && !this.#barrier.waiting.has(oid),
      );
      if (missing.length === 0 && unwatched.length === 0) return [];
      const facts = await readFacts(this.#options.sql, missing);
      const refusals: Refusal[] = [];
      const fit: TableFacts[] = [];
      for (const oid of missing) {
        const refusal = refusalOf(oid, facts.get(oid), this.#options.user);
        if (refusal === null) fit.push(facts.get(oid)!);
        else refusals.push(refusal);
      }
      const { added, refused } = await this.#add(fit);
      for (const oid of added) this.#published.add(oid);
      if (this.#streaming) this.#announce(await this.#barrier.set([...added, ...unwatched]));
      return [...refusals, ...refused];
    });
  }

  /** Takes out what may no longer be published: a table that lost its replica identity fails the application's writes as
   * long as it is published (C23). To be called at once when the catalog changed.
   * @returns a refusal for each table taken out, or gone. */
  revalidate(): Promise<Refusal[]> {
    return this.#run(() => this.#dropUnfit());
  }

  /** Whether the origin has a table in it that may not be published. Asked past everything that waits on our own connection. */
  async hasUnfit(): Promise<boolean> {
    const [row] = await this.#options.looks.query(
      `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
         JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
         WHERE p.pubname = ${escapeLiteral(this.#options.name)} AND NOT (${publishableSql}))`,
    );
    return row![0] === 't';
  }

  /** Removes the publication from the origin. */
  drop(): Promise<void> {
    return this.#run(async () => {
      this.stop();
      await this.#alter([`DROP PUBLICATION IF EXISTS ${escapeIdentifier(this.#options.name)}`]);
      this.#published.clear();
      this.#live.clear();
    });
  }

  /** Ends the watch over the barrier; leaves the origin as it is. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** All at once, and one by one when that fails, so that one table does not keep out the others. */
  async #add(tables: readonly TableFacts[]): Promise<{ added: number[]; refused: Refusal[] }> {
    if (tables.length === 0) return { added: [], refused: [] };
    try {
      await this.#alter([this.#addStatement(tables), this.#verifyStatement(tables)]);
      return { added: tables.map((table) => table.oid), refused: [] };
    } catch (error) {
      if (!isSqlError(error)) throw error;
      if (tables.length === 1) return { added: [], refused: [addRefusal(tables[0]!, toError(error))] };
    }
    const added: number[] = [];
    const refused: Refusal[] = [];
    for (const table of tables) {
      const one = await this.#add([table]);
      added.push(...one.added);
      refused.push(...one.refused);
    }
    return { added, refused };
  }

  #addStatement(tables: readonly TableFacts[]): string {
    const names = tables.map(({ table }) => `ONLY ${table}`).join(', ');
    return `ALTER PUBLICATION ${escapeIdentifier(this.#options.name)} ADD TABLE ${names}`;
  }

  /** Fails, and so undoes the ALTER before it, unless the names still meant these tables and they are fit. The lock that ADD TABLE
   * took keeps them fit until the commit. */
  #verifyStatement(tables: readonly TableFacts[]): string {
    return `SELECT (CASE WHEN pg_catalog.count(*) = ${tables.length} THEN '1' ELSE 'the table changed meanwhile' END)::int
      FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
      JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
      WHERE p.pubname = ${escapeLiteral(this.#options.name)} AND ${publishableSql}
        AND c.oid = ANY ('${oidArray(tables.map((table) => table.oid))}'::oid[])`;
  }

  async #dropUnfit(): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    if (this.#published.size === 0) return refusals;
    const facts = await readFacts(this.#options.sql, this.#published);
    for (const oid of [...this.#published]) {
      const table = facts.get(oid);
      const refusal = refusalOf(oid, table, this.#options.user);
      if (refusal === null) continue;
      refusals.push(refusal);
      this.#published.delete(oid);
      this.#live.delete(oid);
      this.#barrier.forget([oid]);
      if (table !== undefined) await this.#dropTable(table);
    }
    return refusals;
  }

  async #dropTable({ oid, table }: TableFacts): Promise<void> {
    const statement = `ALTER PUBLICATION ${escapeIdentifier(this.#options.name)} DROP TABLE ONLY ${table}`;
    try {
      await this.#alter([statement]);
    } catch (error) {
      if (!isSqlError(error)) throw error;
      if (error.code !== '55P03' && error.code !== '40P01') return; // already out, or gone
      // Locked by somebody: it must go all the same, and soon.
      this.#published.add(oid);
      this.#unfitMayRemain = true;
      this.#watch(this.#options.pollMsMin);
    }
  }

  /** Reads the tables in the publication. */
  async #refresh(): Promise<void> {
    const rows = await this.#options.sql.query(
      `SELECT r.prrelid FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
       WHERE p.pubname = $1`,
      [this.#options.name],
    );
    const present = new Set(rows.map((row) => Number(row[0])));
    for (const oid of present) this.#published.add(oid);
    for (const oid of this.#published) if (!present.has(oid)) this.#published.delete(oid);
    for (const oid of this.#live) if (!present.has(oid)) this.#live.delete(oid);
  }

  #alter(statements: readonly string[]): Promise<unknown> {
    return this.#options.sql.batch([
      `SET LOCAL lock_timeout = ${Math.floor(this.#options.lockTimeoutMs)}`,
      ...statements,
    ]);
  }

  #announce(oids: readonly number[]): void {
    for (const oid of oids) this.#live.add(oid);
    if (oids.length > 0) this.#options.onLive(oids);
    if (this.#barrier.waiting.size > 0) this.#watch(this.#options.pollMsMin);
  }

  #watch(pollMs: number): void {
    if (this.#timer !== null || this.#stopped) return;
    this.#pollMs = pollMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#run(() => this.#poll()).catch((error) => this.#options.onError(toError(error)));
    }, pollMs);
    this.#timer.unref();
  }

  async #poll(): Promise<void> {
    if (this.#stopped) return;
    if (this.#unfitMayRemain) {
      this.#unfitMayRemain = false;
      await this.#dropUnfit();
    }
    if (!this.#streaming) return;
    const passed = await this.#barrier.poll();
    for (const oid of passed) this.#live.add(oid);
    if (passed.length > 0) this.#options.onLive(passed);
    if (this.#barrier.waiting.size > 0) this.#watch(Math.min(this.#pollMs * 2, this.#options.pollMsMax));
  }

  #run<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #denied(error: unknown): never {
    const code = (error as { code?: string }).code;
    if (code !== '42501') throw error;
    const user = escapeIdentifier(this.#options.user);
    throw new StreamError(
      'PUBLICATION_DENIED',
      `${this.#options.user} may not make a publication`,
      `GRANT CREATE ON DATABASE … TO ${user}; a publication of the name ${this.#options.name} that belongs to another role must be dropped`,
      error,
    );
  }
}

/** An error that the origin reported, as opposed to a lost connection. */
function isSqlError(error: unknown): error is Error & { code: string } {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P)/.test(code);
}

/** insufficient_privilege, feature_not_supported, invalid_parameter_value, wrong_object_type: trying again would not help. */
const permanentCodes: ReadonlySet<string> = new Set(['42501', '0A000', '22023', '42809']);

/** Locks, deadlocks, catalog rows updated by two at once, our own check in the transaction: all of these pass. */
function addRefusal({ oid, table }: TableFacts, error: Error & { readonly code?: string }): Refusal {
  if (permanentCodes.has(error.code ?? '')) {
    return { oid, table, reason: 'uncacheable.notPublished', remedy: error.message, retry: false };
  }
  return { oid, table, reason: 'uncacheable.publishing', remedy: '', retry: true };
}
