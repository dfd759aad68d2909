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
import { TransactionStatus } from '../shared/wire/codes.ts';
import { encodeCloseStatement, encodeDescribeStatement, SYNC } from '../shared/wire/frontend.ts';
import type { Batch } from './client-input.ts';
import type { OwedKind, ReplySink } from './owed.ts';
import { madeNow } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { Statement } from './statement.ts';
import { hear, isAsTold } from './told.ts';

const kinds: readonly OwedKind[] = ['parse', 'describeStatement'];
const nowhere: ReplySink = { row: () => undefined, done: () => undefined };

const message = 'cached plan must not change result type';
const changed: Buffer = encodeError({ severity: 'ERROR', sqlstate: '0A000', message });

export class Remaking {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** A description was answered here. */
  private hasTold = false;
  /** Made, and found to be another. */
  private other: Statement | null = null;
  private readonly refused: Statement[] = [];

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  /** The frames [start, end) went to the client: the description of a statement, or an answer of it. */
  told(statement: Statement, bytes: Buffer, start: number, end: number): void {
    if (statement.origin !== 'absent' || start === end) return;
    this.hasTold = true;
    hear(statement.told, bytes, start, end);
  }

  /** Statements of a session that was another worker's. */
  arrived(statements: readonly Statement[]): void {
    this.hasTold = statements.some(({ isTold }) => isTold);
  }

  /** False: the batch waits. Asked only when the origin is in the block that the client is in. */
  mayForward(batch: Batch): boolean {
    const { session } = this;
    const { order, transaction, names } = session;
    if (!this.hasTold || names !== null || transaction.status === TransactionStatus.failed) return true;
    if (this.other !== null && order.isQuiet) {
      this.giveUp(this.other);
      return false;
    }
    const statement = this.runtime.forwarder.replayer.untried(session, session.liveCache, batch);
    if (statement === null) return true;
    // Inside a sequence that was sent already nobody can ask.
    if (!order.isQuiet) return !order.isComing;
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
    const pieces: Buffer[] = [];
    let fault: Buffer | null = null;
    const parse: ReplySink = {
      ...nowhere,
      failed: (bytes, start, end) => {
        fault = Buffer.from(bytes.subarray(start, end));
      },
    };
    const description: ReplySink = {
      ...nowhere,
      row: (bytes, start, end) => void pieces.push(Buffer.from(bytes.subarray(start, end))),
    };
    const end: ReplySink = { ...nowhere, done: () => this.made(statement, fault, Buffer.concat(pieces)) };
    const [owed] = session.order.oweQuestion(kinds, [parse, description], end);
    session.statements.parseSent(owed!, statement);
    const { liveCache } = session;
    madeNow(session, statement, liveCache && session.settings.current(liveCache));
    const { originOut } = this.runtime;
    for (const bytes of [statement.parse, encodeDescribeStatement(statement.name), SYNC]) originOut.appendAll(bytes);
  }

  private made(statement: Statement, fault: Buffer | null, description: Buffer): void {
    const now = { parameters: 0, rows: 0 };
    hear(now, description, 0, description.length);
    if (fault !== null) this.refuse(statement, fault);
    else if (!isAsTold(statement.told, now)) this.other = statement;
  }

  private giveUp(statement: Statement): void {
    const { order, statements } = this.session;
    this.other = null;
    const [owed] = order.oweQuestion(['close'], [nowhere], nowhere);
    statements.closeSent(owed!, statement.name);
    statement.origin = 'absent';
    statements.lost(statement);
    this.runtime.originOut.appendAll(encodeCloseStatement(statement.name));
    this.runtime.originOut.appendAll(SYNC);
    this.refuse(statement, changed);
  }

  private refuse(statement: Statement, fault: Buffer): void {
    statement.fault = fault;
    this.refused.push(statement);
  }
}
