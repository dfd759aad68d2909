/**
 * Preload that profiles every thread of a process (only the `--import=FILE` form reaches threads):
 *
 *   PGFRESH_PROFILE=/tmp/p node --import=./bench/profiler.ts bin/pgfresh.js serve …
 *   touch /tmp/p/go; … load …; rm /tmp/p/go          writes /tmp/p/thread-N.cpuprofile, for Chrome or bench/top-functions.ts
 */
import { existsSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { threadId } from 'node:worker_threads';

const pollMs = 100;
const intervalUs = 200;
const folder = process.env.PGFRESH_PROFILE;

function watch(into: string): void {
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
      if (error === null) writeFileSync(`${into}/thread-${threadId}.cpuprofile`, JSON.stringify(profile));
    });
  }, pollMs);
  timer.unref();
}

if (folder !== undefined) watch(folder);
