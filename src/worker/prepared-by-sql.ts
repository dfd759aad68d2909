/**
 * Statements that the client makes with SQL's PREPARE, and runs with EXECUTE. The origin makes and keeps them; here is only noted what a name stands
 * for, so that an EXECUTE with plain constants is answered like the Bind and the Execute that it stands for:
 *
 *   PREPARE q (int) AS SELECT … $1     CommandComplete ─▶ q = the statement that Parse (q, SELECT … $1, int4) would make, under the context of now
 *   EXECUTE q (7)                      key: that text and its types ‖ what the arguments are written as ‖ Bind of '7'
 *
 * Known for sure only as long as the session has run nothing that may run code of which nothing is known: a function may PREPARE
 * and DEALLOCATE as it likes, and nobody would tell. Then, and under another catalog version or search_path (the origin may plan it anew, or not),
 * EXECUTE is passed through until the client prepares again.
 */
import type { PreparedText } from '../shared/messages.ts';
import { Frontend } from '../shared/wire/codes.ts';
import { decodeParse, encodeFrame, type ParseView } from '../shared/wire/frontend.ts';
import type { AttachedCache } from './cache-link.ts';
import { type Argument, executeText, preparedName } from './execute-text.ts';
import type { KeyPrefix } from './key-prefix.ts';
import { slotOfText } from './resolving.ts';
import type { Session } from './session.ts';
import type { ParseMark } from './settings.ts';
import { type Resolution, Statement, sameResolution } from './statement.ts';
import { VerdictSlot } from './verdicts.ts';

const namingSql = /\b(?:prepare|deallocate|execute|discard|pg_prepared_statements?)\b/i;

/** Whether a text may see or change prepared statements: those of the protocol have the same names there. */
export const namesStatements = (sql: string): boolean => namingSql.test(sql);

export class PreparedBySql {
  readonly name: string;
  /** The PREPARE, without comments. */
  private readonly sql: string;
  /** What held when it had been sent, and which code had run; -1: more may run without notice. */
  private readonly mark: ParseMark;
  private readonly codeMark: number;
  /** The verdict on the PREPARE, and under what. */
  private slot: VerdictSlot | null = null;
  private resolution: Resolution | null = null;
  private made: Statement | null | undefined;

  constructor(name: string, sql: string, mark: ParseMark, codeMark: number) {
    this.name = name;
    this.sql = sql;
    this.mark = mark;
    this.codeMark = codeMark;
  }

  /** @param context of now; null: in doubt */
  learn(session: Session, cache: AttachedCache | null, context: Resolution | null): void {
    if (this.slot !== null || context === null || !session.settings.holdsSince(this.mark, context)) return;
    this.slot = slotOfText(session, cache, context, { text: this.sql, parameterTypes: [], protocol: 'simple' });
    this.resolution = context;
  }

  /** Null: not known, or not yet. */
  get statement(): Statement | null {
    if (this.made === undefined && this.slot?.isDecided === true) this.made = this.make(this.slot);
    return this.made ?? null;
  }

  /** Whether the name still stands for it. */
  isSure({ settings }: Session): boolean {
    return settings.ranNoCode(this.codeMark);
  }

  /** Once, when it is known what was made, or that nothing will be. */
  whenKnown(callback: () => void): void {
    if (this.slot === null || this.slot.isDecided) callback();
    else this.slot.whenDecided(callback);
  }

  private make({ verdict }: VerdictSlot): Statement | null {
    const { resolution, name } = this;
    const { prepared, catalogVersion } = verdict ?? {};
    if (prepared?.name !== name || resolution === null || resolution.catalogVersion !== catalogVersion) return null;
    const statement = statementOf(prepared);
    statement.origin = 'held';
    statement.resolvedAt(resolution);
    return statement;
  }
}

function statementOf({ name, text, parameterTypes }: PreparedText): Statement {
  const types = Buffer.alloc(2 + 4 * parameterTypes.length);
  types.writeUInt16BE(parameterTypes.length, 0);
  for (const [i, oid] of parameterTypes.entries()) types.writeUInt32BE(oid, 2 + 4 * i);
  const frame = encodeFrame(Frontend.parse, Buffer.concat([Buffer.from(`${name}\0${text}\0`), types]));
  const view: ParseView = { name: '', textStart: 0, textEnd: 0 };
  decodeParse(frame, 0, frame.length, view);
  return new Statement(view, frame, 0, frame.length);
}

/** What a text makes once the origin has acknowledged it; to be called when it has been sent. @param sql without comments */
export function preparing(session: Session, cache: AttachedCache | null, sql: string): PreparedBySql | null {
  const name = preparedName(sql);
  if (name === null) return null;
  const { transaction, settings } = session;
  // What waits for the COMMIT (deferred triggers) may run any code behind the PREPARE.
  const isSure = transaction.isIdle || !transaction.written.isUnknown;
  return new PreparedBySql(name, sql, settings.parseMark(cache), isSure ? settings.codeMark : -1);
}

/** An EXECUTE, and what it stands for. */
export interface Execution {
  readonly prepared: PreparedBySql;
  readonly statement: Statement | null;
  readonly arguments: readonly Argument[];
}

/**
 * What an EXECUTE runs, as far as that is known for sure; null: anything.
 * @param sql without comments. @param context of now; null: in doubt
 */
export function executionOf(
  session: Session,
  cache: AttachedCache | null,
  context: Resolution | null,
  sql: string,
): Execution | null {
  const text = executeText(sql);
  const prepared = text === null ? null : session.statements.preparedBySql(text.name);
  if (text === null || prepared === null || !prepared.isSure(session)) return null;
  prepared.learn(session, cache, context);
  const { statement } = prepared;
  return { prepared, statement, arguments: text.arguments };
}

export interface ExecutionKey {
  readonly prefix: KeyPrefix;
  readonly tail: Buffer;
}

/** Under which the answer is found; null where the statement may mean something else by now. */
export function executionKey({ statement, arguments: all }: Execution, context: Resolution): ExecutionKey | null {
  if (statement === null || !sameResolution(statement.resolution, context)) return null;
  return { prefix: statement.executionPrefix(context.contextId), tail: tailOf(all) };
}

/** Under which the answer to a Query is found; null: it is an EXECUTE of what may mean something else by now. @param sql without comments */
export function textKey(session: Session, cache: AttachedCache, context: Resolution, sql: string): ExecutionKey | null {
  const execution = session.statements.hasPreparedBySql ? executionOf(session, cache, context, sql) : null;
  if (execution !== null) return executionKey(execution, context);
  return { prefix: cache.simplePrefix(context.contextId), tail: Buffer.from(sql) };
}

/** Kinds, and the Bind: all in text format. Manual: Message Formats, Bind. */
function tailOf(all: readonly Argument[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(all.length, 0);
  const pieces = [count, Buffer.from(all.map(({ kind }) => kind)), Buffer.from([0, 0]), count];
  for (const { value } of all) {
    const bytes = value === null ? null : Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1, 0);
    pieces.push(length);
    if (bytes !== null) pieces.push(bytes);
  }
  return Buffer.concat([...pieces, Buffer.from([0, 0])]);
}

/** The verdict on what an EXECUTE runs, of which nothing is known before that of its PREPARE is there. */
export function slotBehind(prepared: PreparedBySql, slotOf: (statement: Statement) => VerdictSlot | null): VerdictSlot {
  const behind = new VerdictSlot();
  prepared.whenKnown(() => {
    const { statement } = prepared;
    const slot = statement === null ? null : slotOf(statement);
    if (slot === null || slot.isDecided) behind.decide(slot?.verdict ?? null);
    else slot.whenDecided(() => behind.decide(slot.verdict));
  });
  return behind;
}
