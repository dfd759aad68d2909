/**
 * The databases that are cached, by the slot of the store's header that each has. The one of `--upstream` has slot 0 from the start to the end;
 * another gets a slot when the first session names it, and loses it when it has had no session for long.
 *
 *   absent ──open──▶ slot taken, feed started ──last worker closes──▶ idle ──`cdc.database_idle` later──▶ stopping ──▶ absent
 *                               ▲──────────── open ────────────────────┘       (slot is free, entries are gone)
 *
 * A statement that no stream may stand in the way of (DROP DATABASE) has the stream suspended while it runs, and when it has succeeded, until
 * somebody logs in again; the slot stays where workers have it.
 *
 * No slot is taken from a worker that reads it: a worker that has closed a database has forgotten its slot before it said so.
 */
import { toError } from '../shared/errors.ts';
import { DATABASE_SLOTS, StoreState } from '../shared/memory/layout.ts';
import type { DatabaseHold } from '../shared/messages.ts';
import { ContextIds, contextIdOfBlock, databaseSlotOf } from './context-ids.ts';
import { Database, type DatabaseOptions } from './database.ts';
import { DatabaseHolds } from './database-holds.ts';
import { StoreHeader } from './header.ts';
import { Sweeper } from './sweeper.ts';

type Given = Omit<
  DatabaseOptions,
  'name' | 'slot' | 'header' | 'nextContextId' | 'nextVerdictId' | 'nextAttempt' | 'contextIdLimit' | 'onDead'
>;

interface Totals {
  readonly admitted: number;
  readonly rejected: number;
  readonly invalidated: number;
  readonly corrected: number;
  readonly refreshed: number;
  /** Answers of other nodes. */
  readonly taken: number;
  readonly refused: number;
}

const withThoseOf = (totals: Totals, { admitter, feed, departures, refreshed, shared }: Database): Totals => ({
  admitted: totals.admitted + admitter.admitted,
  rejected: totals.rejected + admitter.rejected,
  invalidated: totals.invalidated + feed.invalidated,
  corrected: totals.corrected + (departures.inPlace?.corrected ?? 0),
  refreshed: totals.refreshed + refreshed,
  taken: totals.taken + (shared?.taken ?? 0),
  refused: totals.refused + (shared?.refused ?? 0),
});

export class Databases {
  readonly #options: Given;
  readonly #headers: readonly StoreHeader[];
  readonly #slots: (Database | undefined)[] = [];
  readonly #contextIds = new ContextIds();
  readonly #idle = new Map<Database, NodeJS.Timeout>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #holds = new DatabaseHolds();
  readonly #sweeper: Sweeper;
  #verdicts = 0;
  #attempts = 0;
  #over = false;
  /** What databases that are gone had counted. */
  #past: Totals = { admitted: 0, rejected: 0, invalidated: 0, corrected: 0, refreshed: 0, taken: 0, refused: 0 };

  constructor(options: Given) {
    this.#options = options;
    this.#headers = Array.from({ length: DATABASE_SLOTS }, (_, slot) => new StoreHeader(options.store, slot));
    this.#sweeper = new Sweeper(options.store, (block) => this.#ownerOf(block)?.isDead(block) ?? true);
    this.#slots[0] = this.#make(options.config.upstream.database, 0);
  }

  /** That of `--upstream`. */
  get first(): Database {
    return this.#slots[0]!;
  }

  get all(): readonly Database[] {
    return this.#slots.filter((database) => database !== undefined);
  }

  named(name: string): Database | undefined {
    return this.all.find((database) => database.name === name);
  }

  /** The one that a context belongs to, if it still has its slot. */
  of(contextId: number): Database | undefined {
    return this.#slots[databaseSlotOf(contextId)];
  }

  /** An entry has left the store. */
  removed(block: number): void {
    this.#ownerOf(block)?.removed(block);
  }

  /** Takes every entry out of the store; resolves when it is done. An answer that is admitted meanwhile may stay. */
  flush(): Promise<void> {
    return this.#sweeper.sweepAll();
  }

  #ownerOf(block: number): Database | undefined {
    return this.#slots[databaseSlotOf(contextIdOfBlock(this.#options.store.reader, block))];
  }

  /** A worker has sessions in the database. @returns its slot; null: there is no room for another database. */
  async open(name: string, workerSlot: number): Promise<number | null> {
    while (this.#stopping.has(name)) await this.#stopping.get(name);
    if (this.#over) return null;
    const database = this.named(name) ?? this.#begin(name);
    if (database === null) return null;
    database.workers.add(workerSlot);
    clearTimeout(this.#idle.get(database));
    this.#idle.delete(database);
    this.#resume(database);
    return database.slot;
  }

  /** Somebody has logged in to it, and found it without a stream. */
  entered(name: string): void {
    const database = this.named(name);
    if (database !== undefined) this.#resume(database);
  }

  /** Lets go of databases for a statement, until `unhold`. Resolves when the origin has nothing of theirs any more that would be in its way, or
   * (true) when the statement was cancelled. */
  hold(workerSlot: number, hold: DatabaseHold): Promise<boolean> {
    const cancelled = this.#holds.add(workerSlot, hold).then(() => true);
    return Promise.race([this.#leaveHeld().then(() => false), cancelled]);
  }

  /** `StreamLife.lookOver`; a failure is the stream's own, and known there. */
  async lookOver(name: string): Promise<void> {
    await this.named(name)
      ?.feed.life?.lookOver()
      .catch(() => undefined);
  }

  /** Somebody asks for the end of a statement, perhaps one that is held. */
  cancel(cancelKey: string): void {
    this.#holds.cancel(cancelKey);
  }

  async #leaveHeld(): Promise<void> {
    const left = this.all.filter((database) => this.#isHeld(database));
    await Promise.all([...left.map((database) => this.#suspend(database)), ...this.#stopping.values()]);
  }

  /** The statement has ended. @param isGone it has succeeded, and there is no database of that name. */
  unhold(workerSlot: number, holdId: number, isGone: boolean): void {
    const hold = this.#holds.remove(workerSlot, holdId);
    for (const database of this.all) {
      // That of `--upstream` is looked for at intervals: its health is that of pgfresh.
      if (isGone && hold?.name === database.name && database.slot !== 0) continue;
      this.#resume(database);
    }
  }

  /** The worker has no session in it any more. */
  close(name: string, workerSlot: number): void {
    const database = this.named(name);
    if (database === undefined || !database.workers.delete(workerSlot) || database.workers.size > 0) return;
    if (database.slot === 0 || this.#over) return;
    if (database.feed.isSuspended) {
      this.#end(database);
      return;
    }
    const timer = setTimeout(() => this.#end(database), this.#options.config.cdc.databaseIdleMs);
    this.#idle.set(database, timer.unref());
  }

  /** The worker is gone, or about to open what it needs anew. */
  disconnect(workerSlot: number): void {
    for (const { id } of this.#holds.of(workerSlot)) this.unhold(workerSlot, id, false);
    for (const { name } of this.all) this.close(name, workerSlot);
  }

  /** Statements analysed so far: one for each shape, catalog version and way to resolve names. */
  get analysed(): number {
    return this.#verdicts;
  }

  totals(): Totals {
    return this.all.reduce(withThoseOf, this.#past);
  }

  /** Ends all streams and removes what was made on the origin. */
  async stop(): Promise<void> {
    this.#over = true;
    for (const timer of this.#idle.values()) clearTimeout(timer);
    await Promise.all([...this.all.map(({ feed }) => feed.stop()), ...this.#stopping.values()]);
  }

  /** For a thread that is about to end: nobody may read any more. */
  shut(): void {
    for (const header of this.#headers) header.setState(StoreState.down);
  }

  #make(name: string, slot: number): Database {
    return new Database({
      ...this.#options,
      ...{ name, slot, header: this.#headers[slot]! },
      log: slot === 0 ? this.#options.log : this.#options.log.child({ database: name }),
      nextContextId: () => this.#contextIds.next(slot),
      nextVerdictId: () => ++this.#verdicts,
      nextAttempt: () => ++this.#attempts,
      contextIdLimit: () => this.#contextIds.limit,
      onDead: () => void this.#sweeper.sweepDead(),
    });
  }

  /** Takes a free slot, or else that of a database which is idle: its successor gets it a moment later. */
  #begin(name: string): Database | null {
    const { databasesMax } = this.#options.config.cdc;
    let slot = 1;
    while (slot < databasesMax && this.#slots[slot] !== undefined) slot++;
    if (slot >= databasesMax) {
      const [longestIdle] = this.#idle.keys();
      if (longestIdle !== undefined) this.#end(longestIdle);
      return null;
    }
    const database = this.#make(name, slot);
    this.#slots[slot] = database;
    if (this.#isHeld(database)) void database.feed.suspend();
    else database.feed.start();
    return database;
  }

  /** The origin may know that of `--upstream` by another name than clients do. */
  #isHeld({ name, slot }: Database): boolean {
    const { cdcUpstream } = this.#options.config;
    return (
      this.#holds.has(name) || (slot === 0 && cdcUpstream.database !== name && this.#holds.has(cdcUpstream.database))
    );
  }

  /** One that nobody uses need not come back. */
  async #suspend(database: Database): Promise<void> {
    if (database.slot !== 0 && database.workers.size === 0) this.#end(database);
    else await database.feed.suspend();
    await this.#stopping.get(database.name);
  }

  #resume(database: Database): void {
    if (database.feed.isSuspended && !this.#over && !this.#isHeld(database)) void database.feed.resume();
  }

  #end(database: Database): void {
    clearTimeout(this.#idle.get(database));
    this.#idle.delete(database);
    if (this.#stopping.has(database.name)) return;
    const { log } = this.#options;
    const ended = database.feed
      .stop()
      .catch((thrown: unknown) => log.warn({ err: toError(thrown), database: database.name }, 'stream not ended well'))
      .then(() => {
        database.clear();
        // The slot's next owner must not be taken for theirs.
        return this.#sweeper.sweepDead();
      })
      .then(() => {
        this.#past = withThoseOf(this.#past, database);
        this.#slots[database.slot] = undefined;
        this.#stopping.delete(database.name);
      });
    this.#stopping.set(database.name, ended);
  }
}
