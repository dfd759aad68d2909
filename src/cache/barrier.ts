/**
 * The barrier after a table was added to the publication, or a stream was begun (C2, C4, C24).
 *
 * A transaction that wrote the table before and commits afterwards is not streamed, so until it has ended nobody may keep
 * an answer about the table. Whoever wrote holds a lock until after its commit is visible. So: look once, after the
 * ALTER has committed, at who holds a lock that writing takes; the table is live when all of those are gone. Nobody who comes later is
 * waited for, so a busy table gets there, and an old transaction that never touched the table is not in the way.
 */
import type { SqlPort } from './control-connection.ts';
import { oidArray } from './publication-facts.ts';
import { widenXid } from './settle.ts';

/** Locks that DML, TRUNCATE and rewrites take. VACUUM, ANALYZE and CREATE INDEX write no rows and may last for hours. */
const writeModes = `('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`;

const locksSql = `SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),
    (SELECT pg_catalog.string_agg(transaction::text, ',') FROM pg_catalog.pg_prepared_xacts),
    l.relation, l.virtualtransaction, l.pid
  FROM (SELECT) one LEFT JOIN pg_catalog.pg_locks l ON l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND l.relation = ANY ($1::oid[]) AND l.mode IN ${writeModes}`;

interface Waiting {
  /** Virtual transactions that held a lock when the barrier was set. */
  readonly writers: Set<string>;
  /** Transactions from here on began after the barrier was set. */
  readonly xmax: number;
}

interface LockTable {
  readonly xmax: number;
  /** Prepared transactions of every database, 32 bits. */
  readonly prepared: readonly number[];
  readonly holders: ReadonlyMap<number, ReadonlySet<string>>;
  /** Relations on which a prepared transaction holds a lock. */
  readonly heldByPrepared: ReadonlySet<number>;
}

export class Barrier {
  readonly #sql: SqlPort;
  readonly #waiting = new Map<number, Waiting>();

  constructor(sql: SqlPort) {
    this.#sql = sql;
  }

  /** Tables whose earlier writers are still running. */
  get waiting(): ReadonlySet<number> {
    return new Set(this.#waiting.keys());
  }

  forget(oids: Iterable<number>): void {
    for (const oid of oids) this.#waiting.delete(oid);
  }

  /** Sets the barrier. Call only after the ALTER has committed, or the stream has begun.
   * @returns the tables that nobody was writing: they have passed already. */
  async set(oids: readonly number[]): Promise<number[]> {
    if (oids.length === 0) return [];
    const locks = await this.#look(oids);
    for (const oid of oids) this.#waiting.set(oid, { writers: new Set(locks.holders.get(oid)), xmax: locks.xmax });
    return this.#pass(
      oids.filter((oid) => this.#waiting.get(oid)!.writers.size === 0),
      locks,
    );
  }

  /** @returns the tables that have passed since. */
  async poll(): Promise<number[]> {
    if (this.#waiting.size === 0) return [];
    const oids = [...this.#waiting.keys()];
    return this.#pass(oids, await this.#look(oids));
  }

  /** Forgets those of `oids` that have passed, and returns them. */
  #pass(oids: readonly number[], locks: LockTable): number[] {
    const passed = oids.filter((oid) => {
      const waiting = this.#waiting.get(oid);
      return waiting !== undefined && hasPassed(oid, waiting, locks);
    });
    this.forget(passed);
    return passed;
  }

  async #look(oids: readonly number[]): Promise<LockTable> {
    const rows = await this.#sql.query(locksSql, [oidArray(oids)]);
    const holders = new Map<number, Set<string>>();
    const heldByPrepared = new Set<number>();
    for (const [, , relation, transaction, pid] of rows) {
      if (relation === null || relation === undefined) continue;
      const oid = Number(relation);
      if (pid === null) heldByPrepared.add(oid);
      else holders.set(oid, (holders.get(oid) ?? new Set()).add(transaction!));
    }
    const [xmax, prepared] = rows[0]!;
    return {
      xmax: Number(xmax),
      prepared: prepared === null ? [] : prepared!.split(',').map(Number),
      holders,
      heldByPrepared,
    };
  }
}

/** PREPARE TRANSACTION gives a lock another holder without a name of its own, so a table that a prepared transaction has locked waits for
 * every prepared transaction that is older than the barrier. */
function hasPassed(oid: number, waiting: Waiting, locks: LockTable): boolean {
  for (const holder of locks.holders.get(oid) ?? []) {
    if (waiting.writers.has(holder)) return false;
  }
  if (!locks.heldByPrepared.has(oid)) return true;
  return locks.prepared.every((xid) => widenXid(xid, waiting.xmax) >= waiting.xmax);
}
