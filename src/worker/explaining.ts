/**
 * Explanations that a session waits for. The cache thread is asked, the client's batch is held back, and offered again when the answer has come, or
 * when it is clear that none will.
 */

import { toError } from '../shared/errors.ts';
import { Limits } from '../shared/limits.ts';
import type { Explanation } from '../shared/messages.ts';
import type { AttachedCache } from './cache-link.ts';
import { type Explained, explanationRows, type Row, unknownRows } from './local-answers.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { Resolution } from './statement.ts';

interface Asked {
  readonly cache: AttachedCache;
  readonly context: Resolution;
  readonly untilMs: number;
  answer: Explanation | null;
  failed: boolean;
}

export class Explaining {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** Of the batch at hand. */
  private readonly asked = new Map<string, Asked>();
  private learningUntilMs: number | null = null;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  /** The rows of the answer; null: the session gets a turn when they are known. */
  rows(explained: Explained): readonly Row[] | null {
    const { session, runtime } = this;
    const cache = session.liveCache;
    const context = cache === null ? null : session.settings.presumed(cache);
    if (cache === null) return unknownRows(session, runtime);
    if (context === null) return this.isLearning() ? null : unknownRows(session, runtime);
    const key = JSON.stringify([explained.text, explained.parameterTypes, explained.bindTail === null]);
    const known = this.asked.get(key);
    if (known === undefined) {
      this.asked.set(key, this.ask(cache, context, explained));
      return null;
    }
    const isLate = runtime.clock.nowMs() > known.untilMs;
    if (known.failed || isLate || known.cache !== cache || known.context.contextId !== context.contextId) {
      return unknownRows(session, runtime);
    }
    return known.answer === null ? null : explanationRows(session, runtime, cache, explained, known.answer);
  }

  /** The batch was answered. */
  forget(): void {
    this.asked.clear();
    this.learningUntilMs = null;
  }

  /** Whether the session's settings are about to be known; they are asked for between transactions only. */
  private isLearning(): boolean {
    const { session, runtime } = this;
    const { settings, transaction } = session;
    if (!transaction.isIdle || settings.state === 'unusable' || settings.state === 'known') return false;
    const nowMs = runtime.clock.nowMs();
    if (this.learningUntilMs === null) {
      this.learningUntilMs = nowMs + Limits.explainWaitMsMax;
      session.turnLater(Limits.explainWaitMsMax);
    }
    return nowMs <= this.learningUntilMs;
  }

  private ask(cache: AttachedCache, context: Resolution, { text, parameterTypes, bindTail }: Explained): Asked {
    const { session, runtime } = this;
    const untilMs = runtime.clock.nowMs() + Limits.explainWaitMsMax;
    const asked: Asked = { cache, context, untilMs, answer: null, failed: false };
    // `$1` has no place in the simple protocol: whoever types it means what a program will prepare.
    const protocol = bindTail === null && !/\$\d/.test(text) ? 'simple' : 'extended';
    const request = { contextId: context.contextId, text, parameterTypes, protocol } as const;
    cache.explain(request, JSON.parse(context.row)).then(
      (answer) => {
        asked.answer = answer;
        session.turn();
      },
      (thrown: unknown) => {
        asked.failed = true;
        runtime.log.warn({ err: toError(thrown) }, 'a statement could not be explained');
        session.turn();
      },
    );
    session.turnLater(Limits.explainWaitMsMax);
    return asked;
  }
}
