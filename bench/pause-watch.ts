/**
 * Preload that tells how long each thread of a process kept its event loop from turning, to the bench (`load/pauses.ts`):
 *
 *   PGFRESH_PAUSES=/tmp/p node --import=./bench/pause-watch.ts bin/pgfresh.js serve …
 *
 * Each thread writes /tmp/p/THREAD.json several times a second; a new word in /tmp/p/phase begins a new maximum. Two figures: the longest time
 * between two turns by the clock, which on a busy machine is mostly waiting for a processor, and the most processor time of
 * the thread itself between two turns, which is its own doing whoever else runs.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isMainThread, threadId, threadName } from 'node:worker_threads';

const tickMs = 2;
const publishMs = 200;
const folder = process.env.PGFRESH_PAUSES;

function readPhase(from: string): string {
  try {
    return readFileSync(`${from}/phase`, 'utf8');
  } catch {
    return ''; // none was begun
  }
}

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

function watch(into: string): void {
  const name = isMainThread ? 'main' : (threadName ?? `thread-${threadId}`);
  let phase = readPhase(into);
  let [lastMs, lastCpuMs, publishedMs] = [performance.now(), cpuMs(), 0];
  let [pauseMs, busyMs] = [0, 0];
  const timer = setInterval(() => {
    const [nowMs, nowCpuMs] = [performance.now(), cpuMs()];
    pauseMs = Math.max(pauseMs, nowMs - lastMs - tickMs);
    busyMs = Math.max(busyMs, nowCpuMs - lastCpuMs);
    [lastMs, lastCpuMs] = [nowMs, nowCpuMs];
    if (nowMs - publishedMs < publishMs) return;
    publishedMs = nowMs;
    const current = readPhase(into);
    if (current !== phase) [phase, pauseMs, busyMs] = [current, 0, 0];
    writeFileSync(`${into}/${name}.tmp`, JSON.stringify({ phase, pauseMs, busyMs }));
    renameSync(`${into}/${name}.tmp`, `${into}/${name}.json`);
    // Writing is not what is watched.
    [lastMs, lastCpuMs] = [performance.now(), cpuMs()];
  }, tickMs);
  timer.unref();
}

if (folder !== undefined) watch(folder);
