/** What statements that are sent to the origin do there, as far as fences and settings are concerned, under the settings of one moment. */
import type { ParseView } from '../shared/wire/frontend.ts';
import type { BlockCommand } from './block.ts';
import type { AttachedCache } from './cache-link.ts';
import type { Work } from './owed.ts';
import { mayName, type Points, pointsOf } from './points.ts';
import { type Execution, slotBehind } from './prepared-by-sql.ts';
import { slotOfStatement, slotOfText } from './resolving.ts';
import type { Session } from './session.ts';
import { type Resolution, Statement } from './statement.ts';
import type { VerdictSlot } from './verdicts.ts';

const noSlots: readonly VerdictSlot[] = [];

export class Works {
  private session!: Session;
  private cache: AttachedCache | null = null;
  /** Presumed, for analysis; `trusted`: not in doubt. */
  context: Resolution | null = null;
  trusted = false;

  /** From now on it is about what this session sends. */
  under(session: Session, cache: AttachedCache | null): void {
    this.session = session;
    this.cache = cache;
    this.context = cache === null ? null : session.settings.presumed(cache);
    this.trusted = this.context !== null && !session.settings.inDoubt;
  }

  /** The statement of the Parse [start, end). */
  made(view: ParseView, bytes: Buffer, start: number, end: number): Statement {
    if (this.cache === null) return new Statement(view, bytes, start, end);
    return this.cache.parses.make(view, bytes, start, end, this.context, this.session.settings.utf8);
  }

  /** @param sql null: it cannot be read */
  ofText(sql: string | null, command: BlockCommand | null): Work {
    const statement = { text: sql ?? '', parameterTypes: [], protocol: 'simple' } as const;
    const slot = sql === null ? null : slotOfText(this.session, this.cache, this.context, statement);
    const points = this.points(slot, sql ?? '', null);
    return { slot, past: noSlots, suspect: !this.trusted, points, begins: this.begins(command) };
  }

  /** EXECUTE: it does what the statement does that it names. */
  ofExecution({ prepared, statement }: Execution): Work {
    if (statement !== null) return this.ofStatement(statement, null);
    const slot = slotBehind(prepared, (made) => this.slotOf(made));
    return { slot, past: noSlots, suspect: !this.trusted, points: null };
  }

  /**
   * A statement keeps the resolution of its Parse (C7): where that is not the one of now, older verdicts count, too.
   * @param bindTail its Bind behind the names; asked for only where it may name rows
   */
  ofStatement(statement: Statement | null, bindTail: (() => Uint8Array) | null): Work {
    const slot = statement === null ? null : this.slotOf(statement);
    const isCurrent = statement !== null && this.isResolvedHere(statement);
    const past = isCurrent ? noSlots : (statement?.pastVerdicts ?? null);
    const isPoint = bindTail !== null && mayName(slot?.verdict ?? null);
    const points = isPoint ? this.points(slot, statement?.text ?? '', bindTail()) : null;
    const begins = this.begins(statement?.command ?? null);
    return { slot, past: past ?? noSlots, suspect: !this.trusted || past === null, points, begins };
  }

  /** Whether a block begun by it is READ COMMITTED: it is plain, and so is the session's default. */
  private begins(command: BlockCommand | null): boolean {
    return command?.kind === 'begin' && this.trusted && this.session.settings.isKeyable;
  }

  private points(slot: VerdictSlot | null, sql: string, bindTail: Uint8Array | null): Points | null {
    return this.cache === null ? null : pointsOf(slot?.verdict ?? null, sql, bindTail, this.cache.generation);
  }

  isResolvedHere(statement: Statement): boolean {
    return this.context !== null && this.session.settings.isResolvedHere(statement, this.context);
  }

  slotOf(statement: Statement): VerdictSlot | null {
    return slotOfStatement(this.session, this.cache, this.context, statement);
  }
}
