/**
 * What a batch may leave behind on the connection that runs it, judged before it is sent (ADR-020). Plain statements, and settings that can be carried,
 * may run on any connection of the pool; everything else, and everything that cannot be judged, pins the session to the one it has.
 */
import { Limits } from '../shared/limits.ts';
import type { Verdict } from '../shared/messages.ts';
import type { PinReason } from '../shared/reasons.ts';
import { Frontend } from '../shared/wire/codes.ts';
import * as frontend from '../shared/wire/frontend.ts';
import { isCustomSetting, isNamingSetting, isParseSetting } from './carried-settings.ts';
import type { Batch } from './client-input.ts';
import { namesStatements } from './prepared-by-sql.ts';
import { slotOfStatement, slotOfText } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { Resolution } from './statement.ts';
import type { VerdictSlot } from './verdicts.ts';

const sequenceSql = /\b(?:currval|lastval)\b/i;

const text: frontend.TextRange = { start: 0, end: 0 };
const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };

/** A statement that ran unjudged, to be judged when that is possible. */
export interface Doubt {
  readonly text: string;
  readonly parameterTypes: readonly number[];
  readonly protocol: 'simple' | 'extended';
}

/** What the batch at hand does, besides its pin. */
export interface Findings {
  changesSettings: boolean;
  changesNaming: boolean;
  changesParsing: boolean;
  /** RESET ALL and its kin. */
  resets: boolean;
  writes: boolean;
  asksSequence: boolean;
  readonly customNames: string[];
  readonly doubts: Doubt[];
}

export class PoolGate {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** The context known last: good for judging until something changes what names mean. */
  private context: Resolution | null = null;
  private awaited: VerdictSlot | null = null;
  private untilMs = 0;
  private pin: PinReason | null = null;
  private pending: VerdictSlot | null = null;
  found: Findings = noFindings();

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  /** A verdict is on its way that the batch in front waits for. */
  get isWaiting(): boolean {
    return this.awaited !== null;
  }

  /** What names mean has changed, or may have. */
  forget(): void {
    this.context = null;
  }

  /** 'wait': a verdict is on its way. */
  judge(batch: Batch): PinReason | 'wait' | null {
    this.pin = null;
    this.pending = null;
    this.found = noFindings();
    this.learn();
    const { bytes, start, at, count } = batch;
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      this.frame(bytes, from, i + 1 < count ? start + at[i + 1]! : batch.end);
    }
    if (this.pending !== null && this.mayWait(this.pending)) return 'wait';
    this.awaited = null;
    if (this.pin === null && this.found.doubts.length > 0) return 'pool.unproven';
    return this.pin;
  }

  /** A Bind of which [start, end) has come. */
  judgeBind(bytes: Buffer, start: number, end: number): PinReason | 'wait' | null {
    const at = [0];
    return this.judge({ bytes, start, end, at, count: 1, ended: false, isLast: false });
  }

  /** A statement in doubt: its pin, 'wait' while that is not known. */
  judgeDoubt(doubt: Doubt): PinReason | 'wait' | null {
    this.learn();
    this.found = noFindings();
    const slot = slotOfText(this.session, this.session.liveCache, this.context, { ...doubt });
    if (slot === null || slot.failed) return slot === null ? 'wait' : 'pool.unproven';
    if (slot.verdict === null) {
      this.mayWait(slot);
      return 'wait';
    }
    this.awaited = null;
    this.pin = null;
    this.take(slot.verdict, doubt.text);
    return this.pin;
  }

  private learn(): void {
    const cache = this.session.liveCache;
    const known = cache === null ? null : this.session.settings.presumed(cache);
    if (known !== null) this.context = known;
    const isOld = this.context?.link !== cache || this.context?.catalogVersion !== cache?.reader.catalogVersion();
    if (isOld) this.context = null;
  }

  private mayWait(slot: VerdictSlot): boolean {
    const nowMs = this.runtime.clock.nowMs();
    if (this.awaited !== slot) {
      this.awaited = slot;
      this.untilMs = nowMs + Limits.poolVerdictWaitMsMax;
      slot.whenDecided(() => this.session.turn());
      this.session.turnLater(Limits.poolVerdictWaitMsMax);
    }
    return nowMs < this.untilMs;
  }

  private frame(bytes: Buffer, start: number, end: number): void {
    const { session } = this;
    switch (bytes[start]) {
      case Frontend.query:
        if (!frontend.decodeQuery(bytes, start, end, text)) this.pins('pool.protocol');
        else this.text({ text: bytes.toString('utf8', text.start, text.end), parameterTypes: [], protocol: 'simple' });
        break;
      case Frontend.parse:
        if (!frontend.decodeParse(bytes, start, end, parse)) break;
        this.text({
          text: bytes.toString('utf8', parse.textStart, parse.textEnd),
          parameterTypes: frontend.parameterTypes(bytes, parse.textEnd + 1),
          protocol: 'extended',
        });
        break;
      case Frontend.bind: {
        const statement = frontend.decodeBind(bytes, start, end, bind) ? session.statements.get(bind.statement) : null;
        if (statement === null) break;
        const slot = slotOfStatement(session, session.liveCache, this.context, statement);
        this.slot(slot, statement, 'extended');
        break;
      }
      case Frontend.functionCall:
        this.pins('pool.protocol');
        break;
      default:
    }
  }

  private text(doubt: Doubt): void {
    this.slot(slotOfText(this.session, this.session.liveCache, this.context, doubt), doubt, doubt.protocol);
  }

  private slot(slot: VerdictSlot | null, doubt: Omit<Doubt, 'protocol'>, protocol: Doubt['protocol']): void {
    if (slot?.verdict != null) {
      this.take(slot.verdict, doubt.text);
      return;
    }
    // They have other names on a pooled connection.
    if (namesStatements(doubt.text)) this.pins('pool.prepare');
    if (slot !== null && !slot.failed) this.pending ??= slot;
    const { text: sql, parameterTypes } = doubt;
    this.found.doubts.push({ text: sql, parameterTypes, protocol });
  }

  private take(verdict: Verdict, sql: string): void {
    const { found } = this;
    if (verdict.pin !== null) this.pins(verdict.pin);
    if (verdict.pin === 'pool.sequence' && sequenceSql.test(sql)) found.asksSequence = true;
    if (!verdict.readOnly && verdict.writes !== 'none') found.writes = true;
    if (!verdict.changesContext) return;
    found.changesSettings = true;
    const { settings } = verdict;
    // RESET ALL and its kin say no names.
    if (settings.length === 0 || settings.some(isNamingSetting)) found.changesNaming = true;
    if (settings.some(isParseSetting)) found.changesParsing = true;
    if (settings.length === 0) found.resets = true;
    found.customNames.push(...settings.filter(isCustomSetting));
  }

  private pins(reason: PinReason): void {
    this.pin ??= reason;
  }
}

function noFindings(): Findings {
  return {
    ...{ changesSettings: false, changesNaming: false, changesParsing: false },
    ...{ resets: false, writes: false, asksSequence: false },
    ...{ customNames: [], doubts: [] },
  };
}
