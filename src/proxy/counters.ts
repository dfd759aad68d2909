/**
 * Counters of all workers, past and present. Each incarnation writes an array of its own; when it dies its sums are folded
 * into `retired`, so that totals never fall, and its gauges (sessions open …) are dropped.
 */
import { type Answerer, latencyMs } from '../shared/memory/latency.ts';
import { COUNTERS_LENGTH, Counter } from '../shared/memory/layout.ts';
import { type PinReason, pinReasons, type Reason, reasonCodes } from '../shared/reasons.ts';

type CounterName = Exclude<keyof typeof Counter, 'reasons' | 'pins' | 'latencyCache' | 'latencyOrigin'>;

const gauges: ReadonlySet<number> = new Set([
  Counter.sessionsOpen,
  Counter.originPending,
  Counter.poolIdle,
  Counter.poolActive,
  Counter.poolPinned,
  Counter.poolWaiting,
  Counter.loopDelayMaxMs,
  Counter.loopDelayP99Ms,
]);

export class WorkerCounters {
  readonly #live = new Map<number, Float64Array>();
  readonly #retired = new Float64Array(COUNTERS_LENGTH);

  /** Memory for a new incarnation in this slot. */
  open(workerSlot: number): SharedArrayBuffer {
    this.retire(workerSlot);
    const memory = new SharedArrayBuffer(COUNTERS_LENGTH * Float64Array.BYTES_PER_ELEMENT);
    this.#live.set(workerSlot, new Float64Array(memory));
    return memory;
  }

  /** The incarnation has ended. Returns the sessions it had open. */
  retire(workerSlot: number): number {
    const counters = this.#live.get(workerSlot);
    if (counters === undefined) return 0;
    this.#live.delete(workerSlot);
    for (let i = 0; i < COUNTERS_LENGTH; i++) if (!gauges.has(i)) this.#retired[i]! += counters[i]!;
    return counters[Counter.sessionsOpen]!;
  }

  of(workerSlot: number, name: CounterName): number {
    return this.#live.get(workerSlot)?.[Counter[name]] ?? 0;
  }

  /** A percentile of the sampled latencies, of one worker or (undefined) of all; null without samples. */
  latencyMs(answerer: Answerer, share: number, workerSlot?: number): number | null {
    const one = workerSlot === undefined ? undefined : this.#live.get(workerSlot);
    if (workerSlot !== undefined && one === undefined) return null;
    return latencyMs(one === undefined ? (index) => this.#sum(index) : (index) => one[index]!, answerer, share);
  }

  total(name: CounterName): number {
    return this.#sum(Counter[name]);
  }

  /** Why statements were passed through: only reasons that occurred. */
  reasons(): Partial<Record<Reason, number>> {
    const counts: Partial<Record<Reason, number>> = {};
    reasonCodes.forEach((code, i) => {
      const count = this.#sum(Counter.reasons + i);
      if (count > 0) counts[code] = count;
    });
    return counts;
  }

  /** Why sessions kept their connection to the origin: only reasons that occurred. */
  pins(): Partial<Record<PinReason, number>> {
    const counts = pinReasons.map((reason, i): [PinReason, number] => [reason, this.#sum(Counter.pins + i)]);
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }

  #sum(index: number): number {
    let sum = this.#retired[index]!;
    for (const counters of this.#live.values()) sum += counters[index]!;
    return sum;
  }
}
