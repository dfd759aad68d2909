/** What is counted of a session, and what it is listed by. */
import { countReason } from '../shared/memory/counters.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { Reason } from '../shared/reasons.ts';
import type { Runtime } from './runtime.ts';

export class SessionAccount {
  user = '';
  protected database = '';
  statementsSeen = 0;
  /** What its client proves at the login is used again (pool.mode = transaction). */
  readonly reusesLogin: boolean = false;
  protected readonly runtime: Runtime;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  countHits(statements: number, bytes: number): void {
    this.statementsSeen += statements;
    this.runtime.count(Counter.statements, statements);
    this.runtime.count(Counter.hits, statements);
    this.runtime.count(Counter.bytesHit, bytes);
  }

  /** Statements answered here, though not from the cache. */
  countPassed(statements: number, reason: Reason): void {
    this.statementsSeen += statements;
    this.runtime.count(Counter.statements, statements);
    this.runtime.count(Counter.passthrough, statements);
    for (let i = 0; i < statements; i++) countReason(this.runtime.counters, reason);
  }
}
