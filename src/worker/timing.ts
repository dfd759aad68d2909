/** Times of answers: samples for the histograms of latency, and for who may be cheaper, the cache or the origin (bypass.ts). */
import type { Clock } from '../shared/clock.ts';
import type { Counters } from '../shared/memory/counters.ts';
import { LATENCY_SAMPLE_EVERY, recordLatency } from '../shared/memory/latency.ts';
import type { Bypass } from './bypass.ts';
import type { SyncGroup } from './owed.ts';

export class Timing {
  private readonly clock: Clock;
  private readonly counters: Counters;
  private hits = 0;
  private sent = 0;

  constructor(clock: Clock, counters: Counters) {
    this.clock = clock;
    this.counters = counters;
  }

  /** A batch that arrived at `startedMs` was answered from the cache, with one entry of this shape, or with several. One in so many is looked at. */
  hit(startedMs: number, shape: number | null, bypass: Bypass): void {
    this.hits = (this.hits + 1) % LATENCY_SAMPLE_EVERY;
    if (this.hits !== 0) return;
    const ms = this.clock.nowMs() - startedMs;
    recordLatency(this.counters, 'cache', ms);
    if (shape !== null) bypass.hitTook(shape, ms);
  }

  /** A whole batch is being sent while nothing else is owed: one in so many is timed, and each whose answer may be kept. */
  begin(group: SyncGroup): void {
    this.sent = (this.sent + 1) % LATENCY_SAMPLE_EVERY;
    group.isSampled = this.sent === 0;
    if (group.isSampled || group.captures.length > 0) group.sentMs = this.clock.nowMs();
  }

  /** Its answer is complete. */
  end(group: SyncGroup, bypass: Bypass | null): void {
    if (group.sentMs === 0) return;
    const ms = this.clock.nowMs() - group.sentMs;
    if (group.isSampled) recordLatency(this.counters, 'origin', ms);
    if (group.works.length === 1) bypass?.originTook(group.works[0]!.slot?.verdict?.shape ?? 0, ms);
  }
}
