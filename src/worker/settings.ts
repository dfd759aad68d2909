/**
 * What is known about a session's settings, role and search path: the context id that is part of every key.
 *
 *   unknown ─ask─▶ asking ─row─▶ interning ─answer─▶ known │ unusable
 *      ▲ └── any statement that may change settings, a changed parameter, a new catalog version, a new link ──┘
 *
 * While a statement without a verdict is under way or was executed, the context is in doubt: it is usable again, without
 * asking, once all such verdicts have come and say that nothing changed.
 */

import { Limits } from '../shared/limits.ts';
import type { ContextAnswer } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import { decodeDataRow } from '../shared/wire/backend.ts';
import type { AttachedCache } from './cache-link.ts';
import { parseTimeSetting } from './idle.ts';
import { oneRow } from './one-row.ts';
import type { ReplySink, Work } from './owed.ts';
import { type Resolution, type Statement, sameResolution } from './statement.ts';
import type { VerdictSlot } from './verdicts.ts';

/** What the origin said of a session, for others that are like it (pool.mode = transaction). */
export interface LearnedContext {
  readonly link: AttachedCache;
  readonly catalogVersion: number;
  /** Null: nothing can be said about it. */
  readonly resolution: Resolution | null;
  readonly reason: Reason | null;
  readonly originIdleMsMax: number;
}

/** What was known when a Parse was sent. */
export interface ParseMark {
  readonly link: object | null;
  readonly catalogVersion: number;
  readonly changes: number;
}

/** Failed context queries in a row (a cancel that came late, say) after which the session waits for another reason to ask. */
const FAILURES_MAX = 3;
/** Beyond it those are looked for that have been judged. */
const UNJUDGED_MAX = 32;

function mayRunCode({ verdict }: VerdictSlot): boolean {
  return verdict === null || (!verdict.readOnly && verdict.writes === 'unknown');
}

export type SettingsState = 'unknown' | 'asking' | 'interning' | 'known' | 'unusable';

export class Settings {
  state: SettingsState = 'unknown';
  private resolution: Resolution | null = null;
  /** Why a known context is good for analysis only. */
  private unkeyable: Reason | null = null;
  private link: AttachedCache | null = null;
  private unusableReason: Reason = 'session.contextUnknown';
  private readonly suspects = new Set<VerdictSlot>();
  /** Statements sent that may have run any code, as far as that is known. */
  private codeRuns = 0;
  private readonly unjudged = new Set<VerdictSlot>();
  private failures = 0;
  /** Rises with every question and every reason to ask again, so that an answer to an older question is told apart. */
  private epoch = 0;
  /** Rises with every reason to ask again. */
  private changes = 0;
  private learningUntilMs = 0;
  private learningFor = -1;
  /** The last wait was for the catalog. */
  private waitedForLoad = false;
  /** The session's `idle_session_timeout`, as last heard; 0: none. */
  originIdleMsMax = 0;
  /** Of BackendKeyData; the context query must be answered by the same process (C9). */
  backendPid = 0;
  /** Texts are decoded as UTF-8; under another client_encoding only ASCII is understood. */
  utf8 = false;

  /** The context to key with, or null. */
  current(cache: AttachedCache): Resolution | null {
    const presumed = this.unkeyable === null ? this.presumed(cache) : null;
    return presumed !== null && !this.inDoubt ? presumed : null;
  }

  /** Whether answers may be stored and served under the context, should it be known. */
  get isKeyable(): boolean {
    return this.unkeyable === null;
  }

  /** The context that holds unless a statement in doubt changed it. Good for analysis, even where it is not for keys. */
  presumed(cache: AttachedCache): Resolution | null {
    this.judgeSuspects();
    const resolution = this.resolution;
    if (this.state !== 'known' || resolution === null || this.link !== cache) return null;
    return resolution.catalogVersion === cache.reader.catalogVersion() ? resolution : null;
  }

  /** Whether the cache thread reads these bytes as the client meant them. */
  reads(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.utf8) return true;
    for (let i = start; i < end; i++) if (bytes[i]! > 0x7f) return false;
    return true;
  }

  /** Statements whose effect on the settings is not known yet. */
  get inDoubt(): boolean {
    this.judgeSuspects();
    return this.suspects.size > 0;
  }

  /** Before anything is said about the context: a verdict that has come meanwhile may have ended it. */
  private judgeSuspects(): void {
    for (const slot of this.suspects) {
      if (slot.verdict === null && !slot.failed) continue;
      this.suspects.delete(slot);
      if (slot.failed || slot.verdict!.changesContext) this.forget();
    }
  }

  /** Why nothing can be keyed now. */
  get reason(): Reason {
    if (this.state === 'unusable') return this.unusableReason;
    return (this.state === 'known' ? this.unkeyable : null) ?? 'session.contextUnknown';
  }

  /** How a Parse sent now will be resolved, as far as that is known: `isResolvedHere` judges when the context is. */
  parseMark(cache: AttachedCache | null): ParseMark {
    return { link: cache, catalogVersion: cache?.reader.catalogVersion() ?? -1, changes: this.changes };
  }

  /** Whether a statement was resolved under this context (C7), or before the context was known and nothing changed since. */
  isResolvedHere(statement: Statement, context: Resolution): boolean {
    if (sameResolution(statement.resolution, context)) return true;
    if (statement.mark === null || !this.holdsSince(statement.mark, context)) return false;
    statement.resolvedAt(context);
    return true;
  }

  /** Whether the context, known by now, is the one that held at the mark. */
  holdsSince(mark: ParseMark, context: Resolution): boolean {
    const isSame = mark.link === context.link && mark.changes === this.changes;
    return isSame && mark.catalogVersion === context.catalogVersion;
  }

  /** Entries never come from where this session writes: another database than that of the change stream. */
  get isForeign(): boolean {
    return this.state === 'unusable' && this.unusableReason === 'session.database';
  }

  /**
   * Whether the context is about to be known. The client's next statement is held back for it, once after each change and
   * for `contextWaitMsMax` at most, since what runs under an unknown context counts as a write of everything. For a catalog that is being
   * loaded it waits only once, and not long: nothing is cached then, and in a storm of DDL every statement would wait.
   */
  isLearning(nowMs: number): boolean {
    const isOpen = this.state === 'unknown' || this.state === 'asking' || this.state === 'interning';
    return isOpen && nowMs < this.learningUntilMs;
  }

  /** @param isLoading nothing can be asked before the catalog is loaded. @returns for how many milliseconds a wait begins now; 0: none does */
  beginLearning(nowMs: number, isLoading: boolean): number {
    const isNew = this.learningFor !== this.changes;
    if (isLoading ? this.waitedForLoad || !isNew : !this.waitedForLoad && !isNew) return 0;
    this.waitedForLoad = isLoading;
    this.learningFor = this.changes;
    const waitMs = isLoading ? Limits.catalogWaitMsMax : Limits.contextWaitMsMax;
    this.learningUntilMs = nowMs + waitMs;
    return waitMs;
  }

  /**
   * The catalog is being loaded, as after every DDL: the context stays unknown and is asked for again, else the session would not hit
   * any more.
   */
  noStream(cache: AttachedCache): void {
    this.link = cache;
  }

  /** A mark for `ranNoCode`. */
  get codeMark(): number {
    this.judgeCode();
    return this.codeRuns;
  }

  /** Whether nothing sent since the mark can have run code of which nothing is known: a function may PREPARE and DEALLOCATE. */
  ranNoCode(mark: number): boolean {
    return this.codeMark === mark && this.unjudged.size === 0;
  }

  private judgeCode(): void {
    for (const slot of this.unjudged) {
      if (!slot.isDecided) continue;
      this.unjudged.delete(slot);
      if (mayRunCode(slot)) this.codeRuns++;
    }
  }

  private noteCode({ slot, past, suspect }: Work): void {
    if (slot === null || suspect) this.codeRuns++;
    for (const each of slot === null ? past : [slot, ...past]) {
      if (!each.isDecided) this.unjudged.add(each);
      else if (mayRunCode(each)) this.codeRuns++;
    }
    if (this.unjudged.size > UNJUDGED_MAX) this.judgeCode();
  }

  /** A statement was sent: what it may do to the settings holds from here on. */
  sent(work: Work): void {
    this.noteCode(work);
    // What is unusable stays so until something is known to have changed: else every statement would ask again.
    if (this.state === 'unusable') return;
    const slots = work.slot === null ? work.past : [work.slot, ...work.past];
    const mayChange = slots.some((slot) => slot.failed || slot.verdict?.changesContext === true);
    if (work.slot === null || mayChange) this.forget();
    else for (const slot of slots) if (slot.verdict === null) this.suspects.add(slot);
  }

  /** What is known, for others; null: nothing yet. */
  learned(cache: AttachedCache): LearnedContext | null {
    const { state, originIdleMsMax, resolution } = this;
    if (this.link !== cache || (state !== 'known' && state !== 'unusable') || this.inDoubt) return null;
    const catalogVersion = cache.reader.catalogVersion();
    if (state === 'unusable') {
      return { link: cache, catalogVersion, resolution: null, reason: this.unusableReason, originIdleMsMax };
    }
    if (resolution === null || resolution.catalogVersion !== catalogVersion) return null;
    return { link: cache, catalogVersion, resolution, reason: this.unkeyable, originIdleMsMax };
  }

  /** What another session learned holds for this one. */
  adopt({ link, resolution, reason, originIdleMsMax }: LearnedContext): void {
    const { resolution: own, state } = this;
    if (state === 'known' && own !== null && resolution !== null && sameResolution(own, resolution)) return;
    this.reset();
    this.link = link;
    this.resolution = resolution;
    this.originIdleMsMax = originIdleMsMax;
    this.state = resolution === null ? 'unusable' : 'known';
    if (resolution === null) this.unusableReason = reason ?? 'session.contextUnknown';
    else this.unkeyable = reason;
  }

  /** Something changed, or may have: the origin is asked when there is an opportunity. */
  forget(): void {
    this.changes++;
    this.reset();
  }

  private reset(): void {
    this.epoch++;
    this.state = 'unknown';
    this.resolution = null;
    this.unkeyable = null;
    this.failures = 0;
    this.suspects.clear();
  }

  /** True when the origin should be asked, under this link. */
  mustAsk(cache: AttachedCache): boolean {
    if (this.inDoubt) return false;
    if (this.state === 'asking' || this.state === 'interning') return this.link !== cache;
    if (this.link !== cache || this.state === 'unknown') return true;
    if (this.state === 'unusable') return false;
    return this.presumed(cache) === null;
  }

  /** The question is on its way; its replies go to the sink. `settled` is called when the context is known. */
  ask(cache: AttachedCache, database: string, settled: () => void): ReplySink {
    const failures = this.failures;
    this.reset();
    this.failures = failures;
    this.state = 'asking';
    this.link = cache;
    const epoch = this.epoch;
    return oneRow((frame) => {
      if (epoch !== this.epoch) return;
      if (frame === null) this.failed();
      else this.answered(cache, database, frame, settled);
    });
  }

  private failed(): void {
    this.failures++;
    this.state = this.failures > FAILURES_MAX ? 'unusable' : 'unknown';
    this.unusableReason = 'session.contextUnknown';
  }

  private answered(cache: AttachedCache, database: string, frame: Buffer, settled: () => void): void {
    const [pid, originIdle, ...row] = decodeDataRow(frame, 0, frame.length);
    this.originIdleMsMax = parseTimeSetting(originIdle);
    // C9: behind a pooler each statement may meet another server process; they are taken to be alike, but nothing is keyed.
    const pooler: Reason | null = pid === String(this.backendPid) ? null : 'session.pooler';
    const intern = (answer: ContextAnswer): void => {
      this.intern(cache, { ...answer, reason: pooler ?? answer.reason }, JSON.stringify(row));
    };
    const answer = cache.context(database, row);
    if (!(answer instanceof Promise)) {
      intern(answer);
      return;
    }
    this.state = 'interning';
    const epoch = this.epoch;
    answer.then(
      (context) => {
        if (epoch !== this.epoch) return;
        intern(context);
        settled();
      },
      () => {
        if (epoch === this.epoch) this.failed();
      },
    );
  }

  private intern(cache: AttachedCache, { contextId, reason, catalogVersion }: ContextAnswer, row: string): void {
    this.failures = 0;
    if (contextId === 0) {
      this.state = 'unusable';
      this.unusableReason = reason ?? 'session.contextUnknown';
    } else {
      this.state = 'known';
      this.unkeyable = reason;
      this.resolution = { link: cache, contextId, catalogVersion, row };
    }
  }
}
