/**
 * What the origin lacks before a batch can be forwarded: statements whose Parse was answered here are sent now, their
 * ParseComplete is swallowed; so are those that the origin has by an older catalog; an unnamed statement that the client has destroyed
 * by an answer from here is closed.
 */
import { Frontend, TransactionStatus } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import * as frontend from '../shared/wire/frontend.ts';
import type { AttachedCache } from './cache-link.ts';
import type { Batch } from './client-input.ts';
import { nowhere, questionKinds, type ReplySink } from './owed.ts';
import { namesStatements } from './prepared-by-sql.ts';
import { isWorthComparing, madeNow, renew, slotOfStatement } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { Resolution, Statement } from './statement.ts';
import { isComparable } from './told.ts';

/** A text that gives up all of them: what the origin lacks it need not have. */
const givesUpAll = /^\s*(?:discard\s+all|deallocate\s+(?:prepare\s+)?all)\s*;?\s*$/i;

/** Whether the origin must have them all before it gets this text. */
export const seesStatements = (sql: string): boolean => namesStatements(sql) && !givesUpAll.test(sql);

const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
const target: frontend.TargetView = { isStatement: false, name: '' };
const execute: frontend.ExecuteView = { portal: '', rowsMax: 0 };

/** What to send: a Parse again, or a Close of the unnamed statement. */
type Lacking = Statement | 'close';

export class Replayer {
  private readonly runtime: Runtime;
  private session!: Session;
  private cache: AttachedCache | null = null;
  private context: Resolution | null = null;
  /** What the batch needs: without it, it fails. */
  private lacking: Lacking[] = [];
  /** Other statements that SQL of the batch may see. */
  private visible: Statement[] = [];
  /** Names that the batch gives up or gives anew: what they stood for is not needed. */
  private readonly closed = new Set<string>();
  /** The batch makes the unnamed statement itself. */
  private unnamedIsNew = false;
  /** The batch has made the unnamed portal itself, or closed it. */
  private portalIsNew = false;
  private needsPortal = false;
  /** Which unnamed portal, or which statement, the batch uses at the origin depends on replies that are on their way. */
  private isInDoubt = false;
  private isFailed = false;
  /** A Sync must follow: a Query must not find itself inside the implicit transaction of these messages. */
  private endsWithSync = false;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  isNeeded(session: Session, cache: AttachedCache | null, batch: Batch): boolean {
    const { settings } = session;
    const isTrusted = cache !== null && !settings.inDoubt;
    this.look(session, cache, isTrusted ? settings.presumed(cache) : null, batch);
    return this.lacking.length > 0 || this.visible.length > 0 || this.needsPortal || this.isInDoubt;
  }

  /** What the origin is to make for the batch whose client goes by a description of before (remaking.ts). */
  untried(session: Session, cache: AttachedCache | null, batch: Batch): Statement | null {
    this.isNeeded(session, cache, batch);
    return this.found();
  }

  /** The same for a frame that is sent in pieces. */
  untriedFor(
    session: Session,
    cache: AttachedCache | null,
    bytes: Buffer,
    start: number,
    end: number,
  ): Statement | null {
    this.lookAt(session, cache, bytes, start, end);
    return this.found();
  }

  private found(): Statement | null {
    // On a pooled connection what is old is left there, as it is; whoever was told of its columns goes by these.
    const isOwn = this.session.names === null;
    const mustBeTried = (each: Lacking) =>
      each !== 'close' && ((isOwn && each.origin === 'outdated') || isComparable(each.told));
    return this.visible.find(mustBeTried) ?? (this.lacking.find(mustBeTried) as Statement | undefined) ?? null;
  }

  /** `context`: what a Parse sent now is resolved under; null when that is in doubt. */
  replay(session: Session, cache: AttachedCache | null, batch: Batch, context: Resolution | null): void {
    this.look(session, cache, context, batch);
    const { order } = session;
    this.closePortal(session, batch.bytes[batch.start]!);
    for (const statement of this.visible) this.sendVisible(statement, context);
    for (const lacking of this.lacking) {
      if (lacking === 'close') this.closeUnnamed();
      else this.send(lacking, context);
    }
    if (this.needsPortal) this.runPortal();
    if (this.lacking.length === 0 || !this.endsWithSync) return;
    order.oweSync(true);
    this.runtime.originOut.appendAll(frontend.SYNC);
  }

  /** In front of a Bind that is sent in pieces, of which [start, end) has come: the statement that it names. */
  replayFor(session: Session, cache: AttachedCache | null, bytes: Buffer, start: number, end: number): void {
    this.lookAt(session, cache, bytes, start, end);
    for (const lacking of this.lacking) {
      if (lacking === 'close') this.closeUnnamed();
      else this.send(lacking, this.context);
    }
  }

  private lookAt(session: Session, cache: AttachedCache | null, bytes: Buffer, start: number, end: number): void {
    this.begin(session, cache, cache === null || session.settings.inDoubt ? null : session.settings.presumed(cache));
    const isBind = bytes[start] === Frontend.bind && frontend.decodeBind(bytes, start, end, bind);
    if (isBind && !this.isFailed) this.provide(bind.statement);
  }

  private begin(session: Session, cache: AttachedCache | null, context: Resolution | null): void {
    this.session = session;
    this.cache = cache;
    this.context = context;
    this.lacking = [];
    this.visible = [];
    this.closed.clear();
    this.unnamedIsNew = false;
    this.portalIsNew = false;
    this.needsPortal = false;
    this.isInDoubt = false;
    // A failed block takes no Parse: what is not used there is not sent.
    this.isFailed = session.transaction.status === TransactionStatus.failed;
  }

  private look(session: Session, cache: AttachedCache | null, context: Resolution | null, batch: Batch): void {
    this.begin(session, cache, context);
    const code = batch.bytes[batch.start];
    const isWhole = code === Frontend.query || code === Frontend.functionCall;
    this.endsWithSync = isWhole && !session.order.isInSequence;
    if (!this.isFailed) this.provideCommands();
    const { bytes, start, at, count } = batch;
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      const end = i + 1 < count ? start + at[i + 1]! : batch.end;
      this.frame(bytes[from]!, bytes, from, end, !this.isFailed && (i > 0 || session.order.isInSequence));
    }
  }

  /** `mayBeSkipped`: an error before it may make the origin skip it, and then what it would have replaced is still there. */
  private frame(code: number, bytes: Buffer, start: number, end: number, mayBeSkipped: boolean): void {
    const { statements, portals } = this.session;
    if (code === Frontend.query) {
      this.portalIsNew = true;
      if (mayBeSkipped) this.provide('');
      // The text ends with a NUL.
      const seesThem = () => seesStatements(bytes.toString('utf8', start + HEADER_BYTES, end - 1));
      if (statements.hasLocalOnly && seesThem()) this.provideAll();
    } else if (code === Frontend.bind) {
      if (!frontend.decodeBind(bytes, start, end, bind)) return;
      this.provide(bind.statement);
      if (bind.portal === '') this.portalIsNew = true;
      const statement = statements.hasLocalOnly ? statements.get(bind.statement) : null;
      if (statement !== null && seesStatements(statement.text)) this.provideAll();
    } else if (code === Frontend.describe || code === Frontend.close) {
      if (!frontend.decodeTarget(bytes, start, end, target)) return;
      if (!target.isStatement) {
        if (target.name !== '') return;
        if (code === Frontend.close) this.portalIsNew = true;
        else this.usePortal();
        return;
      }
      if (code === Frontend.describe || mayBeSkipped) this.provide(target.name);
      if (code === Frontend.close) this.closed.add(target.name);
    } else if (code === Frontend.parse) {
      if (!frontend.decodeParse(bytes, start, end, parse)) return;
      // A name that exists already must fail at the origin, too, whatever it stands for there.
      if (parse.name !== '' || mayBeSkipped) this.provide(parse.name, this.lacking, parse.name !== '');
      if (parse.name === '') this.unnamedIsNew = true;
      // It may be run further on in the batch, when these are no longer in front of it.
      const { textStart, textEnd } = parse;
      if (statements.hasLocalOnly && seesStatements(bytes.toString('latin1', textStart, textEnd))) this.provideAll();
    } else if (code === Frontend.execute) {
      if (!frontend.decodeExecute(bytes, start, end, execute)) return;
      if (execute.portal === '') this.usePortal();
      if (!statements.hasLocalOnly) return;
      const statement = portals.get(execute.portal)?.statement ?? null;
      if (statement !== null && seesStatements(statement.text)) this.provideAll();
    }
  }

  /** BEGIN and its kin: a failed block describes and closes them, and the origin would not take them there. */
  private provideCommands(): void {
    for (const { name } of this.session.statements.localCommands()) this.provide(name);
  }

  private provideAll(): void {
    for (const { name } of this.session.statements.localOnly()) this.provide(name, this.visible);
  }

  /** @param asName an old one of that name will do */
  private provide(name: string, among: Lacking[] = this.lacking, asName = false): void {
    if ((name === '' && this.unnamedIsNew) || this.closed.has(name)) return;
    const { statements } = this.session;
    // There a Parse under way will hardly succeed, and then the name stands for what it stood for before, which the origin may lack.
    if (this.isFailed && statements.isInDoubt(name)) this.isInDoubt = true;
    if (name === '' ? statements.isUnnamedInDoubt : statements.isBeingMade(name)) this.isInDoubt = true;
    // There each has a name of ours, by which it must be sent.
    if (this.session.names !== null && statements.mayBeAnother(name)) this.isInDoubt = true;
    const outdated = asName ? null : this.outdated(statements.get(name));
    const missing = outdated ?? statements.missingAtOrigin(name);
    if (missing === null || [this.lacking, among].some((those) => those.includes(missing))) return;
    if (missing !== 'close' && missing.fault !== null) return;
    const { names } = this.session;
    // A pooled connection may have it from another session.
    if (names !== null && missing !== 'close' && name !== '' && names.adopt(missing, this.context)) {
      madeNow(this.session, missing, this.context);
      return;
    }
    if (missing !== 'close' && this.session.transaction.cannotMake(missing)) {
      // Unless what ends the block is on its way.
      this.isInDoubt = true;
      return;
    }
    among.push(missing);
  }

  /** What was resolved under an older catalog is renewed where it can be: then the origin lacks it, and else it has what the client means. */
  private outdated(statement: Statement | null): Statement | null {
    const { cache, context, session } = this;
    if (statement === null || context === null) return null;
    if (!session.settings.isResolvedHere(statement, context)) {
      slotOfStatement(session, cache, context, statement);
      if (!renew(statement, context)) {
        if (isWorthComparing(statement, context)) session.unresolved.add(statement);
        return null;
      }
    }
    return statement.origin === 'outdated' && !this.isFailed ? statement : null;
  }

  private usePortal(): void {
    const { portal } = this.session.transaction;
    if (this.portalIsNew) return;
    this.portalIsNew = true;
    this.isInDoubt ||= portal.isInDoubt;
    this.needsPortal = portal.made !== null;
  }

  /** The origin gets the portal as the client has it: bound and run to its end. */
  private runPortal(): void {
    const { order, transaction, portals } = this.session;
    const { originOut } = this.runtime;
    const { portal } = transaction;
    if (portal.made === null) return;
    originOut.appendAll(frontend.encodePortal(portal.made.definition, portal.made.tail));
    portals.delete('');
    for (const kind of questionKinds) {
      const owed = order.oweExtended(kind, true);
      if (kind === 'bind') portal.replacedBy(owed);
    }
  }

  /** A portal that was destroyed here must not be there when what is sent now fails. `code`: of the first message. */
  closePortal(session: Session, code: number): void {
    const { order, transaction } = session;
    if (!transaction.portal.mustBeClosed) return;
    const { originOut } = this.runtime;
    originOut.appendAll(frontend.CLOSE_UNNAMED_PORTAL);
    order.oweExtended('close', true);
    transaction.portal.closed();
    if (code !== Frontend.query && code !== Frontend.functionCall) return;
    order.oweSync(true);
    originOut.appendAll(frontend.SYNC);
  }

  private closeUnnamed(): void {
    const owed = this.session.order.oweExtended('close', true);
    if (owed !== null) this.session.statements.closeSent(owed, '');
    this.runtime.originOut.appendAll(frontend.encodeCloseStatement(''));
  }

  /** Where nothing is open, its failure is nobody's but ours: the search path is another, a column is gone. */
  private sendVisible(statement: Statement, context: Resolution | null): void {
    const { order } = this.session;
    // The batch needs it, too.
    if (this.lacking.includes(statement)) return;
    if (order.isInSequence) {
      this.send(statement, context);
      return;
    }
    this.send(statement, context, nowhere);
    order.oweSync(true);
    this.runtime.originOut.appendAll(frontend.SYNC);
  }

  private send(statement: Statement, context: Resolution | null, sink: ReplySink | null = null): void {
    const { order, statements, names } = this.session;
    if (statement.origin === 'outdated' && names !== null) names.retire(statement);
    else if (statement.origin === 'outdated' && statement.name !== '') {
      order.oweExtended('close', true);
      this.runtime.originOut.appendAll(frontend.encodeCloseStatement(statement.name));
    }
    const owed = order.oweExtended('parse', true);
    if (owed !== null) {
      owed.sink = sink;
      statements.parseSent(owed, statement);
    }
    madeNow(this.session, statement, context);
    this.runtime.originOut.appendAll(names === null ? statement.parse : names.parseOf(statement));
  }
}
