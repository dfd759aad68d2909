/** How late the change stream is, over time: mostly a little, sometimes beyond max_staleness, seldom by seconds. */
import type { Random } from './random.ts';

/**
 * Milliseconds of delay as a function of the monotonic time; a new one every half second or so.
 * @param calmMs from the first message on it is late by little only, so that something can become fresh and be hit
 */
export function lateness(random: Random, delayMsMax: number, calmMs = 0): () => number {
  let calmUntilMs: number | null = null;
  let untilMs = Number.NEGATIVE_INFINITY;
  let delayMs = 0;
  return () => {
    const nowMs = performance.now();
    if (nowMs < untilMs) return delayMs;
    calmUntilMs ??= nowMs + calmMs;
    untilMs = nowMs + 200 + random.next() * 600;
    const kind = nowMs < calmUntilMs ? random.next() * 0.8 : random.next();
    const share =
      kind < 0.3 ? 0 : kind < 0.8 ? random.next() * 0.08 : kind < 0.95 ? random.next() * 0.3 : random.next();
    delayMs = share * delayMsMax;
    return delayMs;
  };
}
