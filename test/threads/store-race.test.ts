/** Readers in real threads against a writer that never rests. Seeds are printed; PGFRESH_SEED=n replays the operations. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';
import { seededRandom } from '../model/random.ts';
import { clearStore, createStore, hashOf, numberedEntry, numberedKey, type TestStore } from '../support/store.ts';
import type { ReaderData } from './fixtures/store-reader.ts';
import { TALLY_BYTES, Tally } from './fixtures/store-tally.ts';

const KEYS = 500;
const READERS = 3;
const seed = Number(process.env['PGFRESH_SEED'] ?? 20_260_727);

let stop: () => Promise<void> = async () => {};
afterEach(() => stop());

/** Starts readers of a store; `stop` ends them. Resolves once all are reading. */
async function startReaders({ store, control }: TestStore): Promise<Int32Array<SharedArrayBuffer>> {
  const tally = new SharedArrayBuffer(TALLY_BYTES);
  const counts = new Int32Array(tally);
  const readers = Array.from({ length: READERS }, (_, workerSlot) => {
    const workerData: ReaderData = { store: store.memory, control: control.buffer, tally, workerSlot, keys: KEYS };
    return new Worker(new URL('./fixtures/store-reader.ts', import.meta.url), { workerData });
  });
  const ended = readers.map((reader) => once(reader, 'exit'));
  stop = async () => {
    Atomics.store(counts, Tally.STOP, 1);
    await Promise.all(ended);
    stop = async () => {};
  };
  await Promise.all(readers.map((reader) => once(reader, 'message')));
  return counts;
}

/** One of: insert or replace (most), remove, insert of something large. */
function mutate({ store }: TestStore, random: () => number, step: number): void {
  const id = Math.floor(random() * KEYS);
  const what = random();
  if (what < 0.15) {
    const block = store.find(hashOf(numberedKey(id)), numberedKey(id));
    if (block !== 0) store.remove(block);
    return;
  }
  const length = 12 + Math.floor(random() * (what < 0.97 ? 600 : 20_000));
  store.insert(numberedEntry(id, step, length));
}

/** Lets the writer work until `enough` holds; it yields now and then so that the deadline of the test can fire. */
async function writeUntil(made: TestStore, random: () => number, enough: () => boolean): Promise<void> {
  let step = 0;
  while (!enough()) {
    for (let i = 0; i < 500; i++) mutate(made, random, step++);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it(`no reader sees a torn or recycled answer (seed ${seed})`, async () => {
  const made = createStore({ memoryBytes: 96 * 1024 });
  const counts = await startReaders(made);
  await writeUntil(
    made,
    seededRandom(seed).next,
    () =>
      Atomics.load(counts, Tally.TORN) > 0 ||
      (counts[Tally.HITS]! > 300_000 && made.store.statistics().evicted > 20_000),
  );
  await stop();
  made.store.check();
  expect(counts[Tally.TORN]).toBe(0);
  // Nothing stays behind: with all readers gone every retired block can be had again.
  clearStore(made.store);
  expect(made.store.insert(numberedEntry(1, 1, made.store.statistics().bytesMax - 200))).not.toBe(0);
  made.store.check();
});

it('the proof notices when memory is reused under its readers', async () => {
  const made = createStore({ memoryBytes: 96 * 1024, ignoreReaders: true });
  const counts = await startReaders(made);
  await writeUntil(made, seededRandom(seed).next, () => Atomics.load(counts, Tally.TORN) > 0);
  await stop();
  expect(counts[Tally.TORN]).toBeGreaterThan(0);
});
