/** Profiles of a pgfresh that was started with `profile/preload.ts`. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CpuProfile } from '../profile/cpu-profile.ts';

const pollMs = 50;
const waitMsMax = 20_000;

export class Profiles {
  readonly #folder: string;

  /** @param folder - what `PGFRESH_PROFILE` names. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Every thread is profiled while `work` runs; the profiles of those asked for, by name ("worker-1", "cache"). */
  async during(threads: readonly string[], work: () => Promise<void>): Promise<ReadonlyMap<string, CpuProfile>> {
    const go = path.join(this.#folder, 'go');
    const fileOf = (thread: string): string => path.join(this.#folder, `${thread}.cpuprofile`);
    for (const thread of threads) rmSync(fileOf(thread), { force: true });
    writeFileSync(go, '');
    try {
      await work();
    } finally {
      rmSync(go);
    }
    const endMs = performance.now() + waitMsMax;
    while (!threads.every((thread) => existsSync(fileOf(thread)))) {
      if (performance.now() > endMs) throw new Error('a thread has not written its profile');
      await delay(pollMs);
    }
    return new Map(
      threads.map((thread) => [thread, JSON.parse(readFileSync(fileOf(thread), 'utf8')) as CpuProfile] as const),
    );
  }
}
