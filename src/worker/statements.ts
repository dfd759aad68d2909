/**
 * Prepared statements of one session: what the client believes exists, and what the origin has. The two differ because a Parse whose
 * statement is known may be answered here; it is replayed to the origin in front of the first message that needs it there.
 *
 *   client says Parse s1 ─▶ define(s1)           origin: absent    (answered locally)
 *   client says Bind s1, forwarded ─▶ replay     origin: sent      (ParseComplete owed, swallowed)
 *   ParseComplete ─▶                             origin: held
 *
 * Forgetting a statement that the origin has is always right: its messages are then passed through.
 */

import { Limits } from '../shared/limits.ts';
import { extendHash, HASH_SEED, KeyForm, preparedPrefix } from '../shared/query-key.ts';
import { stripComments } from '../shared/shape.ts';
import { type ParseView, parameterTypes } from '../shared/wire/frontend.ts';
import type { ParseMark } from './settings.ts';
import type { VerdictSlot } from './verdicts.ts';

/** First part of a key with its hash. */
export interface KeyPrefix {
  readonly contextId: number;
  readonly bytes: Buffer;
  readonly hash: number;
}

function keyPrefix(bytes: Buffer, contextId: number): KeyPrefix {
  return { contextId, bytes, hash: extendHash(HASH_SEED, bytes, 0, bytes.length) };
}

/** Where a statement was resolved (C7): only under the same does it fill or hit. */
export interface Resolution {
  /** Changes with each generation of the cache. */
  readonly link: object;
  readonly contextId: number;
  readonly catalogVersion: number;
}

export function sameResolution(a: Resolution | null, b: Resolution): boolean {
  return a !== null && a.link === b.link && a.contextId === b.contextId && a.catalogVersion === b.catalogVersion;
}

export class Statement {
  readonly name: string;
  /** The Parse frame as it came. */
  readonly parse: Buffer;
  private readonly textStart: number;
  private readonly textEnd: number;
  origin: 'absent' | 'sent' | 'held' = 'absent';
  resolution: Resolution | null = null;
  mark: ParseMark | null = null;
  /** The verdict last asked for, and under what. */
  slot: VerdictSlot | null = null;
  slotResolution: Resolution | null = null;
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

  get parameterTypes(): number[] {
    return parameterTypes(this.parse, this.textEnd + 1);
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

/** A cheap test before the exact one: "--" or "/*" somewhere. */
export function mayHoldComment(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i + 1 < end; i++) {
    const byte = bytes[i];
    if (byte === 0x2d && bytes[i + 1] === 0x2d) return true;
    if (byte === 0x2f && bytes[i + 1] === 0x2a) return true;
  }
  return false;
}

export class Statements {
  private readonly named = new Map<string, Statement>();
  /** Named statements that only we have. */
  private readonly local = new Set<Statement>();
  private unnamed: Statement | null = null;
  /** The unnamed statement that the origin holds or was sent; undefined: one that we know nothing of, or none. */
  private unnamedAtOrigin: Statement | undefined;
  private unnamedAtOriginUnknown = false;

  get size(): number {
    return this.named.size;
  }

  get(name: string): Statement | null {
    return name === '' ? this.unnamed : (this.named.get(name) ?? null);
  }

  /** Whether one more named statement may be remembered. */
  get hasRoom(): boolean {
    return this.named.size < Limits.statementsPerSessionMax;
  }

  /** The client's Parse took effect (or is on its way to the origin). */
  define(statement: Statement): void {
    if (statement.name === '') {
      this.unnamed = statement;
    } else if (this.hasRoom || this.named.has(statement.name)) {
      this.named.set(statement.name, statement);
      if (statement.origin === 'absent') this.local.add(statement);
    }
  }

  /** The client closed it, or its Parse failed. */
  forget(statement: Statement): void {
    if (this.get(statement.name) !== statement) return;
    this.local.delete(statement);
    if (statement.name === '') this.unnamed = null;
    else this.named.delete(statement.name);
  }

  forgetName(name: string): void {
    const statement = this.get(name);
    if (statement !== null) this.forget(statement);
  }

  /** DEALLOCATE ALL, DISCARD ALL: the origin has none left. The unnamed one survives DEALLOCATE ALL, so it is only forgotten. */
  forgetAll(): void {
    this.named.clear();
    this.local.clear();
    this.unnamed = null;
    this.unnamedAtOriginUnknown = true;
  }

  /** A Query was answered here: it destroys the unnamed statement (Manual: Extended Query). */
  dropUnnamed(): void {
    this.unnamed = null;
  }

  /** A Query, or a Parse of the unnamed statement that we do not track, was sent to the origin. */
  originDroppedUnnamed(): void {
    this.unnamed = null;
    this.unnamedAtOrigin = undefined;
    this.unnamedAtOriginUnknown = false;
  }

  /** A Query of ours was sent: the origin has no unnamed statement any more, though the client has. */
  originDroppedUnnamedByUs(): void {
    this.unnamedAtOrigin = undefined;
    this.unnamedAtOriginUnknown = false;
  }

  /** A Parse was sent to the origin. */
  sent(statement: Statement): void {
    statement.origin = 'sent';
    this.local.delete(statement);
    if (statement.name === '') {
      this.unnamedAtOrigin = statement;
      this.unnamedAtOriginUnknown = false;
    }
  }

  /** A Parse of unknown content for the unnamed statement was sent. */
  sentUntrackedUnnamed(): void {
    this.unnamed = null;
    this.unnamedAtOrigin = undefined;
    this.unnamedAtOriginUnknown = true;
  }

  confirmed(statement: Statement): void {
    statement.origin = 'held';
    if (statement.name !== '' && this.named.get(statement.name) !== statement) this.define(statement);
  }

  /** Its Parse failed, or was skipped after an error. */
  failed(statement: Statement, byClient: boolean): void {
    statement.origin = 'absent';
    if (statement.name === '' && this.unnamedAtOrigin === statement) this.unnamedAtOrigin = undefined;
    if (byClient) this.forget(statement);
    else if (statement.name !== '' && this.named.get(statement.name) === statement) this.local.add(statement);
  }

  /**
   * What the origin lacks for a message about `name`: a Parse to replay, 'close' when the origin has an unnamed statement
   * that the client destroyed, or null.
   */
  missingAtOrigin(name: string): Statement | 'close' | null {
    if (name !== '') {
      const statement = this.named.get(name);
      return statement !== undefined && statement.origin === 'absent' ? statement : null;
    }
    if (this.unnamed !== null) return this.unnamedAtOrigin === this.unnamed ? null : this.unnamed;
    return this.unnamedAtOrigin !== undefined && !this.unnamedAtOriginUnknown ? 'close' : null;
  }

  closedUnnamedAtOrigin(): void {
    this.unnamedAtOrigin = undefined;
  }

  get hasLocalOnly(): boolean {
    return this.local.size > 0;
  }

  /** Named statements that the origin lacks. */
  localOnly(): Iterable<Statement> {
    return this.local;
  }
}
