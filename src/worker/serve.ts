/**
 * Answering a batch from the store, as a whole or not at all. Everything is copied behind one another into the client's
 * outgoing buffer; when one part is missing the buffer is rewound and the batch is forwarded.
 *
 * Order of loads (C19): generation and state, freshness and catalog version · epoch word · slot, copy · fences last.
 */
import { type Hints, hintsOf } from '../shared/hints.ts';
import { Limits } from '../shared/limits.ts';
import { countReason } from '../shared/memory/counters.ts';
import { enterEpoch, leaveEpoch } from '../shared/memory/epochs.ts';
import { Block } from '../shared/memory/layout.ts';
import { shapeOfAdmission } from '../shared/memory/shape-hits.ts';
import { KeyForm, keyHash } from '../shared/query-key.ts';
import { stripComments } from '../shared/shape.ts';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  NO_DATA,
  NO_PARAMETERS,
  PARSE_COMPLETE,
  READY_IDLE,
  READY_IN_BLOCK,
} from '../shared/wire/backend.ts';
import { Frontend } from '../shared/wire/codes.ts';
import * as frontend from '../shared/wire/frontend.ts';
import { type BlockCommand, blockCommand } from './block.ts';
import { BlockSteps } from './block-steps.ts';
import type { AttachedCache } from './cache-link.ts';
import type { Batch } from './client-input.ts';
import { lackedRound, sharedOutcome } from './entry-rounds.ts';
import { beginsLikeExecute } from './execute-text.ts';
import { askForRound } from './fence.ts';
import { FewStatements } from './few-statements.ts';
import { type KeyPrefix, mayHoldComment } from './key-prefix.ts';
import { MissedKey } from './missed-key.ts';
import type { Outcome } from './outcome.ts';
import { textKey } from './prepared-by-sql.ts';
import { renew, slotOfStatement } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import { ServedShapes } from './served-shapes.ts';
import type { Session } from './session.ts';
import { framesFor, isToldAlike } from './shared-answer.ts';
import type { Resolution, Statement } from './statement.ts';
import { Telling } from './telling.ts';
import { confirm, toldBefore } from './told.ts';

const text: frontend.TextRange = { start: 0, end: 0 };
const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
const target: frontend.TargetView = { isStatement: false, name: '' };
const execute: frontend.ExecuteView = { portal: '', rowsMax: 0 };

export class HitPath {
  private readonly runtime: Runtime;
  private session!: Session;
  private cache!: AttachedCache;
  private context!: Resolution;
  private freshRound = 0;
  private probing = false;
  /** Time since FRESH_AS_OF_MS. */
  private ageMs = 0;
  /** Of the statement that is looked at. */
  private hints: Hints | null = null;
  readonly missed = new MissedKey();
  private entries = 0;
  /** An answer was somebody else's, fresh from the origin. */
  hasShared = false;
  private readonly defined = new FewStatements();
  private readonly closed = new FewStatements();
  private proven = true;
  private bound: Statement | null = null;
  private binds = 0;
  private described = false;
  private readonly steps = new BlockSteps();
  private readonly shapes = new ServedShapes();
  private readonly telling = new Telling();
  private startedMs = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Answers the batch, or says why not. 'hold': it would be answered if nothing else were owed. */
  serve(session: Session, batch: Batch): Outcome {
    const { cache } = session.home;
    if (session.consistency.level === 'off') return 'cache.off';
    if (cache === null || !cache.isLive) return session.home.whyNot;
    if (!session.transaction.mayHit) return 'session.inTransaction';
    const freshRound = cache.beginHit();
    this.startedMs = this.runtime.clock.nowMs();
    this.ageMs = ((this.startedMs | 0) - cache.reader.freshAsOfMs()) | 0;
    // A hint may allow for more (`entry`).
    if (this.ageMs > Math.max(this.runtime.config.cache.maxStalenessMs, Limits.hintStalenessMsMax)) {
      askForRound(freshRound + 1, cache);
      return 'cache.stale';
    }
    const context = session.settings.current(cache);
    if (context === null) return session.settings.reason;
    this.session = session;
    this.cache = cache;
    this.context = context;
    this.freshRound = freshRound;
    this.probing = !session.order.isFree;
    return this.answer(batch);
  }

  private answer(batch: Batch): Outcome {
    const { control, clientOut: out } = this.runtime;
    const mark = out.position();
    this.reset();
    enterEpoch(control, this.runtime.epochWord, this.cache.reader.words);
    const outcome = this.frames(batch);
    leaveEpoch(control, this.runtime.epochWord);
    if (outcome === 'served' && !this.probing) {
      this.commit(batch, out.position() - mark);
      return 'served';
    }
    out.rewind(mark);
    return outcome === 'served' ? 'hold' : outcome;
  }

  private reset(): void {
    this.entries = 0;
    this.missed.clear();
    this.hasShared = false;
    this.shapes.clear();
    this.defined.clear();
    this.closed.clear();
    this.telling.clear();
    this.proven = true;
    this.bound = null;
    this.hints = null;
    this.binds = 0;
    this.described = false;
    this.steps.reset(this.session);
  }

  private frames(batch: Batch): Outcome {
    const { bytes, start, at, count } = batch;
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      const end = i + 1 < count ? start + at[i + 1]! : batch.end;
      const code = bytes[from]!;
      if (this.described && code !== Frontend.execute) return 'statement.protocol';
      const outcome = this.frame(code, bytes, from, end, i);
      if (outcome !== 'served') return outcome;
    }
    return 'served';
  }

  private frame(code: number, bytes: Buffer, start: number, end: number, index: number): Outcome {
    switch (code) {
      case Frontend.query:
        return index === 0 ? this.query(bytes, start, end) : 'statement.protocol';
      case Frontend.bind:
        return this.bindFrame(bytes, start, end);
      case Frontend.execute:
        return this.executeFrame(bytes, start, end);
      case Frontend.describe:
        return this.describeFrame(bytes, start, end);
      case Frontend.parse:
        return this.parseFrame(bytes, start, end);
      case Frontend.close:
        return this.closeFrame(bytes, start, end);
      case Frontend.sync:
        if (!this.proven || this.bound !== null) return 'statement.protocol';
        this.sayReady();
        return 'served';
      case Frontend.flush:
        // A portal would have to outlive the batch.
        return this.proven && this.binds === 0 ? 'served' : 'statement.protocol';
      default:
        return 'statement.protocol';
    }
  }

  private query(bytes: Buffer, start: number, end: number): Outcome {
    if (!frontend.decodeQuery(bytes, start, end, text)) return 'statement.protocol';
    const command = blockCommand(bytes, text.start, text.end);
    if (command !== null) {
      const outcome = this.command(command, bytes, text.start, text.end);
      this.steps.portalGone();
      if (outcome === 'served') this.sayReady();
      return outcome;
    }
    const outcome = this.textEntry(bytes, text.start, text.end);
    if (outcome === 'served') {
      this.entries++;
      this.steps.portalGone();
      this.sayReady();
    }
    return outcome;
  }

  private textEntry(bytes: Buffer, start: number, end: number): Outcome {
    const { session, context } = this;
    const mayExecute = session.statements.hasPreparedBySql && beginsLikeExecute(bytes, start, end);
    if (!mayExecute && !mayHoldComment(bytes, start, end))
      return this.entry(this.cache.simplePrefix(context.contextId), bytes, start, end, true);
    const sql = bytes.toString('utf8', start, end);
    this.hints = hintsOf(sql);
    const key = textKey(session, this.cache, context, stripComments(sql));
    return key === null ? 'statement.execute' : this.entry(key.prefix, key.tail, 0, key.tail.length, true);
  }

  private command(command: BlockCommand, source: Buffer, start: number, end: number): Outcome {
    const { transactions, cache } = this.runtime.config;
    const isFresh = this.ageMs <= cache.maxStalenessMs;
    const mayBegin = transactions.lazyBegin && !this.session.transaction.listens;
    const mayHold = isFresh && !this.probing && (mayBegin || command.kind === 'end');
    const isHeld = mayHold && this.steps.command(command, this.entries === 0, source, start, end);
    if (!isHeld) return 'statement.transactionControl';
    this.say(command.complete);
    return 'served';
  }

  private sayReady(): void {
    this.say(this.steps.isOutside ? READY_IDLE : READY_IN_BLOCK);
  }

  private parseFrame(bytes: Buffer, start: number, end: number): Outcome {
    if (!frontend.decodeParse(bytes, start, end, parse)) return 'statement.protocol';
    const { statements, settings } = this.session;
    const known = statements.get(parse.name);
    const isTwice = parse.name !== '' && this.defined.named(parse.name) !== null;
    if (isTwice || statements.mayExist(parse.name)) return 'statement.protocol';
    const again = known !== null && this.isResolvedHere(known) && known.isParse(bytes, start, end);
    const statement = again ? known : this.cache.parses.make(parse, bytes, start, end, this.context, settings.utf8);
    statement.resolvedAt(this.context);
    this.defined.add(statement);
    this.proven = false;
    this.say(PARSE_COMPLETE);
    return 'served';
  }

  private bindFrame(bytes: Buffer, start: number, end: number): Outcome {
    if (!frontend.decodeBind(bytes, start, end, bind) || bind.portal !== '') return 'statement.protocol';
    const statement = this.statement(bind.statement);
    if (statement === null || this.bound !== null) return 'statement.protocol';
    // Known not to be cacheable: there is nothing to look for.
    if (statement.slot?.verdict?.cacheable === false && statement.command === null) return 'notFound';
    this.bound = statement;
    this.binds++;
    this.say(BIND_COMPLETE);
    return 'served';
  }

  private describeFrame(bytes: Buffer, start: number, end: number): Outcome {
    if (!frontend.decodeTarget(bytes, start, end, target)) return 'statement.protocol';
    if (!target.isStatement) {
      if (target.name !== '' || this.bound === null) return 'statement.protocol';
      this.described = true;
      return 'served';
    }
    const statement = this.statement(target.name);
    if (statement === null || this.bound !== null) return 'statement.protocol';
    if (statement.command !== null) {
      this.say(NO_PARAMETERS);
      this.say(NO_DATA);
      this.proven = true;
      return 'served';
    }
    const prefix = statement.descriptionPrefix(this.context.contextId);
    const outcome = this.entry(prefix, bytes, start, start, statement);
    if (outcome === 'served') this.proven = true;
    return outcome;
  }

  private executeFrame(bytes: Buffer, start: number, end: number): Outcome {
    if (!frontend.decodeExecute(bytes, start, end, execute) || execute.portal !== '') return 'statement.protocol';
    if (this.bound === null || this.steps.ended) return 'statement.protocol';
    if (this.bound.command !== null) return this.executeCommand(this.bound, this.bound.command, bytes);
    if (execute.rowsMax !== 0) return 'statement.rowLimit';
    const prefix = this.bound.portalPrefix(this.context.contextId);
    this.hints = this.bound.hints;
    const outcome = this.entry(prefix, bytes, bind.tailStart, bind.tailEnd, this.described && this.bound);
    this.hints = null;
    this.steps.portalMade(this.bound, bind.tailStart, bind.tailEnd);
    this.bound = null;
    this.described = false;
    this.proven = true;
    this.entries++;
    return outcome;
  }

  private executeCommand(statement: Statement, command: BlockCommand, bytes: Buffer): Outcome {
    // No parameters, and no formats for any.
    if (bind.tailEnd - bind.tailStart < 4 || bytes.readUInt32BE(bind.tailStart) !== 0) return 'statement.protocol';
    if (this.described) this.say(NO_DATA);
    this.bound = null;
    this.described = false;
    this.proven = true;
    this.steps.portalBegun();
    const { text: sql } = statement;
    return this.command(command, Buffer.from(sql, 'latin1'), 0, sql.length);
  }

  private closeFrame(bytes: Buffer, start: number, end: number): Outcome {
    if (!frontend.decodeTarget(bytes, start, end, target) || this.bound !== null) return 'statement.protocol';
    if (target.isStatement) {
      if (target.name === '') return 'statement.protocol';
      const statement = this.session.statements.get(target.name);
      if (statement === null || statement.origin !== 'absent' || !this.defined.isEmpty) return 'statement.protocol';
      this.closed.add(statement);
    } else if (target.name !== '') return 'statement.protocol';
    else this.steps.portalGone();
    this.say(CLOSE_COMPLETE);
    return 'served';
  }

  /** A statement usable under the context of now. */
  private statement(name: string): Statement | null {
    const fresh = this.defined.named(name);
    if (fresh !== null) return fresh;
    const statement = this.session.statements.get(name);
    if (statement === null || this.closed.has(statement)) return null;
    // What BEGIN and COMMIT mean depends on no catalog.
    if (statement.command !== null || this.isResolvedHere(statement)) return statement;
    return renew(statement, this.context) ? statement : null;
  }

  private isResolvedHere(statement: Statement): boolean {
    const isHere = this.session.settings.isResolvedHere(statement, this.context);
    if (isHere) confirm(statement.told, this.freshRound);
    return isHere;
  }

  /** Copies one entry's frames, with the description, if wanted or given a statement whose it is; then checks its fences. */
  private entry(prefix: KeyPrefix, tail: Buffer, start: number, end: number, describe: Statement | boolean): Outcome {
    const { reader } = this.cache;
    if (this.hints?.unknown === true && !this.probing) countReason(this.runtime.counters, 'statement.unknownHint');
    if (this.hints?.skip === true) return 'statement.skipped';
    if (this.hints?.level === 'off') return 'cache.off';
    if (this.ageMs > (this.hints?.maxStalenessMs ?? this.runtime.config.cache.maxStalenessMs)) {
      askForRound(this.freshRound + 1, this.cache);
      return 'cache.stale';
    }
    const hash = keyHash(prefix.hash, tail, start, end);
    const { shared } = this.session.router;
    const told = toldBefore(this.bound, describe);
    const isLed = shared?.hash === hash && isToldAlike(shared, told);
    const frames = isLed ? framesFor(shared, prefix.bytes, tail, start, end, describe !== false) : null;
    // The answer that the statement stood in line for.
    if (frames !== null) {
      this.say(frames);
      if (typeof describe === 'object') this.telling.note(this.session, describe, frames, 0, frames.length);
      this.hasShared = true;
      return sharedOutcome(this.runtime.control, this.cache, this.freshRound);
    }
    const block = reader.find(hash, prefix.bytes, tail, start, end);
    // Stored by a statement without the hint: the next answer takes its place, and stays.
    const mustPin = this.hints?.pin === true;
    if (block === 0 || (mustPin && !reader.isPinned(block)))
      return this.missed.absent(hash, mustPin ? null : prefix.bytes, tail, start, end, this.bound);
    const shape = shapeOfAdmission(reader.word(block, Block.ADMISSION));
    if (this.cache.bypass.takes(shape)) return 'cache.bypass';
    const form = prefix.bytes[4];
    const isPortal = form === KeyForm.portal || form === KeyForm.execution;
    if (isPortal && describe !== false && reader.rowDescriptionBytes(block) === 0) return 'notFound';
    if (!this.probing) {
      const out = this.runtime.clientOut;
      out.reserve(reader.framesBytes(block));
      const from = out.position();
      out.advance(reader.copyFrames(block, out.bytes, out.position(), describe !== false || !isPortal));
      reader.markVisited(block);
      this.shapes.add(shape);
      if (typeof describe === 'object') this.telling.note(this.session, describe, out.bytes, from, out.position());
    }
    const { consistency } = this.session;
    const level = this.hints?.level ?? consistency.level;
    const lacked = lackedRound(this.runtime.control, this.cache, consistency, level, told, this.freshRound, block);
    if (lacked === 0) return 'served';
    this.missed.behind(hash, lacked);
    return Math.max(reader.filledRound(block), told?.round ?? 0) >= lacked ? 'cache.unconfirmed' : 'cache.fenced';
  }

  private say(bytes: Buffer): void {
    if (!this.probing) this.runtime.clientOut.appendAll(bytes);
  }

  /** The batch was answered: what it changed takes effect. */
  private commit(batch: Batch, bytes: number): void {
    const { session } = this;
    this.telling.commit();
    for (const statement of this.closed.all()) session.statements.forget(statement);
    for (const statement of this.defined.all()) {
      session.statements.define(statement);
      // It will be there under the next catalog version: its verdict of now tells whether it means the same then (C7).
      if (statement.name !== '') slotOfStatement(session, this.cache, this.context, statement);
    }
    if (batch.bytes[batch.start] === Frontend.query) session.statements.dropUnnamed();
    this.steps.commit(batch.bytes);
    // Running a query takes a snapshot, and analysing one does.
    const takesSnapshot = this.entries > 0 || this.defined.all().some(({ command }) => command === null);
    if (takesSnapshot && !session.transaction.isIdle) session.transaction.owesSnapshot = true;
    this.shapes.commit(this.runtime.shapeHits, this.cache.worth);
    session.countHits(this.entries, bytes);
    this.runtime.timing.hit(this.startedMs, this.shapes.only, this.cache.bypass);
  }
}
