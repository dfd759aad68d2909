/**
 * C7: named statements whose Parse went to the origin before it was known under which catalog and settings, as those that a pool
 * prepares while pgfresh or its cache thread is starting. Nothing is known of what they do, and they could neither fill nor
 * hit while the session lasts. So the origin is asked, once and between two statements of the client:
 *
 *   Describe s · Close ours · Parse ours (the same text) · Describe ours · Close ours · Sync
 *
 * The first fails with 0A000 where the columns of the answer are no longer those of the Parse. Where both describe the same
 * parameters and columns the client cannot tell `s` from a statement made now, and `s` becomes one before its next use there (remaking.ts).
 */

import { startedRound } from '../shared/memory/control.ts';
import { encodeComparison } from '../shared/wire/frontend.ts';
import type { AttachedCache } from './cache-link.ts';
import { Description } from './description.ts';
import { nowhere, type OwedKind, type ReplySink } from './owed.ts';
import { seesStatements } from './replay.ts';
import { slotOfStatement } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import { type Resolution, type Statement, sameResolution } from './statement.ts';
import { awaitRound } from './told.ts';

/** Messages of `encodeComparison`, its Sync apart. */
const compareKinds: readonly OwedKind[] = ['describeStatement', 'close', 'parse', 'describeStatement', 'close'];

export class Unresolved {
  private readonly session: Session;
  private readonly runtime: Runtime;
  private readonly waiting = new Set<Statement>();
  /** Compared, and found to be what would be made then, when this was the context. */
  private equal: { readonly statement: Statement; readonly context: Resolution } | null = null;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  /** A Parse of it was sent, and what it is resolved under is not known. */
  add(statement: Statement): void {
    if (statement.name !== '') this.waiting.add(statement);
  }

  /** Only when nothing is under way. Asks about one statement, if there is one to ask about. */
  ask(): void {
    if (this.waiting.size === 0 && this.equal === null) return;
    const { session } = this;
    const cache = session.liveCache;
    const context = cache === null ? null : session.settings.current(cache);
    if (cache === null || context === null) return;
    if (this.equal !== null) {
      this.replace(this.equal, cache, context);
      return;
    }
    for (const statement of this.waiting) {
      this.waiting.delete(statement);
      if (!this.isThere(statement) || session.settings.isResolvedHere(statement, context)) continue;
      // Its columns are those of the statement that it runs, which may be another by the time it is made anew.
      if (seesStatements(statement.text)) continue;
      this.compare(statement, context);
      return;
    }
  }

  /** The origin has it; perhaps it was to be made anew, and then the catalog changed once more. */
  private isThere(statement: Statement): boolean {
    const isHeld = statement.origin === 'held' || statement.origin === 'outdated';
    return isHeld && this.session.statements.get(statement.name) === statement;
  }

  private compare(statement: Statement, context: Resolution): void {
    const { session } = this;
    const [held, made] = [new Description(), new Description()];
    const end: ReplySink = {
      row: () => undefined,
      done: () => {
        if (!held.equals(made) || !made.isAsTold(statement.told)) return;
        this.equal = { statement, context };
        // It may have been DDL that made it so, of which nobody knows yet.
        awaitRound(statement.told, startedRound(this.runtime.control) + 1);
      },
    };
    session.order.oweQuestion(compareKinds, [held, nowhere, nowhere, made, nowhere], end);
    const name = session.names === null ? statement.name : statement.atOrigin;
    this.runtime.originOut.appendAll(encodeComparison(name, statement.definition));
  }

  private replace(
    { statement, context: then }: NonNullable<Unresolved['equal']>,
    cache: AttachedCache,
    context: Resolution,
  ): void {
    this.equal = null;
    if (!this.isThere(statement)) return;
    if (!sameResolution(then, context)) {
      this.add(statement);
      return;
    }
    if (this.session.names !== null) {
      // Its next use makes it anew, under another name.
      this.session.names.retire(statement);
      statement.origin = 'absent';
      statement.resolvedAt(context);
      slotOfStatement(this.session, cache, context, statement);
      return;
    }
    statement.renewed(context);
    slotOfStatement(this.session, cache, context, statement);
  }
}
