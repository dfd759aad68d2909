/**
 * C7: a statement whose Parse and description were answered here is made at the origin when it is first used there, which may be after DDL that nobody has
 * noticed yet. A server that had it all along would refuse it then if its parameters or columns are others by now (0A000). So it is made in front of the batch
 * that uses it, and described; the batch waits for that round trip, once for each such statement.
 *
 *   Parse s · Describe s · Sync      described as the client was told: the batch goes on, and the origin has it from then on
 *                                    described otherwise: Close s · Sync, and what the batch says of it is answered with 0A000
 *                                    refused: what the batch says of it is answered with that
 *
 * The origin, which lacks it then, refuses the message itself, so that what is around it is skipped, or rolled back, as it would be; only the words are ours.
 */
import { encodeError } from '../shared/wire/backend.ts';
import { Frontend, TransactionStatus } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import { encodeCloseStatement, encodeDescribeStatement, SYNC } from '../shared/wire/frontend.ts';
import type { Batch } from './client-input.ts';
import { Description } from './description.ts';
import { nowhere, type ReplySink } from './owed.ts';
import { madeNow } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { Statement } from './statement.ts';

const message = 'cached plan must not change result type';
const changed: Buffer = encodeError({ severity: 'ERROR', sqlstate: '0A000', message });
const aborted: Buffer = encodeError({
  ...{ severity: 'ERROR', sqlstate: '25P02' },
  message: 'current transaction is aborted, commands ignored until end of transaction block',
});

/** What its use is answered with instead of the origin's words: who lacks a statement says that (26000) before that the block has failed. */
export function faultOf(statement: Statement | null, session: Session): Buffer | null {
  if (statement === null) return null;
  return statement.fault ?? (session.transaction.cannotMake(statement) ? aborted : null);
}

/** One that may be refused, or the Parse in front of it: the words are for the client. */
class Attempt extends Description {
  fault: Buffer | null = null;

  failed(bytes: Buffer, start: number, end: number): void {
    this.fault = Buffer.from(bytes.subarray(start, end));
  }
}

export class Remaking {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** Made, and found to be another, or to be described no more; and what its use is answered with. */
  private other: { readonly statement: Statement; readonly fault: Buffer } | null = null;
  private readonly refused: Statement[] = [];

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  /** False: the batch waits. Asked only when the origin is in the block that the client is in. */
  mayForward(batch: Batch): boolean {
    const { session, runtime } = this;
    const { statements } = session;
    const { bytes, start } = batch;
    if (bytes[start] === Frontend.query && !statements.hasLocalOnly) return true;
    // It begins with an unnamed statement of its own, and there is no other.
    if (bytes[start] === Frontend.parse && bytes[start + HEADER_BYTES] === 0 && !statements.hasNamed) return true;
    return this.goesOn(() => runtime.forwarder.replayer.untried(session, session.liveCache, batch));
  }

  /** The same for a frame that is sent in pieces; [start, end) is its beginning. */
  mayStream(bytes: Buffer, start: number, end: number): boolean {
    const { session, runtime } = this;
    return this.goesOn(() => runtime.forwarder.replayer.untriedFor(session, session.liveCache, bytes, start, end));
  }

  private goesOn(untried: () => Statement | null): boolean {
    const { order, transaction } = this.session;
    if (transaction.status === TransactionStatus.failed) return true;
    if (this.other !== null) {
      if (order.isQuiet) this.giveUp(this.other.statement, this.other.fault);
      return false;
    }
    const statement = untried();
    if (statement === null) return true;
    // Inside a sequence that was sent already nobody can ask.
    if (!order.isQuiet) return !order.isSynced;
    this.make(statement);
    return false;
  }

  /** The batch was sent: another time the origin is asked again. */
  forwarded(): void {
    if (this.refused.length === 0) return;
    for (const statement of this.refused) statement.fault = null;
    this.refused.length = 0;
  }

  private make(statement: Statement): void {
    const { session } = this;
    const { names } = session;
    const isThere = statement.origin === 'outdated' && names === null;
    if (statement.origin === 'outdated') names?.retire(statement);
    const parse = names?.parseOf(statement) ?? statement.parse;
    const name = names === null ? statement.name : statement.atOrigin;
    const [before, now] = [new Attempt(), new Attempt()];
    const describe = encodeDescribeStatement(name);
    const asBefore = isThere ? [{ kind: 'describeStatement', sink: before, bytes: describe } as const] : [];
    const away =
      isThere && name !== '' ? [{ kind: 'close', sink: nowhere, bytes: encodeCloseStatement(name) } as const] : [];
    const steps = [
      ...[...asBefore, ...away],
      { kind: 'parse', sink: now, bytes: parse } as const,
      { kind: 'describeStatement', sink: now, bytes: describe } as const,
    ];
    const end: ReplySink = { ...nowhere, done: () => this.made(statement, isThere ? before : null, now) };
    const owed = session.order.oweQuestion(
      steps.map(({ kind }) => kind),
      steps.map(({ sink }) => sink),
      end,
    );
    session.statements.parseSent(owed[steps.length - 2]!, statement);
    const { liveCache } = session;
    madeNow(session, statement, liveCache && session.settings.current(liveCache));
    for (const { bytes } of steps) this.runtime.originOut.appendAll(bytes);
    this.runtime.originOut.appendAll(SYNC);
  }

  private made(statement: Statement, before: Attempt | null, now: Attempt): void {
    if (before !== null && before.fault !== null) {
      // It is there as it was: it refuses its use by itself, as long as its columns are others.
      this.refuse(statement, before.fault);
      return;
    }
    before?.tell(statement.told);
    const { fault } = now;
    if (fault !== null && statement.origin === 'absent') this.refuse(statement, fault);
    else if (now.isAsTold(statement.told)) statement.isToldThere = fault === null;
    else this.other = { statement, fault: fault ?? changed };
  }

  private giveUp(statement: Statement, fault: Buffer): void {
    const { order, statements, names } = this.session;
    this.other = null;
    const [owed] = order.oweQuestion(['close'], [nowhere], nowhere);
    statements.closeSent(owed!, statement.name);
    const name = names === null ? statement.name : statement.atOrigin;
    statement.origin = 'absent';
    statement.atOrigin = '';
    statements.lost(statement);
    this.runtime.originOut.appendAll(encodeCloseStatement(name));
    this.runtime.originOut.appendAll(SYNC);
    this.refuse(statement, fault);
  }

  private refuse(statement: Statement, fault: Buffer): void {
    statement.fault = fault;
    this.refused.push(statement);
  }
}
