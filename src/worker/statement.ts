/**
 * One prepared statement: its Parse as the client sent it, what it was resolved to (C7), what the verdicts on it say, and whether the origin has it.
 *
 *   client says Parse s1 ─▶                      origin: absent    (answered locally)
 *   client says Bind s1, forwarded ─▶ replay     origin: sent      (ParseComplete owed, swallowed)
 *   ParseComplete ─▶                             origin: held
 *   another catalog, the same meaning ─▶         origin: outdated  (held, to be made anew before its next use: resolving.ts)
 */
import { type Hints, hintsOf } from '../shared/hints.ts';
import { KeyForm, preparedPrefix } from '../shared/query-key.ts';
import { stripComments } from '../shared/shape.ts';
import { type ParseView, parameterTypes } from '../shared/wire/frontend.ts';
import { type BlockCommand, blockCommand } from './block.ts';
import { deallocated } from './deallocated.ts';
import { type KeyPrefix, keyPrefix, mayHoldComment } from './key-prefix.ts';
import type { ParseMark } from './settings.ts';
import { type Told, untold } from './told.ts';
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
const [LETTER_A, LETTER_D, LETTER_Z] = [0x61, 0x64, 0x7a];
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
  /** What it is called on a pooled connection (pool-names.ts). */
  atOrigin = '';
  private ownContent: string | null = null;
  private contentSettings = '';
  /** How the client was described it. */
  readonly told: Told = untold();
  /** The one that the origin has is described the same way: it said so, or was asked. */
  isToldThere = false;
  /** What its next use is answered with: the origin would not make it any more, or would make another (remaking.ts). */
  fault: Buffer | null = null;
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
  private ownDeallocated: string | null | undefined;
  private portal: KeyPrefix | null = null;
  private description: KeyPrefix | null = null;
  private execution: KeyPrefix | null = null;

  /** Copies the frame [start, end). `alike`: one whose Parse was the same; what follows from that alone is taken over. */
  constructor(view: ParseView, bytes: Buffer, start: number, end: number, alike: Statement | null = null) {
    this.name = view.name;
    this.textStart = view.textStart - start;
    this.textEnd = view.textEnd - start;
    if (alike === null) {
      this.parse = Buffer.allocUnsafeSlow(end - start);
      bytes.copy(this.parse, 0, start, end);
      return;
    }
    this.parse = alike.parse;
    this.ownContent = alike.ownContent;
    this.contentSettings = alike.contentSettings;
    this.blockCommand = alike.blockCommand;
    this.ownHints = alike.ownHints;
    this.ownDeallocated = alike.ownDeallocated;
    this.portal = alike.portal;
    this.description = alike.description;
    this.execution = alike.execution;
  }

  get text(): string {
    return this.parse.toString('utf8', this.textStart, this.textEnd);
  }

  /** The client has a description. */
  get isTold(): boolean {
    return this.told.parameters !== 0 || this.told.rows !== 0;
  }

  /** The Parse message after the name. */
  get definition(): Buffer {
    return this.parse.subarray(this.textStart);
  }

  /** The same for the same text and parameter types under the same settings. */
  contentUnder(settings: string): string {
    if (this.ownContent === null || this.contentSettings !== settings) {
      this.contentSettings = settings;
      this.ownContent = `${settings}\0${this.definition.toString('latin1')}`;
    }
    return this.ownContent;
  }

  /** The transaction command that it is. */
  get command(): BlockCommand | null {
    if (this.blockCommand === undefined) this.blockCommand = blockCommand(this.parse, this.textStart, this.textEnd);
    return this.blockCommand;
  }

  /** Name of the statement that it deallocates. */
  get deallocates(): string | null {
    if (this.ownDeallocated === undefined) {
      // Each miss asks: mostly the first letter tells.
      const first = this.parse[this.textStart]! | 0x20;
      const isOther = first >= LETTER_A && first <= LETTER_Z && first !== LETTER_D;
      this.ownDeallocated = isOther ? null : deallocated(this.text);
    }
    return this.ownDeallocated;
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

  /** The same as one whose Parse was the same, if that was judged under this context. */
  judgedAs({ slot, slotResolution }: Statement, context: Resolution): void {
    if (slot !== null && !slot.failed && sameResolution(slotResolution, context)) this.judged(slot, context);
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

  executionPrefix(contextId: number): KeyPrefix {
    if (this.execution?.contextId !== contextId) this.execution = this.prefix(contextId, KeyForm.execution);
    return this.execution;
  }

  private prefix(contextId: number, form: Exclude<KeyForm, typeof KeyForm.simple>): KeyPrefix {
    const raw = this.parse.subarray(this.textStart, this.textEnd);
    const stripped = mayHoldComment(raw, 0, raw.length) ? Buffer.from(stripComments(raw.toString('utf8'))) : raw;
    return keyPrefix(preparedPrefix(contextId, form, stripped, this.parameterTypes), contextId);
  }
}
