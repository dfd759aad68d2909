/** Whether a session waits for an answer of the origin, as the metrics count it. */
import type { Counters } from '../shared/memory/counters.ts';
import { Counter } from '../shared/memory/layout.ts';

export class PendingCount {
  private readonly counters: Counters;
  private isPending = false;

  constructor(counters: Counters) {
    this.counters = counters;
  }

  update(isPending: boolean): void {
    if (isPending === this.isPending) return;
    this.isPending = isPending;
    this.counters[Counter.originPending]! += isPending ? 1 : -1;
  }
}
