/**
 * Keeps DROP DATABASE and its kin back until the cache thread has let go of the database: PostgreSQL refuses them while a change stream of it is open.
 *
 *   none ──such a statement──▶ leaving ──streams ended, or time is up──▶ running ──everything answered──▶ none
 *
 * Nothing but a message and a timer is waited for. A statement prepared by name is known at its Bind, too.
 */
import { type DatabaseStatement, databaseStatement, mayBeDatabaseStatement } from '../shared/database-statement.ts';
import { Limits } from '../shared/limits.ts';
import { Frontend } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import {
  type BindView,
  decodeBind,
  decodeParse,
  decodeQuery,
  type ParseView,
  type TextRange,
} from '../shared/wire/frontend.ts';
import type { Batch } from './client-input.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';

const text: TextRange = { start: 0, end: 0 };
const parse: ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };

interface Hold {
  readonly statement: DatabaseStatement;
  readonly untilMs: number;
  readonly end: (isGone: boolean) => void;
  hasLeft: boolean;
  isSent: boolean;
  isGone: boolean;
}

export class SessionHold {
  private readonly session: Session;
  private readonly runtime: Runtime;
  private readonly prepared = new Map<string, DatabaseStatement>();
  private hold: Hold | null = null;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  get isPlain(): boolean {
    return this.hold === null && this.prepared.size === 0;
  }

  /** Whether the batch is kept back; the session gets a turn when it may go on. */
  mustWait(batch: Batch): boolean {
    if (this.hold === null) {
      const statement = this.statementIn(batch);
      if (statement !== null) this.begin(statement);
    }
    const { hold } = this;
    if (hold === null) return false;
    return !hold.hasLeft && this.runtime.clock.nowMs() < hold.untilMs;
  }

  /** The batch that was asked about has been forwarded. */
  sent(): void {
    if (this.hold !== null) this.hold.isSent = true;
  }

  /** The origin says that a statement has succeeded. */
  complete(tag: string): void {
    if (this.hold !== null && tag === this.hold.statement.goneAfter) this.hold.isGone = true;
  }

  /** Nothing is owed any more, or the session ends. */
  end(): void {
    const { hold } = this;
    this.hold = null;
    hold?.end(hold.isGone);
  }

  /** The origin is ready: whether everything has been answered. */
  look(): void {
    const { order } = this.session;
    if (this.hold?.isSent === true && order.length === 0 && order.isSynced) this.end();
  }

  private begin(statement: DatabaseStatement): void {
    const { session, runtime } = this;
    const { name, mayBeOwn } = statement;
    const left = (isCancelled: boolean): void => {
      if (this.hold !== hold || hold === null) return;
      hold.hasLeft = true;
      // It goes on without delay, and the cancel behind it.
      if (isCancelled) session.lateCancel.missed('held');
      session.turn();
    };
    const cancelKey = session.cancelPacket?.toString('hex') ?? null;
    const except = mayBeOwn ? null : session.home.name;
    runtime.pools?.leaveDatabase(name);
    const end = runtime.databases.hold({ name, except, cancelKey }, left);
    if (end === null) return;
    const untilMs = runtime.clock.nowMs() + Limits.databaseHoldMsMax;
    const hold: Hold = { statement, untilMs, end, hasLeft: false, isSent: false, isGone: false };
    this.hold = hold;
    session.turnLater(Limits.databaseHoldMsMax);
  }

  private statementIn({ bytes, start, end, at, count }: Batch): DatabaseStatement | null {
    let found: DatabaseStatement | null = null;
    for (let i = 0; i < count && found === null; i++) {
      const from = start + at[i]!;
      const stop = i + 1 < count ? start + at[i + 1]! : end;
      const code = bytes[from];
      if (code === Frontend.query) {
        if (!mayBeDatabaseStatement(bytes, from + HEADER_BYTES, stop)) return null;
        if (decodeQuery(bytes, from, stop, text))
          found = databaseStatement(bytes.toString('utf8', text.start, text.end));
      } else if (code === Frontend.parse && decodeParse(bytes, from, stop, parse)) found = this.parsed(bytes);
      else if (code === Frontend.bind && this.prepared.size > 0 && decodeBind(bytes, from, stop, bind)) {
        found = this.prepared.get(bind.statement) ?? null;
      }
    }
    return found;
  }

  private parsed(bytes: Buffer): DatabaseStatement | null {
    const isLike = mayBeDatabaseStatement(bytes, parse.textStart, parse.textEnd);
    const found = isLike ? databaseStatement(bytes.toString('utf8', parse.textStart, parse.textEnd)) : null;
    if (found !== null) this.prepared.set(parse.name, found);
    else if (this.prepared.size > 0) this.prepared.delete(parse.name);
    return found;
  }
}
