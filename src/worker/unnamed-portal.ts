/**
 * The unnamed portal of a block, as far as the client's differs from the origin's. It outlives a Sync there, and a client may use it again
 * until the next Bind to it, Close of it, or Query. Manual: Extended Query, Message Flow.
 *
 *   here: null     the origin has it as the client means it, or neither has one
 *         made     it was bound here, and run to its end: the origin gets the same before the portal is used again
 *         'gone'   a Query or a Close that was answered here destroyed it: the origin's is closed before anything else is sent, since what
 *                  is sent may fail before it would have replaced it, and a failed block still tells whether there is one
 *
 * What replaces it at the origin takes effect there only if it succeeds, so changes are settled by the replies.
 */
import type { Owed } from './owed.ts';
import { Pending } from './pending.ts';

/** The statement may be another one by now: the portal keeps its own. */
export interface PortalMade {
  /** Text, NUL, parameter types. */
  readonly definition: Buffer;
  /** Formats and parameters, as in Bind. */
  readonly tail: Buffer;
}

/** A Bind that fails with one of these has not touched the portal: no such statement, a failed block, wrong counts. */
const untouchedBy = new Set(['26000', '25P02', '08P01']);

export class UnnamedPortal {
  private readonly here = new Pending<PortalMade | 'gone' | null>(null);
  private isPerhapsAtOrigin = false;

  /** Whether the origin's is the client's, or will be when what is under way has succeeded. */
  get isAsAtOrigin(): boolean {
    return this.here.value === null;
  }

  /** What the origin lacks. */
  get made(): PortalMade | null {
    const { value } = this.here;
    return value === 'gone' ? null : value;
  }

  /** What the origin is about to answer decides which one it is. */
  get isInDoubt(): boolean {
    return !this.here.isSettled;
  }

  get mustBeClosed(): boolean {
    return this.here.value === 'gone' && this.isPerhapsAtOrigin;
  }

  /** Answered here, while nothing is under way. Null: by a BEGIN, whose portal the origin's will resemble. */
  answered(value: PortalMade | 'gone' | null): void {
    this.here.settle(value);
  }

  /** A block begins, or has ended: no portal of before is left. */
  reset(): void {
    this.here.settle(null);
    this.isPerhapsAtOrigin = false;
  }

  /** A Close of it was sent by us, which cannot fail. */
  closed(): void {
    if (this.here.value === 'gone') this.here.settle(null);
    this.isPerhapsAtOrigin = false;
  }

  /** The origin was sent a Bind of ours. */
  bound(): void {
    this.isPerhapsAtOrigin = true;
  }

  /** A message was sent after which the origin's is the client's, if it succeeds. Null: the origin skips it. */
  replacedBy(owed: Owed | null): void {
    if (owed === null) return;
    if (owed.kind === 'bind') this.isPerhapsAtOrigin = true;
    if (this.here.isSettled && this.here.value === null) return;
    this.here.change(null);
    owed.replacesPortal = true;
  }

  /** A Query in which nothing completed has failed before it had a portal, or held nothing, as far as can be told. */
  replyEnded({ replacesPortal, kind, hasCompleted }: Owed): void {
    if (!replacesPortal) return;
    if (kind === 'query' && !hasCompleted) this.here.undo();
    else this.here.confirm();
  }

  failed({ replacesPortal, kind }: Owed, sqlstate: string): void {
    if (!replacesPortal) return;
    if (kind === 'bind' && !untouchedBy.has(sqlstate)) this.here.confirm();
    else this.here.undo();
  }

  skipped({ replacesPortal }: Owed): void {
    if (replacesPortal) this.here.undo();
  }
}
