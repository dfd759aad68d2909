/** What the threads of a pgfresh that was started with `pause-watch.ts` tell of themselves. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface Pause {
  /** Longest time between two turns of the event loop, by the clock: other programs count. */
  readonly pauseMs: number;
  /** Most processor time of the thread itself between two turns. */
  readonly busyMs: number;
}

const pollMs = 50;
const waitMsMax = 10_000;

export class PauseWatch {
  readonly #folder: string;
  #phases = 0;

  /** @param folder - what `PGFRESH_PAUSES` names. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What was seen so far counts no more. Resolves when every thread has heard. */
  async begin(): Promise<void> {
    const phase = `phase ${++this.#phases}`;
    writeFileSync(path.join(this.#folder, 'phase'), phase);
    const endMs = performance.now() + waitMsMax;
    while (!this.#records().every((record) => record.phase === phase)) {
      if (performance.now() > endMs) throw new Error('a thread does not tell of its pauses');
      await delay(pollMs);
    }
  }

  /** The worst since `begin`, by thread: "main", "cache", "worker-1". */
  read(): ReadonlyMap<string, Pause> {
    return new Map(this.#records().map(({ thread, pauseMs, busyMs }) => [thread, { pauseMs, busyMs }]));
  }

  #records(): (Pause & { readonly thread: string; readonly phase: string })[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => ({
        ...(JSON.parse(readFileSync(path.join(this.#folder, name), 'utf8')) as Pause & { phase: string }),
        thread: name.slice(0, -'.json'.length),
      }));
  }
}
