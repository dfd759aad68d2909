/**
 * The prepared statements of one session: what the client believes exists, and what the origin has. The two differ because a Parse whose
 * statement is known may be answered here; it is replayed to the origin in front of the first message that needs it there.
 *
 * Forgetting a statement that the origin has is always right: its messages are then passed through.
 */
import { Limits } from '../shared/limits.ts';
import { Pending } from './pending.ts';
import { PreparedBySql } from './prepared-by-sql.ts';
import { Statement } from './statement.ts';

/** What a name stands for; 'untracked': something that only the origin knows. */
export type Held = Statement | PreparedBySql | 'untracked' | null;

class Slot extends Pending<Held> {
  readonly name: string;

  constructor(name: string) {
    super(null);
    this.name = name;
  }
}

/** The part of an owed reply that settles what its message changes here. */
export interface StatementReply {
  statement: Statement | null;
  /** What the origin had of the statement before. */
  before: Statement['origin'];
  changes: Slot[] | null;
  readonly swallow: boolean;
}

export class Statements {
  private readonly named = new Map<string, Slot>();
  /** Named statements that only we have; some of them may be closed by now. */
  private readonly local = new Set<Statement>();
  /** Those of them that begin or end a block. */
  private readonly commands = new Set<Statement>();
  private readonly unnamed = new Slot('');
  private readonly unnamedAtOrigin = new Slot('');
  /** Statements that the origin was sent; null: nobody wants to know. */
  touched: Statement[] | null = null;
  /** The origin may have names that we do not know of. */
  private mayHaveOthers = false;
  /** PREPARE has been used. */
  hasPreparedBySql = false;
  /** Named ones known to the origin alone, so far. */
  private untracked = 0;

  get(name: string): Statement | null {
    const held = name === '' ? this.unnamed.value : this.named.get(name)?.value;
    return held instanceof Statement ? held : null;
  }

  /** Whether a Parse of this name may have to fail, which is for the origin to say. */
  mayExist(name: string): boolean {
    if (name === '') return false;
    return this.mayHaveOthers || !this.hasRoom || (this.named.get(name)?.value ?? null) !== null;
  }

  /** Whether one more named statement may be remembered. */
  get hasRoom(): boolean {
    return this.named.size < Limits.statementsPerSessionMax;
  }

  /** All of them, if none is about to change and none is known to the origin alone; else null. */
  get settled(): { statements: Statement[]; unnamed: Statement | null; unnamedAtOrigin: Statement | null } | null {
    const slots = [...this.named.values(), this.unnamed, this.unnamedAtOrigin];
    if (this.mayHaveOthers || slots.some((slot) => !isCarried(slot))) return null;
    const statements = [...new Set(slots.flatMap(({ value }) => (value instanceof Statement ? [value] : [])))];
    const [unnamed, unnamedAtOrigin] = [this.unnamed.value, this.unnamedAtOrigin.value] as (Statement | null)[];
    return { statements, unnamed: unnamed ?? null, unnamedAtOrigin: unnamedAtOrigin ?? null };
  }

  /** What `settled` gave in another worker. */
  restore(named: readonly Statement[], unnamed: Statement | null, unnamedAtOrigin: Statement | null): void {
    for (const statement of named) this.define(statement);
    this.unnamed.settle(unnamed);
    this.unnamedAtOrigin.settle(unnamedAtOrigin);
  }

  // ── answered here, while nothing is under way ──────────────────────────────────────────────────────────────────

  define(statement: Statement): void {
    this.slot(statement.name).settle(statement);
    if (statement.name === '' || statement.origin !== 'absent') return;
    this.local.add(statement);
    if (statement.command !== null) this.commands.add(statement);
    if (this.local.size > 2 * this.named.size + 16) this.pruneLocal();
  }

  forget(statement: Statement): void {
    if (this.get(statement.name) !== statement) return;
    this.local.delete(statement);
    this.slot(statement.name).settle(null);
    this.sweep(statement.name);
  }

  /** A Query was answered here: it destroys the unnamed statement (Manual: Extended Query). */
  dropUnnamed(): void {
    this.unnamed.settle(null);
  }

  // ── sent to the origin ─────────────────────────────────────────────────────────────────────────────────────────

  /** A Parse, the client's or a replayed one. */
  parseSent(owed: StatementReply, statement: Statement): void {
    owed.statement = statement;
    owed.before = statement.origin;
    statement.origin = 'sent';
    statement.isToldThere = false;
    this.touched?.push(statement);
    const { name } = statement;
    if (name === '') change(owed, this.unnamedAtOrigin, statement);
    if (!owed.swallow && this.isKept(name)) change(owed, this.slot(name), statement);
  }

  /** A Parse of the client that we do not remember. */
  untrackedParseSent(owed: StatementReply, name: string): void {
    if (name !== '') this.untracked++;
    if (name === '') change(owed, this.unnamedAtOrigin, 'untracked');
    if (this.isKept(name)) change(owed, this.slot(name), 'untracked');
  }

  closeSent(owed: StatementReply, name: string): void {
    if (name === '') change(owed, this.unnamedAtOrigin, null);
    if (!owed.swallow && (name === '' || this.named.has(name))) change(owed, this.slot(name), null);
  }

  /** A Query: it destroys the unnamed statement, even when it fails. */
  querySent(owed: StatementReply): void {
    for (const slot of [this.unnamed, this.unnamedAtOrigin]) {
      if (slot.value !== null || !slot.isSettled) change(owed, slot, null);
    }
  }

  // ── answered by the origin ─────────────────────────────────────────────────────────────────────────────────────

  answered({ statement, changes }: StatementReply): void {
    if (statement?.origin === 'sent') {
      statement.origin = 'held';
      this.local.delete(statement);
    }
    if (changes === null) return;
    for (const slot of changes) slot.confirm();
    for (const slot of changes) this.sweep(slot.name);
  }

  /** Skipped after an error: it never happened. */
  skipped({ statement, before, changes, swallow }: StatementReply): void {
    if (statement !== null) {
      // A pooled connection was told it under another name.
      statement.origin = statement.atOrigin === '' ? before : 'absent';
      if (swallow && statement.name !== '' && statement.origin === 'absent') this.local.add(statement);
    }
    if (changes === null) return;
    for (const slot of changes) slot.undo();
    for (const slot of changes) this.sweep(slot.name);
  }

  /**
   * It is the error: a Parse that fails has destroyed the unnamed statement, and leaves a named one alone; but what is made anew has
   * been closed in front of it.
   */
  failed(owed: StatementReply): void {
    owed.before = 'absent';
    this.skipped(owed);
    for (const slot of owed.changes ?? []) {
      if (slot === this.unnamed || slot === this.unnamedAtOrigin) slot.settle(null);
    }
  }

  /** PREPARE: the protocol sees statements made by SQL, too. @param made null: it is not known which */
  prepared(made: PreparedBySql | null): void {
    if (made === null || !this.isKept(made.name)) {
      this.mayHaveOthers = true;
      return;
    }
    this.slot(made.name).settle(made);
    this.hasPreparedBySql = true;
  }

  /** The statement of this name, if SQL made it and nothing is under way that could change that. */
  preparedBySql(name: string): PreparedBySql | null {
    const slot = this.named.get(name);
    return slot?.isSettled === true && slot.value instanceof PreparedBySql ? slot.value : null;
  }

  /** DEALLOCATE of one; null: we cannot say of which. */
  deallocated(name: string | null): void {
    for (const [known, slot] of [...this.named]) {
      if (name === null && slot.value !== null) slot.settle('untracked');
      else if (name === known) slot.settle(null);
      this.sweep(known);
    }
  }

  /** DEALLOCATE ALL, DISCARD ALL. The unnamed statement survives both. */
  deallocatedAll(): void {
    this.mayHaveOthers = false;
    this.untracked = 0;
    for (const [name, slot] of [...this.named]) {
      slot.settle(null);
      this.sweep(name);
    }
  }

  // ── another connection (pool.mode = transaction) ───────────────────────────────────────────────────────────────

  /** Only the origin knows what a name stands for, on the connection that it was said on. */
  get hasUntracked(): boolean {
    if (this.mayHaveOthers || this.unnamed.value === 'untracked') return true;
    return this.untracked > 0;
  }

  get hasNamed(): boolean {
    return this.named.size > 0;
  }

  /** The connection that had it is given up. */
  lost(statement: Statement): void {
    if (statement.name === '' || this.get(statement.name) !== statement) return;
    this.local.add(statement);
    if (statement.command !== null) this.commands.add(statement);
  }

  /** Another connection, whose unnamed statement is somebody else's. */
  moved(): void {
    this.unnamedAtOrigin.settle('untracked');
  }

  // ── what the origin lacks ──────────────────────────────────────────────────────────────────────────────────────

  /** Whether replies on their way decide what the name stands for. */
  isInDoubt(name: string): boolean {
    return (name === '' ? this.unnamed : this.named.get(name))?.isSettled === false;
  }

  /** Whether replies on their way decide which statement the name stands for: what would put another in its place, or none, may be skipped. */
  mayBeAnother(name: string): boolean {
    const slot = this.named.get(name);
    return slot?.others.some((other) => other instanceof Statement && other !== slot.value) === true;
  }

  /** Whether it is being made at the origin on behalf of a message further ahead: where that fails, the origin lacks it. */
  isBeingMade(name: string): boolean {
    return name !== '' && this.get(name)?.origin === 'sent' && !this.isInDoubt(name);
  }

  /** Whether replies on their way decide if the origin still has an unnamed statement that the client has not: a Query that drops it may be skipped. */
  get isUnnamedInDoubt(): boolean {
    const { unnamed, unnamedAtOrigin } = this;
    return !(unnamed.isSettled && unnamedAtOrigin.isSettled) && unnamed.answered !== unnamedAtOrigin.answered;
  }

  /**
   * What the origin lacks for a message about `name`: a Parse to replay, 'close' when the origin has an unnamed statement
   * that the client destroyed, or null.
   */
  missingAtOrigin(name: string): Statement | 'close' | null {
    if (name !== '') {
      const statement = this.get(name);
      return statement !== null && statement.origin === 'absent' ? statement : null;
    }
    const [held, there] = [this.unnamed.value, this.unnamedAtOrigin.value];
    if (held === null) return there === null ? null : 'close';
    return held instanceof Statement && there !== held ? held : null;
  }

  /** Named transaction commands that the origin lacks. */
  localCommands(): readonly Statement[] {
    if (this.commands.size === 0) return [];
    const lacking = [...this.commands].filter((each) => this.get(each.name) === each && each.origin === 'absent');
    this.commands.clear();
    for (const statement of lacking) this.commands.add(statement);
    return lacking;
  }

  get hasLocalOnly(): boolean {
    return this.local.size > 0;
  }

  /** Named statements that the origin lacks. */
  localOnly(): Statement[] {
    this.pruneLocal();
    return [...this.local].filter((statement) => this.get(statement.name) === statement);
  }

  /** Those that were closed meanwhile, and will not come back. */
  private pruneLocal(): void {
    for (const statement of this.local) {
      const slot = this.named.get(statement.name);
      if (slot === undefined || (slot.isSettled && slot.value !== statement)) this.local.delete(statement);
    }
  }

  // ── slots ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private slot(name: string): Slot {
    if (name === '') return this.unnamed;
    let slot = this.named.get(name);
    if (slot === undefined) {
      slot = new Slot(name);
      this.named.set(name, slot);
    }
    return slot;
  }

  private isKept(name: string): boolean {
    if (name === '' || this.named.has(name) || this.hasRoom) return true;
    this.mayHaveOthers = true;
    return false;
  }

  private sweep(name: string): void {
    const slot = this.named.get(name);
    if (slot?.isSettled === true && slot.value === null) this.named.delete(name);
  }
}

/** Whether it can go with the session to another worker. */
function isCarried({ isSettled, value }: Slot): boolean {
  return isSettled && (value === null || value instanceof Statement);
}

function change(owed: StatementReply, slot: Slot, after: Held): void {
  slot.change(after);
  owed.changes ??= [];
  owed.changes.push(slot);
}
