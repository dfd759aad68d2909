/**
 * Adaptive polling (ADR-023): after work a worker looks for more without sleeping, while processors are idle and that mostly finds some. Being put to
 * sleep and woken again costs a request that comes alone more than all that is done for it.
 *
 *            poke                                    nothing for `window`, or somebody else ran: score − 1
 *   asleep ───────▶ polling ─ turn, turn, turn, … ───────────────────────────────▶ asleep
 *      ▲               │ found: score + 1                                            │ score 0
 *      └── rest ◀──────┴── somebody kept the processor for long                      │
 *           ▲───────────────────────────────────────────────────────────────────────┘
 *
 * Each turn of the event loop looks at the sockets (epoll without a timeout) and then yields. A yield that takes long has let another thread run, so
 * the processor was not idle: the worker sleeps at once, since who is woken gets the processor sooner than who has yielded it. Behind a thread that
 * computes for as long as it may, a yield lasts a time slice, which requests would wait for: then nothing is tried again for a while, longer each time.
 * So polling takes only time that nobody wants, and little of that where requests are rare.
 */
import { performance } from 'node:perf_hooks';
import { loadFunction } from '../shared/libc.ts';

export interface PollPorts {
  readonly nowMs: () => number;
  /** Lets other threads run that want this processor (sched_yield). */
  readonly yieldNow: () => unknown;
  /** Calls back in the next turn of the event loop, after its sockets. */
  readonly nextTurn: (callback: () => void) => unknown;
  /** Whether the machine has processor time that nobody wants (proxy/spare-processors.ts). */
  readonly isSpare: () => boolean;
  /** Looked for so long, whether something came or not. */
  readonly onLooked: (ms: number) => void;
}

export interface PollLimits {
  /** Without work for so long, a worker sleeps. */
  readonly windowMs: number;
  /** An empty turn takes 2 to 4 µs. One that took longer than this has let another thread run. */
  readonly turnMsMax: number;
  /** One that took longer than this, a thread that goes on computing: polling is given up for now. */
  readonly stolenMs: number;
  /** How long polling is given up: this, and up to that if it is given up again soon. */
  readonly restMsMin: number;
  readonly restMsMax: number;
}

const defaults = { turnMsMax: 0.02, stolenMs: 0.5, restMsMin: 5, restMsMax: 80 };
const SCORE_MAX = 8;
/** Polling that lasted so many times its last rest was worth it. */
const WORTH = 8;
/** While it rests, one poke in so many reads the clock. */
const POKES_PER_LOOK = 16;

export class Poller {
  private readonly ports: PollPorts;
  private readonly limits: PollLimits;
  private readonly turned = () => this.turn();
  private polling = false;
  /** Since the last turn. */
  private poked = false;
  /** Nothing has come since this time. */
  private sinceMs = 0;
  private turnedMs = 0;
  private empty = 0;
  private score = SCORE_MAX / 2;
  private restMs: number;
  private restUntilMs = Number.NEGATIVE_INFINITY;
  private pokes = 0;

  constructor(ports: PollPorts, limits: PollLimits) {
    this.ports = ports;
    this.limits = limits;
    this.restMs = limits.restMsMin;
  }

  get isPolling(): boolean {
    return this.polling;
  }

  /** Work was done. Cheap; to be called for every event of a socket. */
  poke(): void {
    this.poked = true;
    if (this.polling || !this.ports.isSpare()) return;
    if (this.score === 0) {
      if (++this.pokes % POKES_PER_LOOK !== 0 || this.ports.nowMs() < this.restUntilMs) return;
      this.score = SCORE_MAX / 2;
    }
    this.polling = true;
    this.empty = 0;
    this.ports.nextTurn(this.turned);
  }

  private turn(): void {
    const { nowMs, yieldNow, nextTurn, isSpare, onLooked } = this.ports;
    if (this.poked) {
      this.poked = false;
      if (this.empty > 0) this.found();
      this.empty = 0;
      if (!isSpare()) {
        this.polling = false;
        return;
      }
      this.sinceMs = this.turnedMs = nowMs();
    } else {
      yieldNow();
      this.empty++;
      const before = this.turnedMs;
      this.turnedMs = nowMs();
      const turnMs = this.turnedMs - before;
      const isTaken = turnMs > this.limits.turnMsMax;
      if (!isTaken) onLooked(turnMs);
      if (isTaken || this.turnedMs - this.sinceMs >= this.limits.windowMs) {
        this.failed(turnMs > this.limits.stolenMs);
        return;
      }
    }
    nextTurn(this.turned);
  }

  private found(): void {
    this.score = Math.min(SCORE_MAX, this.score + 1);
  }

  private failed(isStolen: boolean): void {
    this.polling = false;
    this.score = isStolen ? 0 : this.score - 1;
    if (this.score > 0) return;
    const { restMsMin, restMsMax } = this.limits;
    const lastedMs = this.turnedMs - this.restUntilMs;
    this.restMs = lastedMs > WORTH * this.restMs ? restMsMin : Math.min(restMsMax, 2 * this.restMs);
    this.restUntilMs = this.turnedMs + this.restMs;
  }
}

/** Null where a worker does not poll, or has no way to yield. */
export function openPoller(pollUs: number, isSpare: () => boolean, onLooked: (ms: number) => void): Poller | null {
  if (pollUs === 0) return null;
  const yieldNow = loadFunction<() => number>('int sched_yield()');
  if (yieldNow === null) return null;
  const ports = { nowMs: () => performance.now(), yieldNow, nextTurn: setImmediate, isSpare, onLooked };
  return new Poller(ports, { ...defaults, windowMs: pollUs / 1_000 });
}
