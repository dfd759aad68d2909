/** The policy that was tried and left (ADR-002). */
import type { EvictionPolicy, PolicyEntries } from '../../src/cache/policy.ts';

/** The hand gives up clearing after so many entries and takes the next: a bound on one eviction, far above the mean. */
const HAND_STEPS_MAX = 4096;

/**
 * SIEVE (Zhang et al., NSDI 2024): one queue in order of insertion, and a hand that moves from old to new. It takes the
 * first entry that was not visited since it last came by, and forgives the others one visit. Visited entries do not move,
 * so a hit changes nothing but one word that readers may set without any order.
 *
 *   oldest ──newer──▶ · · · ▲hand · · · ──newer──▶ newest      beyond the newest the hand starts over at the oldest
 *
 * Links hold entry + 1, 0 = none, so that arrays never touched stay untouched.
 */
export class Sieve implements EvictionPolicy {
  readonly #visits: Pick<PolicyEntries, 'takeVisited'>;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = 0;
  #oldest = 0;
  #hand = 0;
  #count = 0;

  constructor(entriesMax: number, visits: Pick<PolicyEntries, 'takeVisited'>) {
    this.#visits = visits;
    this.#newer = new Int32Array(entriesMax);
    this.#older = new Int32Array(entriesMax);
  }

  admit(entry: number): void {
    this.#older[entry] = this.#newest;
    this.#newer[entry] = 0;
    if (this.#newest === 0) this.#oldest = entry + 1;
    else this.#newer[this.#newest - 1] = entry + 1;
    this.#newest = entry + 1;
    this.#count++;
  }

  remove(entry: number): void {
    const newer = this.#newer[entry]!;
    const older = this.#older[entry]!;
    if (this.#hand === entry + 1) this.#hand = newer;
    if (newer === 0) this.#newest = older;
    else this.#older[newer - 1] = older;
    if (older === 0) this.#oldest = newer;
    else this.#newer[older - 1] = newer;
    this.#newer[entry] = 0;
    this.#older[entry] = 0;
    this.#count--;
  }

  victim(): number {
    if (this.#count === 0) return -1;
    let at = this.#hand === 0 ? this.#oldest : this.#hand;
    for (let steps = 0; steps < HAND_STEPS_MAX && this.#visits.takeVisited(at - 1); steps++) {
      at = this.#newer[at - 1]!;
      if (at === 0) at = this.#oldest;
    }
    this.#hand = at;
    return at - 1;
  }

  check(visit: (entry: number) => void): void {
    let count = 0;
    let before = 0;
    let handSeen = this.#hand === 0;
    for (let at = this.#oldest; at !== 0; at = this.#newer[at - 1]!) {
      if (this.#older[at - 1] !== before) throw new Error(`queue: entry ${at - 1} does not point back`);
      if (++count > this.#count) throw new Error('queue: longer than counted');
      handSeen ||= at === this.#hand;
      visit(at - 1);
      before = at;
    }
    if (before !== this.#newest || count !== this.#count) throw new Error('queue: shorter than counted');
    if (!handSeen) throw new Error('queue: the hand points outside');
  }
}
