/** Random operations against a model; every structural invariant is verified after each. Replay: PGFRESH_SEED=n. */
import { expect, it } from 'vitest';
import { enterEpoch, leaveEpoch } from '../../src/shared/memory/epochs.ts';
import { epochWord } from '../../src/shared/memory/layout.ts';
import { seededRandom } from '../model/random.ts';
import { clearStore, createStore, hashOf, numberedEntry, numberedKey, readFrames } from '../support/store.ts';

const seeds = process.env['PGFRESH_SEED'] ? [Number(process.env['PGFRESH_SEED'])] : [1, 2, 3, 4].map((n) => n * 7919);
const KEYS = 300;
const STEPS = 2500;

/** Sizes as answers have them: mostly small, some large, a few as large as a quarter of the store. */
function randomLength(random: () => number): number {
  const kind = random();
  if (kind < 0.7) return 12 + Math.floor(random() * 400);
  return 12 + Math.floor(random() * (kind < 0.97 ? 6000 : 30_000));
}

class Model {
  /** Block and frames of each key that must be there. */
  readonly byKey = new Map<number, { block: number; frames: Buffer }>();
  readonly keyOf = new Map<number, number>();

  add(id: number, block: number, frames: Buffer): void {
    this.byKey.set(id, { block, frames });
    this.keyOf.set(block, id);
  }

  drop(block: number): void {
    const id = this.keyOf.get(block);
    expect(id, `block ${block} left twice or never came`).toBeDefined();
    this.keyOf.delete(block);
    if (this.byKey.get(id!)?.block === block) this.byKey.delete(id!);
  }
}

it.each(seeds)('agrees with a map through random operations (seed %i)', (seed) => {
  const random = seededRandom(seed).next;
  const model = new Model();
  const made = createStore({
    memoryBytes: 128 * 1024,
    // Half of the seeds: an index that is full before the memory.
    ...(seed % 2 === 0 ? { buckets: 8 } : {}),
    removed: (block) => model.drop(block),
  });
  const { store, control } = made;
  let refused = 0;
  for (let step = 0; step < STEPS; step++) {
    const id = Math.floor(random() * KEYS);
    const what = random();
    if (what < 0.7) {
      const entry = numberedEntry(id, step, randomLength(random), [step & 1023, 7]);
      const block = store.insert(entry);
      if (block === 0) refused++;
      else model.add(id, block, Buffer.from(entry.frames));
    } else if (what < 0.85) {
      const known = model.byKey.get(id);
      if (known !== undefined) store.remove(known.block);
    } else if (what < 0.9) {
      const word = epochWord(Math.floor(random() * 64));
      if (random() < 0.3) enterEpoch(control, word, store.words);
      else for (let slot = 0; slot < 64; slot++) leaveEpoch(control, epochWord(slot));
    } else if (what < 0.998) {
      const known = model.byKey.get(id);
      if (known !== undefined) store.reader.markVisited(known.block);
    } else {
      const before = model.byKey.size;
      expect(clearStore(store)).toBe(before);
    }
    store.check();
    expect(store.statistics().entries).toBe(model.byKey.size);
    const found = store.find(hashOf(numberedKey(id)), numberedKey(id));
    const known = model.byKey.get(id);
    expect(found, `step ${step}, key ${id}`).toBe(known?.block ?? 0);
    if (known !== undefined && !readFrames(store, found).equals(known.frames))
      expect.fail(`step ${step}: other frames`);
  }
  for (const [id, { block, frames }] of model.byKey) {
    expect(store.find(hashOf(numberedKey(id)), numberedKey(id))).toBe(block);
    expect(readFrames(store, block).equals(frames)).toBe(true);
  }
  expect(refused).toBeLessThan(STEPS / 2);
});
