/**
 * Takes dead entries out of the store, a slice at a time with a turn of the event loop in between: a million of them must not keep the thread
 * from changes and offers. They are dead before, so nobody waits for it; what it gives back is memory.
 */
import type { CacheStore } from './store.ts';

export class Sweeper {
  readonly #store: Pick<CacheStore, 'clearSlice'>;
  readonly #isDead: (block: number) => boolean;
  /** The pass under way, and the one that follows it. */
  #pass: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(store: Pick<CacheStore, 'clearSlice'>, isDead: (block: number) => boolean) {
    this.#store = store;
    this.#isDead = isDead;
  }

  /** Resolves when every entry that is dead now is out. */
  sweepDead(): Promise<void> {
    if (this.#pass === null) return this.#begin();
    // That one has passed some slots by already; one more serves all who ask meanwhile.
    this.#next ??= this.#pass.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  /** Resolves when every entry of now is out, dead or not. */
  sweepAll(): Promise<void> {
    return this.#run(() => true);
  }

  #begin(): Promise<void> {
    const pass = this.#run(this.#isDead).then(() => {
      if (this.#pass === pass) this.#pass = null;
    });
    this.#pass = pass;
    return pass;
  }

  async #run(mustGo: (block: number) => boolean): Promise<void> {
    for (let slot = 0; ; ) {
      slot = this.#store.clearSlice(slot, mustGo);
      if (slot < 0) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
