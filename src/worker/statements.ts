/**
 * Prepared statements of one session: what the client believes exists, and what the origin has. The two differ because a Parse whose
 * statement is known may be answered here; it is replayed to the origin in front of the first message that needs it there.
 *
 *   client says Parse s1 ─▶ define(s1)           origin: absent    (answered locally)
 *   client says Bind s1, forwarded ─▶ replay     origin: sent      (ParseComplete owed, swallowed)
 *   ParseComplete ─▶                             origin: held
 *   another catalog, the same meaning ─▶         origin: outdated  (held, to be made anew before its next use: resolving.ts)
 *
 * Forgetting a statement that the origin has is always right: its messages are then passed through.
 */

import { type Hints, hintsOf } from '../shared/hints.ts';
import { Limits } from '../shared/limits.ts';
import { KeyForm, preparedPrefix } from '../shared/query-key.ts';
import { stripComments } from '../shared/shape.ts';
import { type ParseView, parameterTypes } from '../shared/wire/frontend.ts';
import { type BlockCommand, blockCommand } from './block.ts';
import { type KeyPrefix, keyPrefix, mayHoldComment } from './key-prefix.ts';
import { Pending } from './pending.ts';
import type { ParseMark } from './settings.ts';
import type { VerdictSlot } from './verdicts.ts';

/** Where a statement was resolved (C7): only under the same does it fill or hit. */
export interface Resolution {
  /** Changes with each generation of the cache. */
  readonly link: object;
  readonly contextId: number;
  readonly catalogVersion: number;
  /** What the origin said of the session: the same in each catalog version and generation while the session is the same. */
  readonly row: string;
}

export function sameResolution(a: Resolution | null, b: Resolution): boolean {
  return a !== null && a.link === b.link && a.contextId === b.contextId && a.catalogVersion === b.catalogVersion;
}

/** Different verdicts remembered of one statement over the catalog versions. */
const VERDICTS_MAX = 8;
const none: readonly VerdictSlot[] = [];

/** What running it does, as a text to compare. */
function doingOf({ verdict }: VerdictSlot): string | null {
  if (verdict === null) return null;
  const { readOnly, writes, changesContext, transactionControl } = verdict;
  return JSON.stringify([readOnly, writes, changesContext, transactionControl]);
}

export class Statement {
  readonly name: string;
  /** The Parse frame as it came. */
  readonly parse: Buffer;
  private readonly textStart: number;
  private readonly textEnd: number;
  origin: 'absent' | 'sent' | 'held' | 'outdated' = 'absent';
  /** Where it was resolved, as the client knows it; null: not known. */
  resolution: Resolution | null = null;
  /** The verdict under `resolution`. */
  proof: VerdictSlot | null = null;
  mark: ParseMark | null = null;
  /** Where it was last compared with a statement made anew. */
  compared: Resolution | null = null;
  /** The verdict last asked for, and under what. */
  slot: VerdictSlot | null = null;
  slotResolution: Resolution | null = null;
  /** Verdicts between the two, by what they say the statement does. Null: too many. */
  private between: readonly VerdictSlot[] | null = none;
  private blockCommand: BlockCommand | null | undefined;
  private ownHints: Hints | null | undefined;
  private portal: KeyPrefix | null = null;
  private description: KeyPrefix | null = null;

  /** Copies the frame [start, end). */
  constructor(view: ParseView, bytes: Buffer, start: number, end: number) {
    this.name = view.name;
    this.parse = Buffer.allocUnsafeSlow(end - start);
    bytes.copy(this.parse, 0, start, end);
    this.textStart = view.textStart - start;
    this.textEnd = view.textEnd - start;
  }

  get text(): string {
    return this.parse.toString('utf8', this.textStart, this.textEnd);
  }

  /** The Parse message after the name. */
  get definition(): Buffer {
    return this.parse.subarray(this.textStart);
  }

  /** The transaction command that it is. */
  get command(): BlockCommand | null {
    if (this.blockCommand === undefined) this.blockCommand = blockCommand(this.parse, this.textStart, this.textEnd);
    return this.blockCommand;
  }

  /** What its comments ask for. */
  get hints(): Hints | null {
    if (this.ownHints === undefined) {
      const mayHold = mayHoldComment(this.parse, this.textStart, this.textEnd);
      this.ownHints = mayHold ? hintsOf(this.text) : null;
    }
    return this.ownHints;
  }

  get parameterTypes(): number[] {
    return parameterTypes(this.parse, this.textEnd + 1);
  }

  resolvedAt(context: Resolution | null): void {
    this.resolution = context;
    this.proof = context !== null && sameResolution(this.slotResolution, context) ? this.slot : null;
    this.between = none;
  }

  /** The verdict under a context; it was used under all that were asked about before. */
  judged(slot: VerdictSlot, context: Resolution): void {
    const before = this.slot;
    if (before !== null && before !== this.proof && !sameResolution(this.slotResolution, context)) this.keep(before);
    this.slot = slot;
    this.slotResolution = context;
    if (sameResolution(this.resolution, context)) this.proof = slot;
  }

  private keep(slot: VerdictSlot): void {
    const doing = doingOf(slot);
    if (this.between === null || (doing !== null && this.between.some((other) => doingOf(other) === doing))) return;
    this.between = this.between.length < VERDICTS_MAX ? [...this.between, slot] : null;
  }

  /** It means the same under this context: the origin is to have it as made now. */
  renewed(context: Resolution): void {
    this.resolvedAt(context);
    if (this.origin !== 'absent') this.origin = 'outdated';
  }

  /** The verdicts besides the one of now by which the origin may run it; null: not all of them are known. */
  get pastVerdicts(): readonly VerdictSlot[] | null {
    return this.proof === null || this.between === null ? null : [this.proof, ...this.between];
  }

  /** Whether the frame [start, end) is this statement's Parse again. */
  isParse(bytes: Buffer, start: number, end: number): boolean {
    return end - start === this.parse.length && this.parse.compare(bytes, start, end) === 0;
  }

  portalPrefix(contextId: number): KeyPrefix {
    if (this.portal?.contextId !== contextId) this.portal = this.prefix(contextId, KeyForm.portal);
    return this.portal;
  }

  descriptionPrefix(contextId: number): KeyPrefix {
    if (this.description?.contextId !== contextId) this.description = this.prefix(contextId, KeyForm.description);
    return this.description;
  }

  private prefix(contextId: number, form: typeof KeyForm.portal | typeof KeyForm.description): KeyPrefix {
    const raw = this.parse.subarray(this.textStart, this.textEnd);
    const stripped = mayHoldComment(raw, 0, raw.length) ? Buffer.from(stripComments(raw.toString('utf8'))) : raw;
    return keyPrefix(preparedPrefix(contextId, form, stripped, this.parameterTypes), contextId);
  }
}

/** What a name stands for; 'untracked': something that only the origin knows. */
export type Held = Statement | 'untracked' | null;

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
  /** The origin may have names that we do not know of. */
  private mayHaveOthers = false;

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
    if (this.mayHaveOthers || slots.some(({ isSettled, value }) => !isSettled || value === 'untracked')) return null;
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
    statement.origin = 'sent';
    this.local.delete(statement);
    const { name } = statement;
    if (name === '') change(owed, this.unnamedAtOrigin, statement);
    if (!owed.swallow && this.isKept(name)) change(owed, this.slot(name), statement);
  }

  /** A Parse of the client that we do not remember. */
  untrackedParseSent(owed: StatementReply, name: string): void {
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
    if (statement?.origin === 'sent') statement.origin = 'held';
    if (changes === null) return;
    for (const slot of changes) slot.confirm();
    for (const slot of changes) this.sweep(slot.name);
  }

  /** Skipped after an error: it never happened. */
  skipped({ statement, changes, swallow }: StatementReply): void {
    if (statement !== null) {
      statement.origin = 'absent';
      if (swallow && statement.name !== '') this.local.add(statement);
    }
    if (changes === null) return;
    for (const slot of changes) slot.undo();
    for (const slot of changes) this.sweep(slot.name);
  }

  /** It is the error: a Parse that fails has destroyed the unnamed statement, and leaves a named one alone. */
  failed(owed: StatementReply): void {
    this.skipped(owed);
    for (const slot of owed.changes ?? []) {
      if (slot === this.unnamed || slot === this.unnamedAtOrigin) slot.settle(null);
    }
  }

  /** PREPARE: the protocol sees statements made by SQL, too. */
  prepared(): void {
    this.mayHaveOthers = true;
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
    for (const [name, slot] of [...this.named]) {
      slot.settle(null);
      this.sweep(name);
    }
  }

  // ── what the origin lacks ──────────────────────────────────────────────────────────────────────────────────────

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
    return held === 'untracked' || there === held ? null : held;
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

function change(owed: StatementReply, slot: Slot, after: Held): void {
  slot.change(after);
  owed.changes ??= [];
  owed.changes.push(slot);
}
