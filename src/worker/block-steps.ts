/**
 * What a batch that is answered here does to the client's transaction block and its unnamed portal: noted frame by frame, and done when the whole
 * batch was answered. One per worker, begun anew for each batch.
 */
import { type BlockCommand, commandText } from './block.ts';
import type { Session } from './session.ts';
import type { Statement } from './statement.ts';

export class BlockSteps {
  private session!: Session;
  /** Where the batch stands: outside a block, in one that only the client knows of, or in one of the origin's. */
  private block: 'none' | 'held' | 'open' = 'none';
  private begun: string | null = null;
  private commands = 0;
  /** A COMMIT or ROLLBACK was answered: nothing may follow it. */
  ended = false;
  /** The unnamed portal after the batch. */
  private portal: 'untouched' | 'made' | 'begun' | 'gone' = 'untouched';
  private statement: Statement | null = null;
  private tailStart = 0;
  private tailEnd = 0;

  reset(session: Session): void {
    const { transaction } = session;
    this.session = session;
    this.block = transaction.held !== null ? 'held' : transaction.isIdle ? 'none' : 'open';
    this.begun = null;
    this.commands = 0;
    this.ended = false;
    this.portal = 'untouched';
  }

  get isOutside(): boolean {
    return this.block === 'none';
  }

  /**
   * BEGIN first of all in a batch, COMMIT or ROLLBACK last, and only of a block that the origin does not know of. What the origin
   * has under way goes there, in order. False: this one does, too.
   */
  command({ kind }: BlockCommand, isFirst: boolean, source: Buffer, start: number, end: number): boolean {
    const mayBegin = this.block === 'none' && isFirst && this.commands === 0;
    if (kind === 'begin' ? !mayBegin : this.block !== 'held') return false;
    this.block = kind === 'begin' ? 'held' : 'none';
    this.begun = kind === 'begin' ? commandText(source, start, end) : null;
    this.ended = kind === 'end';
    this.commands++;
    return true;
  }

  /** The portal is one that ran to its end, bound with the bytes [tailStart, tailEnd) of the batch. */
  portalMade(statement: Statement, tailStart: number, tailEnd: number): void {
    this.portal = 'made';
    this.statement = statement;
    this.tailStart = tailStart;
    this.tailEnd = tailEnd;
  }

  /** It is that of a BEGIN. */
  portalBegun(): void {
    this.portal = 'begun';
  }

  portalGone(): void {
    this.portal = 'gone';
  }

  /** All of `bytes` was answered. */
  commit(bytes: Buffer): void {
    const { transaction, consistency } = this.session;
    if (this.commands > 0) {
      if (this.begun !== null) transaction.hold(this.begun);
      else if (transaction.held !== null) transaction.drop();
      if (this.ended) consistency.transactionEnded();
      this.session.countPassed(this.commands, 'statement.transactionControl');
    }
    if (!transaction.isIdle && this.portal !== 'untouched') this.keepPortal(bytes);
  }

  /** The unnamed portal outlives a Sync inside a block. */
  private keepPortal(bytes: Buffer): void {
    const { portal } = this.session.transaction;
    if (this.portal === 'made') {
      const tail = Buffer.from(bytes.subarray(this.tailStart, this.tailEnd));
      portal.answered({ definition: this.statement!.definition, tail });
    } else portal.answered(this.portal === 'gone' ? 'gone' : null);
  }
}
