/** Waiting for conditions instead of times: tests say what they wait for and fail with what they saw last. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Polls `condition` until it holds.
 * @throws Error naming `what`, with `context()` added, when the deadline has passed.
 */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
  context: () => string = () => '',
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms for ${what}\n${context()}`);
    await delay(20);
  }
}
