/**
 * Preload that profiles every thread of a process (only the `--import=FILE` form reaches threads):
 *
 *   PGFRESH_PROFILE=/tmp/p node --import=./bench/profile/preload.ts bin/pgfresh.js serve …
 *   touch /tmp/p/go; … load …; rm /tmp/p/go      writes /tmp/p/THREAD.cpuprofile, for Chrome or bench/profile/top-functions.ts
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { isMainThread, threadId, threadName } from 'node:worker_threads';

const pollMs = 100;
const intervalUs = 200;
const folder = process.env.PGFRESH_PROFILE;

function watch(into: string): void {
  const name = isMainThread ? 'main' : (threadName ?? `thread-${threadId}`);
  const session = new Session();
  session.connect();
  let running = false;
  const timer = setInterval(() => {
    const wanted = existsSync(`${into}/go`);
    if (wanted === running) return;
    running = wanted;
    if (wanted) {
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval: intervalUs });
      session.post('Profiler.start');
      return;
    }
    session.post('Profiler.stop', (error, { profile }) => {
      if (error !== null) return;
      // Whoever waits for the file finds it whole.
      writeFileSync(`${into}/${name}.tmp`, JSON.stringify(profile));
      renameSync(`${into}/${name}.tmp`, `${into}/${name}.cpuprofile`);
    });
  }, pollMs);
  timer.unref();
}

if (folder !== undefined) watch(folder);
