/**
 * Whether an answer is worth capturing (ADR-015). Keeping one costs the worker a copy and the cache thread an admission, which pays only
 * if it is asked for again. Each shape has a credit: an answer kept costs one, a hit brings `HIT_GAIN`.
 *
 *   credit > 0, room      first sight is enough           new shapes, and those whose answers are asked for again
 *   credit > −MAX         the key must have been asked for before, within about the last SEEN keys      scans, unique keys
 *   credit = −MAX         of those, one in PROBE_EVERY      answers that change before they are asked for again
 *
 * One in PROBE_EVERY is kept whatever the credit says, so that a shape whose luck turns earns its way back. No clock, no randomness: what is
 * kept follows from the order of statements alone.
 */
import { SHAPE_NUMBERS } from '../shared/memory/layout.ts';
import type { Reason } from '../shared/reasons.ts';

export const CREDIT_MAX = 1024;
/** More than half a hit for each answer kept is worth while: about what a miss costs more than a statement passed through. */
export const HIT_GAIN = 2;
export const PROBE_EVERY = 64;
/** Keys remembered: a direct-mapped table, half a megabyte a worker. */
const SEEN = 1 << 17;

export class Worth {
  private readonly credits = new Int32Array(SHAPE_NUMBERS).fill(CREDIT_MAX);
  private readonly seen = new Int32Array(SEEN);
  private refused = 0;

  /** An answer of this shape was served from the cache. */
  hit(shape: number): void {
    const credit = this.credits[shape]!;
    if (credit < CREDIT_MAX) this.credits[shape] = credit + HIT_GAIN;
  }

  /** Null: keep the answer to this key. A reason: it is only passed on. `isFull`: it would push another one out. */
  judge(shape: number, hash: number, isFull = false): Reason | null {
    const credit = this.credits[shape]!;
    if (credit > 0 && !isFull) {
      this.credits[shape] = credit - 1;
      return null;
    }
    const isKnown = this.see(hash);
    if (isKnown && credit > -CREDIT_MAX) {
      this.credits[shape] = credit - 1;
      return null;
    }
    this.refused = (this.refused + 1) % PROBE_EVERY;
    if (this.refused === 0) return null;
    return isKnown ? 'fill.changesTooOften' : 'fill.firstSight';
  }

  /** Remembers the key; whether it was remembered. */
  private see(hash: number): boolean {
    const at = (hash ^ (hash >>> 15)) & (SEEN - 1);
    const isKnown = this.seen[at] === hash;
    this.seen[at] = hash;
    return isKnown;
  }
}
