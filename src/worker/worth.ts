/**
 * Whether an answer is worth capturing (ADR-015). Keeping one costs the worker a copy and the cache thread an admission, which pays only
 * if it is asked for again. Each shape has a credit: an answer kept costs one, a hit brings `HIT_GAIN`.
 *
 *   credit > 0, room      first sight is enough           new shapes, and those whose answers are asked for again
 *   credit > −MAX         the key must have been asked for before, within about the last SEEN keys      scans, unique keys
 *   credit = −MAX         of those, one in PROBE_EVERY      answers that change before they are asked for again
 *
 * One in PROBE_EVERY is kept whatever the credit says, so that a shape whose luck turns earns its way back; one in RARE_PROBE_EVERY once
 * PATIENCE of them brought no hit: an answer kept costs some hundred times what a refusal does. No clock, no randomness: what is kept
 * follows from the order of statements alone.
 */
import { SHAPE_NUMBERS } from '../shared/memory/layout.ts';
import type { Reason } from '../shared/reasons.ts';

export const CREDIT_MAX = 1024;
/** More than half a hit for each answer kept is worth while: about what a miss costs more than a statement passed through. */
export const HIT_GAIN = 2;
export const PROBE_EVERY = 64;
export const RARE_PROBE_EVERY = 1024;
/** Refusals since the last hit of the shape. */
export const PATIENCE = 64 * PROBE_EVERY;
/** Keys remembered: a direct-mapped table, half a megabyte a worker. */
const SEEN = 1 << 17;

export class Worth {
  private readonly credits = new Int32Array(SHAPE_NUMBERS).fill(CREDIT_MAX);
  private readonly seen = new Int32Array(SEEN);
  /** By shape, since its last hit. */
  private readonly refused = new Int32Array(SHAPE_NUMBERS);

  /** An answer of this shape was served from the cache. */
  hit(shape: number): void {
    const credit = this.credits[shape]!;
    if (this.refused[shape] !== 0) this.refused[shape] = 0;
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
    const refused = (this.refused[shape]! + 1) | 0;
    // Far below where the number would overflow, and still impatient.
    this.refused[shape] = refused >= 1 << 30 ? PATIENCE : refused;
    if (refused % (refused < PATIENCE ? PROBE_EVERY : RARE_PROBE_EVERY) === 0) return null;
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
