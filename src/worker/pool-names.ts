/**
 * Names of prepared statements on a pooled connection: one of ours for each text, whatever its client calls it, so that sessions share them and
 * nobody meets another's. What a client sends about a named statement is sent on with our name in it.
 *
 *   client   Parse "s1"  Bind "s1" …                 same text of another client, there already: only its Bind is sent
 *   origin   Parse "pgfresh 5f0c 17"  Bind "pgfresh 5f0c 17" …
 *
 * Each Parse gets a new name: one that fails, or is skipped, leaves nothing behind that would have to be known.
 */
import { Backend, Frontend } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import * as frontend from '../shared/wire/frontend.ts';
import type { OutBuffer } from './out-buffer.ts';
import type { PooledOrigin } from './pooled-origin.ts';
import { type Resolution, type Statement, sameResolution } from './statement.ts';
import type { Statements } from './statements.ts';
import { awaitRound, isAsTold, isComparable, untold } from './told.ts';

const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
const target: frontend.TargetView = { isStatement: false, name: '' };

/** The frame [start, end) with `name` in place of the one at [from, to); the frame may go on behind `end`. */
function renamed(bytes: Buffer, start: number, from: number, to: number, name: string): Buffer {
  const head = Buffer.allocUnsafe(from - start + name.length);
  bytes.copy(head, 0, start, from);
  head.write(name, from - start, 'latin1');
  head.writeInt32BE(bytes.readInt32BE(start + 1) + name.length - (to - from), 1);
  return head;
}

export interface NamedSession {
  readonly statements: Statements;
  readonly order: { readonly isInSequence: boolean };
  readonly parseFingerprint: string;
}

export class OriginNames {
  private readonly session: NamedSession;
  private readonly out: OutBuffer;
  /** What no client can guess. */
  readonly prefix: string;
  private readonly next: () => number;
  private pooled: PooledOrigin | null = null;
  /** Statements that the connection has been sent, or found to have, since the session has it. */
  readonly touched: Statement[] = [];

  constructor(session: NamedSession, out: OutBuffer, prefix: string, next: () => number) {
    this.session = session;
    this.out = out;
    this.prefix = prefix;
    this.next = next;
  }

  attach(pooled: PooledOrigin): void {
    this.pooled = pooled;
    this.session.statements.touched = this.touched;
  }

  private fresh(): string {
    return `${this.prefix}${this.next()}`;
  }

  private keyOf(statement: Statement): string {
    return statement.contentUnder(this.session.parseFingerprint);
  }

  /** Whether the connection has the statement's text already, resolved as it would be now, and with the columns that its client was told. */
  adopt(statement: Statement, context: Resolution | null): boolean {
    const known = this.pooled?.prepared.get(this.keyOf(statement));
    if (known === undefined) return false;
    if (context !== null && !sameResolution(known.resolution, context)) return false;
    const { told } = statement;
    if (isComparable(told) && !isAsTold(told, known.told)) return false;
    // Two names of one client for one text: errors say which one it is about.
    if (this.touched.some((other) => other !== statement && other.atOrigin === known.name)) return false;
    statement.origin = 'held';
    statement.isToldThere = isComparable(told);
    // Whoever made it may have done so behind DDL: what describes it here, or is read by that, must be as new.
    if (known.told.round > told.round) awaitRound(told, known.told.round);
    statement.atOrigin = known.name;
    this.touched.push(statement);
    return true;
  }

  /** The connection goes to somebody else: it keeps the statements, and the session has none there any more. */
  release(): void {
    const { pooled } = this;
    for (const statement of this.touched) {
      if (statement.name === '' || pooled === null) continue;
      if (statement.origin === 'held') this.keep(pooled, statement);
      // It was to be made anew before its next use here.
      else if (statement.origin === 'outdated') this.retire(statement);
    }
    this.drop();
  }

  private keep({ prepared, retired }: PooledOrigin, statement: Statement): void {
    const key = this.keyOf(statement);
    const { atOrigin: name, resolution } = statement;
    const before = prepared.get(key);
    const isSame = before?.name === name;
    if (before !== undefined && !isSame) retired.push(before.name);
    const { parameters, rows, round } = statement.told;
    const isKnown = statement.isToldThere && isComparable(statement.told);
    const told = { ...untold(), ...(isKnown ? { parameters, rows } : {}), round };
    // What another client was told of it holds as well.
    if (isSame) told.parameters ||= before.told.parameters;
    if (isSame) told.rows ||= before.told.rows;
    prepared.set(key, { name, resolution, told });
  }

  /** It is about to be made anew, while the session has the connection: nothing else would name what it was called. */
  retire(statement: Statement): void {
    const { pooled } = this;
    const { atOrigin: name } = statement;
    if (pooled === null || name === '' || pooled.prepared.get(this.keyOf(statement))?.name === name) return;
    pooled.retired.push(name);
  }

  /** The session has no statement any more at the origin, as far as it knows. */
  private drop(): void {
    for (const statement of this.touched) {
      statement.origin = 'absent';
      statement.atOrigin = '';
      this.session.statements.lost(statement);
    }
    this.touched.length = 0;
    this.session.statements.touched = null;
    this.pooled = null;
  }

  /** All names of ours on the connection: they are about to be closed. */
  takeAll(): string[] {
    const names = new Set([...(this.pooled?.prepared.values() ?? [])].map(({ name }) => name));
    for (const statement of this.touched) if (statement.atOrigin !== '') names.add(statement.atOrigin);
    for (const name of this.pooled?.retired.splice(0) ?? []) names.add(name);
    this.pooled?.prepared.clear();
    this.drop();
    return [...names];
  }

  /** The Parse of a statement that is sent again. */
  parseOf(statement: Statement): Buffer {
    if (statement.name === '') return statement.parse;
    statement.atOrigin = this.fresh();
    const head = renamed(
      ...([statement.parse, 0, HEADER_BYTES, HEADER_BYTES + statement.name.length, statement.atOrigin] as const),
    );
    return Buffer.concat([head, statement.parse.subarray(HEADER_BYTES + statement.name.length)]);
  }

  /** What a statement of the client's is called there, before the message has taken effect here. '': as the client calls it. */
  private nameFor(bytes: Buffer, start: number, end: number): string {
    const { statements } = this.session;
    switch (bytes[start]) {
      case Frontend.parse:
        if (!frontend.decodeParse(bytes, start, end, parse) || parse.name === '') return '';
        // A name that is there already must fail there, too.
        return statements.get(parse.name)?.atOrigin || this.fresh();
      case Frontend.bind:
        if (!frontend.decodeBind(bytes, start, end, bind) || bind.statement === '') return '';
        return statements.get(bind.statement)?.atOrigin ?? '';
      case Frontend.describe:
      case Frontend.close:
        if (!frontend.decodeTarget(bytes, start, end, target) || !target.isStatement || target.name === '') return '';
        if (bytes[start] === Frontend.describe) return statements.get(target.name)?.atOrigin ?? '';
        // Others may use it: what is closed is a name that is nobody's.
        return `${this.prefix}0`;
      default:
        return '';
    }
  }

  /** Sends the frame on under the name that its statement has there. `note`: it takes effect here. */
  pass(bytes: Buffer, start: number, end: number, note: () => void): void {
    const { pooled, session } = this;
    const isWhole = bytes[start] === Frontend.query || bytes[start] === Frontend.functionCall;
    if (isWhole && session.order.isInSequence && pooled !== null) pooled.isSpoiled = true;
    const name = this.nameFor(bytes, start, end);
    note();
    this.append(bytes, start, end, name);
  }

  private append(bytes: Buffer, start: number, end: number, name: string): void {
    if (name === '') {
      this.out.append(bytes, start, end);
      return;
    }
    const from = this.nameStart(bytes, start, end);
    const to = frontend.nulAt(bytes, from, end);
    if (bytes[start] === Frontend.parse) {
      const statement = this.session.statements.get(bytes.toString('latin1', from, to));
      if (statement !== null) statement.atOrigin = name;
    }
    this.out.appendAll(renamed(bytes, start, from, to, name));
    this.out.append(bytes, to, end);
  }

  private nameStart(bytes: Buffer, start: number, end: number): number {
    const code = bytes[start];
    if (code === Frontend.bind) return frontend.nulAt(bytes, start + HEADER_BYTES, end) + 1;
    return code === Frontend.parse ? start + HEADER_BYTES : start + HEADER_BYTES + 1;
  }

  /** An error or notice of the origin in the client's words. */
  translated(bytes: Buffer, start: number, end: number): Buffer | null {
    const body = bytes.toString('latin1', start + HEADER_BYTES, end);
    if (!body.includes(this.prefix)) return null;
    const { touched, prefix } = this;
    const pattern = new RegExp(`${prefix}\\d+`, 'g');
    const own = body.replace(pattern, (name) => touched.find(({ atOrigin }) => atOrigin === name)?.name ?? name);
    return frontend.encodeFrame(bytes[start] ?? Backend.errorResponse, Buffer.from(own, 'latin1'));
  }
}
