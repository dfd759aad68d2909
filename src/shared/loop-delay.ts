/**
 * How long a thread's event loop was kept from turning: the pauses that its sessions feel. Measured by a timer that should fire every
 * `RESOLUTION_MS` (node:perf_hooks, monitorEventLoopDelay); shorter pauses do not show.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
const PUBLISH_MS = 1_000;
/** A pause is shown for one to two windows, so that a scrape does not miss it. */
const WINDOW_MS = 30_000;

export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

const none: LoopDelay = { p99Ms: 0, maxMs: 0 };

/** The histogram counts from one firing to the next. */
const beyondResolution = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);

function read(histogram: ReturnType<typeof monitorEventLoopDelay>): LoopDelay {
  if (histogram.count === 0) return none;
  return { p99Ms: beyondResolution(histogram.percentile(99)), maxMs: beyondResolution(histogram.max) };
}

/** Publishes the worse of this window and the last one every second, for as long as the thread lives; keeps no thread alive. Returns what ends it. */
export function watchLoopDelay(publish: (delay: LoopDelay) => void): () => void {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let before = none;
  let ticks = 0;
  const timer = setInterval(() => {
    const now = read(histogram);
    publish({ p99Ms: Math.max(before.p99Ms, now.p99Ms), maxMs: Math.max(before.maxMs, now.maxMs) });
    if (++ticks % (WINDOW_MS / PUBLISH_MS) !== 0) return;
    before = now;
    histogram.reset();
  }, PUBLISH_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    histogram.disable();
  };
}
