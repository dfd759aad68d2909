/**
 * Sending a batch to the origin: what it lacks goes first (replayed Parse), each message is entered in the order of owed
 * replies, statements get their verdicts and, where allowed, a capture that listens to the answer.
 */
import { type Hints, hintsOf } from '../shared/hints.ts';
import { countReason } from '../shared/memory/counters.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { FillToken } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import { stripComments } from '../shared/shape.ts';
import { Frontend } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import * as frontend from '../shared/wire/frontend.ts';
import { blockCommand } from './block.ts';
import type { AttachedCache } from './cache-link.ts';
import { Capture, type CaptureKey, captureKey } from './capture.ts';
import type { Batch } from './client-input.ts';
import { deallocated } from './deallocated.ts';
import { isBehind, isStoredYetUnused, type Outcome, reasonOf } from './outcome.ts';
import { type Owed, unknownWork } from './owed.ts';
import type { Portal } from './portals.ts';
import { type Execution, executionKey, executionOf, preparing } from './prepared-by-sql.ts';
import { faultOf } from './remaking.ts';
import { Replayer } from './replay.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { Resolution } from './statement.ts';
import type { VerdictSlot } from './verdicts.ts';
import { Works } from './works.ts';

const text: frontend.TextRange = { start: 0, end: 0 };
const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
const target: frontend.TargetView = { isStatement: false, name: '' };
const execute: frontend.ExecuteView = { portal: '', rowsMax: 0 };
const empty = Buffer.alloc(0);

export class Forwarder {
  private readonly runtime: Runtime;
  readonly replayer: Replayer;
  private readonly works = new Works();
  private session!: Session;
  private cache: AttachedCache | null = null;
  /** Presumed, for analysis; `trusted`: not in doubt. */
  private context: Resolution | null = null;
  private trusted = false;
  private token: FillToken | null = null;
  /** Its answer may be stored; others may stand in line for it. */
  private mayOffer = false;
  private mayLead = false;
  private why: Outcome = 'notFound';
  // The unnamed portal as far as this batch made it.
  private bound: Portal | null = null;
  private tailStart = 0;
  private tailEnd = 0;
  private described: Owed | null = null;
  private executed = false;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.replayer = new Replayer(runtime);
  }

  /**
   * Whether the batch must wait for the replies that are coming: a statement that would be replayed in front of it might be skipped after
   * an error that is on its way, and then the client would find it missing.
   */
  mustWait(session: Session, batch: Batch): boolean {
    return session.order.isComing && this.replayer.isNeeded(session, session.liveCache, batch);
  }

  /** `why`: what kept the batch from being answered here. */
  forward(session: Session, cache: AttachedCache | null, batch: Batch, why: Outcome): void {
    this.prepare(session, cache, batch, why);
    this.replayer.replay(session, cache, batch, this.trusted ? this.context : null);
    const { bytes, start, at, count } = batch;
    const { names, order } = session;
    const { openGroup: group, isQuiet: isAlone } = order;
    if (names === null) this.runtime.originOut.append(bytes, start, batch.end);
    // The origin works while it is noted here what it owes; a pipeline is sent with one write.
    if (names === null && batch.isLast) session.sendToOrigin();
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      const to = i + 1 < count ? start + at[i + 1]! : batch.end;
      if (names === null) this.frame(bytes, from, to);
      else names.pass(bytes, from, to, () => this.frame(bytes, from, to));
    }
    if (isAlone && batch.ended) this.runtime.timing.begin(group);
  }

  /** The beginning of a frame that is sent in pieces. */
  forwardLong(session: Session, code: number, bytes: Buffer, start: number, end: number): void {
    const { order, statements, transaction, names } = session;
    this.session = session;
    this.replayer.closePortal(session, code);
    if (code === Frontend.bind) this.replayer.replayFor(session, session.liveCache, bytes, start, end);
    if (names === null) this.runtime.originOut.append(bytes, start, end);
    else names.pass(bytes, start, end, () => undefined);
    if (code === Frontend.copyData) return;
    if (code === Frontend.copyDone || code === Frontend.copyFail) {
      order.copyEnded();
      return;
    }
    if (code === Frontend.query || code === Frontend.functionCall) {
      const owed = order.oweWhole(code === Frontend.query ? 'query' : 'functionCall', false);
      owed?.group.works.push(unknownWork);
      session.settings.sent(unknownWork);
      if (owed !== null && code === Frontend.query) {
        statements.querySent(owed);
        transaction.portal.replacedBy(owed);
      }
      this.count('statement.tooLong', () => bytes.toString('latin1', start + HEADER_BYTES, end));
      return;
    }
    const nameEnd = frontend.nulAt(bytes, start + 5, end);
    const name = bytes.toString('latin1', start + 5, Math.max(start + 5, nameEnd));
    if (code === Frontend.parse) {
      const owed = order.oweExtended('parse', false);
      if (owed !== null) statements.untrackedParseSent(owed, name);
    } else if (code === Frontend.bind) {
      this.prepare(session, session.liveCache, null, 'statement.protocol');
      const statementEnd = frontend.nulAt(bytes, nameEnd + 1, end);
      const statement = statements.get(bytes.toString('latin1', nameEnd + 1, Math.max(nameEnd + 1, statementEnd)));
      session.portals.set(name, { statement, work: this.works.ofStatement(statement, null) });
      const owed = order.oweExtended('bind', false);
      if (owed !== null) owed.fault = faultOf(statement, session);
      if (name === '') transaction.portal.replacedBy(owed);
    }
  }

  private prepare(session: Session, cache: AttachedCache | null, batch: Batch | null, why: Outcome): void {
    const { settings, order, transaction } = session;
    this.session = session;
    this.cache = cache;
    this.why = why;
    this.works.under(session, cache);
    const { context, trusted } = this.works;
    this.context = context;
    this.trusted = trusted;
    this.bound = null;
    this.described = null;
    this.executed = false;
    this.token = null;
    this.mayOffer = this.mayLead = false;
    if (batch?.ended !== true || cache === null || !this.trusted || !settings.isKeyable || why === 'cache.off') return;
    // Behind a fence the answer would be refused, since what was written has not settled; a bypassed one is there already.
    this.mayOffer = !isStoredYetUnused(why) && cache.outbox.hasRoom;
    this.mayLead = (why === 'notFound' || isBehind(why)) && this.runtime.config.cache.singleFlightWaitMs > 0;
    if (!this.mayOffer && !this.mayLead) return;
    if (!order.isQuiet || !transaction.mayHit || !cache.isLive) return;
    const token = cache.token();
    if (token.catalogVersion === this.context!.catalogVersion) this.token = token;
  }

  // ── frames ─────────────────────────────────────────────────────────────────────────────────────────────────────

  private frame(bytes: Buffer, start: number, end: number): void {
    const { order } = this.session;
    switch (bytes[start]) {
      case Frontend.query:
        this.query(bytes, start, end);
        break;
      case Frontend.parse:
        this.parseFrame(bytes, start, end);
        break;
      case Frontend.bind:
        this.bindFrame(bytes, start, end);
        break;
      case Frontend.describe:
        this.describeFrame(bytes, start, end);
        break;
      case Frontend.execute:
        this.executeFrame(bytes, start, end);
        break;
      case Frontend.close:
        this.closeFrame(bytes, start, end);
        break;
      case Frontend.sync:
        order.oweSync();
        break;
      case Frontend.flush:
        order.flushSent();
        break;
      case Frontend.functionCall:
        order.oweWhole('functionCall', false)?.group.works.push(unknownWork);
        this.session.settings.sent(unknownWork);
        this.count('statement.protocol', () => '');
        break;
      default:
    }
  }

  private query(bytes: Buffer, start: number, end: number): void {
    const { session } = this;
    const isText = frontend.decodeQuery(bytes, start, end, text);
    const sql = isText ? bytes.toString('utf8', text.start, text.end) : '';
    const stripped = stripComments(sql);
    const execution = session.statements.hasPreparedBySql
      ? executionOf(session, this.cache, this.trusted ? this.context : null, stripped)
      : null;
    const command = isText ? blockCommand(bytes, text.start, text.end) : null;
    const work =
      execution === null ? this.works.ofText(isText ? sql : null, command) : this.works.ofExecution(execution);
    const { slot } = work;
    const owed = session.order.oweWhole('query', false);
    if (owed !== null) {
      owed.group.works.push(work);
      owed.closes = deallocated(sql);
      session.statements.querySent(owed);
      session.transaction.portal.replacedBy(owed);
    }
    session.settings.sent(work);
    if (owed !== null) owed.prepares = preparing(session, this.cache, stripped);
    this.count(this.reasonOf(slot), () => sql);
    if (owed === null || !this.isCapturable(slot) || !session.settings.reads(bytes, start, end)) return;
    const hints = hintsOf(sql);
    if (hints?.skip === true) return;
    if (execution === null) this.captureText(owed, slot!, bytes, stripped === sql ? null : stripped, hints);
    else this.captureExecution(owed, slot!, execution, hints);
  }

  /** The answer to the Query just decoded. @param stripped null: it has no comments, and its key is what was read */
  private captureText(owed: Owed, slot: VerdictSlot, bytes: Buffer, stripped: string | null, hints: Hints | null) {
    const prefix = this.cache!.simplePrefix(this.context!.contextId);
    const tail = stripped === null ? bytes : Buffer.from(stripped);
    const { start, end } = stripped === null ? text : { start: 0, end: tail.length };
    this.capture(owed, slot, captureKey(prefix, tail, start, end), hints);
  }

  private captureExecution(owed: Owed, slot: VerdictSlot, execution: Execution, hints: Hints | null) {
    const key = executionKey(execution, this.context!);
    if (key !== null) this.capture(owed, slot, captureKey(key.prefix, key.tail, 0, key.tail.length), hints);
  }

  private parseFrame(bytes: Buffer, start: number, end: number): void {
    const { statements, order } = this.session;
    const isParse = frontend.decodeParse(bytes, start, end, parse);
    const owed = order.oweExtended('parse', false);
    if (owed === null) return;
    if (!isParse) {
      const nameEnd = frontend.nulAt(bytes, start + HEADER_BYTES, end);
      if (nameEnd >= 0) statements.untrackedParseSent(owed, bytes.toString('latin1', start + HEADER_BYTES, nameEnd));
      return;
    }
    const statement = this.works.made(parse, bytes, start, end);
    statement.resolvedAt(this.trusted ? this.context : null);
    statement.mark = this.session.settings.parseMark(this.cache);
    statements.parseSent(owed, statement);
    this.works.slotOf(statement);
    if (statement.resolution === null) this.session.unresolved.add(statement);
  }

  private bindFrame(bytes: Buffer, start: number, end: number): void {
    const isBind = frontend.decodeBind(bytes, start, end, bind);
    const { order, statements, transaction, portals } = this.session;
    const owed = order.oweExtended('bind', false);
    if (!isBind) return;
    if (bind.portal === '') transaction.portal.replacedBy(owed);
    const statement = statements.get(bind.statement);
    if (owed !== null) owed.fault = faultOf(statement, this.session);
    const tail = () => bytes.subarray(bind.tailStart, bind.tailEnd);
    const portal: Portal = { statement, work: this.works.ofStatement(statement, tail) };
    portals.set(bind.portal, portal);
    this.bound = bind.portal === '' ? portal : null;
    if (this.bound === null) return;
    this.described = null;
    this.executed = false;
    this.tailStart = bind.tailStart;
    this.tailEnd = bind.tailEnd;
  }

  private describeFrame(bytes: Buffer, start: number, end: number): void {
    const isTarget = frontend.decodeTarget(bytes, start, end, target);
    if (isTarget && !target.isStatement) {
      const owed = this.session.order.oweExtended('describePortal', false);
      if (target.name === '') this.described = owed;
      const statement = this.session.portals.get(target.name)?.statement ?? null;
      // An unnamed one is parsed anew before it is used without another description.
      if (statement !== null && statement.name !== '') owed?.tells(statement);
      return;
    }
    const kind = bytes[start + 5] === 0x50 ? 'describePortal' : 'describeStatement';
    const owed = this.session.order.oweExtended(kind, false);
    const statement = isTarget ? this.session.statements.get(target.name) : null;
    if (statement === null || owed === null) return;
    owed.fault = faultOf(statement, this.session);
    owed.tells(statement);
    if (!this.trusted || !this.works.isResolvedHere(statement)) return;
    const slot = this.works.slotOf(statement);
    if (!this.mayOffer || !this.isCapturable(slot)) return;
    const prefix = statement.descriptionPrefix(this.context!.contextId);
    this.capture(owed, slot!, captureKey(prefix, empty, 0, 0), statement.hints, true);
  }

  private executeFrame(bytes: Buffer, start: number, end: number): void {
    const isExecute = frontend.decodeExecute(bytes, start, end, execute);
    const { session } = this;
    const owed = session.order.oweExtended('execute', false);
    const portal = isExecute ? session.portals.get(execute.portal) : undefined;
    const work = portal?.work ?? unknownWork;
    session.order.openGroup.works.push(work);
    session.settings.sent(work);
    const reason = isExecute && execute.rowsMax !== 0 ? 'statement.rowLimit' : this.reasonOf(work.slot);
    this.count(reason, () => portal?.statement?.text ?? '');
    const { bound, executed: again } = this;
    this.executed = true;
    if (owed === null) return;
    owed.closes = portal?.statement?.deallocates ?? null;
    if (bound === null || portal !== bound || bound.statement === null) return;
    if (again || execute.rowsMax !== 0 || !this.isCapturable(work.slot)) return;
    if (bound.statement.hints?.skip === true) return;
    if (!this.works.isResolvedHere(bound.statement) || !session.settings.reads(bytes, this.tailStart, this.tailEnd))
      return;
    const prefix = bound.statement.portalPrefix(this.context!.contextId);
    const key = captureKey(prefix, bytes, this.tailStart, this.tailEnd);
    const capture = this.capture(owed, work.slot!, key, bound.statement.hints);
    if (this.described !== null) this.described.capture = capture;
    if (capture !== null) capture.told = bound.statement.told;
  }

  private closeFrame(bytes: Buffer, start: number, end: number): void {
    const isTarget = frontend.decodeTarget(bytes, start, end, target);
    const owed = this.session.order.oweExtended('close', false);
    if (!isTarget) return;
    if (!target.isStatement) {
      this.session.portals.delete(target.name);
      if (target.name === '') this.session.transaction.portal.replacedBy(owed);
      return;
    }
    if (owed !== null) this.session.statements.closeSent(owed, target.name);
  }

  // ── verdicts, captures, counting ───────────────────────────────────────────────────────────────────────────────

  private isCapturable(slot: VerdictSlot | null): boolean {
    return this.token !== null && this.trusted && slot?.verdict?.cacheable === true;
  }

  private capture(owed: Owed, slot: VerdictSlot, key: CaptureKey, hints: Hints | null, isDescription = false) {
    const pin = hints?.pin === true;
    const { worth, reader } = this.cache!;
    const refused = pin || !this.mayOffer ? null : worth.judge(slot.verdict!.shape, key.hash, reader.isFull());
    if (refused !== null) countReason(this.runtime.counters, refused);
    if (this.mayLead && !isDescription) owed.group.line ??= this.session.router.lead(key.hash);
    const isOffered = this.mayOffer && refused === null;
    if (!isOffered && owed.group.line?.hasParty !== true) return null;
    const { entryBytesMax } = this.runtime.config.cache;
    const capture = new Capture(slot, this.context!.contextId, this.token!, key, entryBytesMax, isDescription);
    capture.pin = pin;
    capture.isOffered = isOffered;
    capture.sentMs = this.runtime.clock.nowMs();
    if (isOffered) capture.flight = this.runtime.flights.begin(key.hash, slot, capture.sentMs);
    owed.capture = capture;
    owed.group.captures.push(capture);
    return capture;
  }

  private reasonOf(slot: VerdictSlot | null): Reason | 'miss' {
    return reasonOf(this.session, this.why, slot, this.context !== null, this.token !== null && this.mayOffer);
  }

  private count(reason: Reason | 'miss', sql: () => string): void {
    const { counters, examples } = this.runtime;
    this.session.statementsSeen++;
    counters[Counter.statements]! += 1;
    counters[reason === 'miss' ? Counter.misses : Counter.passthrough]! += 1;
    if (reason === 'miss') return;
    examples.note(reason, countReason(counters, reason), sql);
  }
}
