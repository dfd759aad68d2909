/** How late the change stream is, over time: mostly a little, sometimes beyond max_staleness, seldom by seconds. */
import type { Random } from './random.ts';

/** Milliseconds of delay as a function of the monotonic time; a new one every half second or so. */
export function lateness(random: Random, delayMsMax: number): () => number {
  let untilMs = Number.NEGATIVE_INFINITY;
  let delayMs = 0;
  return () => {
    const nowMs = performance.now();
    if (nowMs < untilMs) return delayMs;
    untilMs = nowMs + 200 + random.next() * 600;
    const kind = random.next();
    const share =
      kind < 0.3 ? 0 : kind < 0.8 ? random.next() * 0.08 : kind < 0.95 ? random.next() * 0.3 : random.next();
    delayMs = share * delayMsMax;
    return delayMs;
  };
}
