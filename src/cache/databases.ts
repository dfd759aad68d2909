/**
 * The databases that are cached, by the slot of the store's header that each has. The one of `--upstream` has slot 0 from the start to the end;
 * another gets a slot when the first session names it, and loses it when it has had no session for long.
 *
 *   absent ──open──▶ slot taken, feed started ──last worker closes──▶ idle ──`cdc.database_idle` later──▶ stopping ──▶ absent
 *                               ▲──────────── open ────────────────────┘       (slot is free, entries are gone)
 *
 * No slot is taken from a worker that reads it: a worker that has closed a database has forgotten its slot before it said so.
 */
import { toError } from '../shared/errors.ts';
import { DATABASE_SLOTS, StoreState } from '../shared/memory/layout.ts';
import { ContextIds, databaseSlotOf, databaseSlotOfBlock } from './context-ids.ts';
import { Database, type DatabaseOptions } from './database.ts';
import { StoreHeader } from './header.ts';

type Given = Omit<DatabaseOptions, 'name' | 'slot' | 'header' | 'nextContextId' | 'nextVerdictId' | 'nextAttempt'>;

export class Databases {
  readonly #options: Given;
  readonly #headers: readonly StoreHeader[];
  readonly #slots: (Database | undefined)[] = [];
  readonly #contextIds = new ContextIds();
  readonly #idle = new Map<Database, NodeJS.Timeout>();
  readonly #stopping = new Map<string, Promise<void>>();
  #verdicts = 0;
  #attempts = 0;
  #over = false;
  /** What databases that are gone had counted. */
  #past = { admitted: 0, rejected: 0, invalidated: 0, corrected: 0 };

  constructor(options: Given) {
    this.#options = options;
    this.#headers = Array.from({ length: DATABASE_SLOTS }, (_, slot) => new StoreHeader(options.store, slot));
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
    this.#slots[databaseSlotOfBlock(this.#options.store.reader, block)]?.removed(block);
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
    return database.slot;
  }

  /** The worker has no session in it any more. */
  close(name: string, workerSlot: number): void {
    const database = this.named(name);
    if (database === undefined || !database.workers.delete(workerSlot) || database.workers.size > 0) return;
    if (database.slot === 0 || this.#over) return;
    const timer = setTimeout(() => this.#end(database), this.#options.config.cdc.databaseIdleMs);
    this.#idle.set(database, timer.unref());
  }

  /** The worker is gone, or about to open what it needs anew. */
  disconnect(workerSlot: number): void {
    for (const { name } of this.all) this.close(name, workerSlot);
  }

  /** Statements analysed so far: one for each shape, catalog version and way to resolve names. */
  get analysed(): number {
    return this.#verdicts;
  }

  totals(): {
    readonly admitted: number;
    readonly rejected: number;
    readonly invalidated: number;
    readonly corrected: number;
  } {
    const totals = { ...this.#past };
    for (const { admitter, feed, inPlace } of this.all) {
      totals.admitted += admitter.admitted;
      totals.rejected += admitter.rejected;
      totals.invalidated += feed.invalidated;
      totals.corrected += inPlace?.corrected ?? 0;
    }
    return totals;
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
    database.feed.start();
    return database;
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
        this.#past.admitted += database.admitter.admitted;
        this.#past.rejected += database.admitter.rejected;
        this.#past.invalidated += database.feed.invalidated;
        this.#past.corrected += database.inPlace?.corrected ?? 0;
        this.#slots[database.slot] = undefined;
        this.#stopping.delete(database.name);
      });
    this.#stopping.set(database.name, ended);
  }
}
