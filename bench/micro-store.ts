/**
 * The store on its own, one thread: cost of a hit and of an insert, memory per entry, hit ratio of eviction policies.
 * `node bench/micro-store.ts [hits] [inserts] [evictions] [memory]`; without a word all of them. Figures: adr/002.
 */
import { CacheStore, type NewEntry } from '../src/cache/store.ts';
import { createControl, openControl } from '../src/shared/memory/control.ts';
import { enterEpoch, leaveEpoch } from '../src/shared/memory/epochs.ts';
import { entryFenceSlots, entryFresh } from '../src/shared/memory/fences.ts';
import { BUCKET_SLOTS, DATABASE_FENCES, epochWord, Store } from '../src/shared/memory/layout.ts';
import { extendHash, HASH_SEED, KeyForm, keyHash, preparedPrefix } from '../src/shared/query-key.ts';
import { seededRandom } from '../test/model/random.ts';
import { belady, lru, ours, type SimulationMaker, s3fifo, sieve } from './store/policies.ts';
import { driftTrace, loopTrace, scanTrace, sessionTrace, skewedTrace, type Trace } from './store/traces.ts';

const SEED = 1;
const control = openControl(createControl());
const text = Buffer.from('SELECT abalance FROM pgbench_accounts WHERE aid = $1');
const prefix = preparedPrefix(1, KeyForm.portal, text, [23]);
const prefixHash = extendHash(HASH_SEED, prefix, 0, prefix.length);
const FRAMES_BYTES = 61; // RowDescription of one int4, one DataRow, CommandComplete
const TAIL_BYTES = 18;
const fenceSlots = entryFenceSlots([16_400]);

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const elapsedNs = (since: bigint): number => Number(process.hrtime.bigint() - since);

/** Bind after its names: one format, one text parameter, one result format. */
function writeTail(tail: Buffer, id: number): void {
  tail.writeUInt32BE(0x00010000, 0);
  tail.writeUInt32BE(0x00010000, 4);
  tail.write(String(id).padStart(TAIL_BYTES - 8, '0'), 8, 'latin1');
}

function entryOf(id: number, frames: Buffer): NewEntry {
  const key = Buffer.alloc(prefix.length + TAIL_BYTES);
  key.set(prefix);
  writeTail(key.subarray(prefix.length), id);
  const hash = keyHash(prefixHash, key, prefix.length, key.length);
  return { hash, key, frames, rowDescriptionBytes: 33, filledRound: 1, fenceSlots };
}

function filledStore(entries: number, memoryBytes: number, framesBytes = FRAMES_BYTES): CacheStore {
  const store = new CacheStore({ generation: 1, memoryBytes, control, removed: () => {} });
  const frames = Buffer.alloc(framesBytes, 1);
  for (let id = 0; id < entries; id++) store.insert(entryOf(id, frames));
  return store;
}

/** One hit as a worker does it: hash of the tail, epoch, lookup, copy, visit, fences. Returns the bytes copied. */
function readOnce(store: CacheStore, tail: Buffer, target: Buffer): number {
  const { reader } = store;
  const hash = keyHash(prefixHash, tail, 0, tail.length);
  enterEpoch(control, epochWord(0), reader.words);
  const block = reader.find(hash, prefix, tail, 0, tail.length);
  let length = 0;
  if (block !== 0) {
    length = reader.copyFrames(block, target, 13, true);
    reader.markVisited(block);
    if (!entryFresh(control, reader, block, DATABASE_FENCES, 1, 0)) length = 0;
  }
  leaveEpoch(control, epochWord(0));
  return length;
}

function benchHits(): void {
  print('\nns per hit (hash of the tail, epoch, find, compare, copy, visit, fences), random keys');
  for (const [entries, memoryBytes] of [
    [1_000, 2 ** 20],
    [100_000, 2 ** 26],
    [1_000_000, 2 ** 28 + 2 ** 27],
  ] as const) {
    const store = filledStore(entries, memoryBytes);
    const random = seededRandom(SEED).next;
    const tails = Array.from({ length: 65_536 }, () => {
      const tail = Buffer.allocUnsafeSlow(TAIL_BYTES);
      writeTail(tail, Math.floor(random() * entries));
      return tail;
    });
    const target = Buffer.alloc(4096);
    let hits = 0;
    const rounds: number[] = [];
    for (let round = 0; round < 7; round++) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < 1 << 20; i++) if (readOnce(store, tails[i & 65_535]!, target) > 0) hits++;
      rounds.push(elapsedNs(start) / (1 << 20));
    }
    const found = store.statistics();
    const ns = rounds.sort((a, b) => a - b)[3]!;
    const ratio = ((100 * hits) / (7 << 20)).toFixed(1);
    print(`${String(found.entries).padStart(9)} entries  ${ns.toFixed(0).padStart(5)} ns   ${ratio} % found`);
  }
}

function benchInserts(): void {
  print('\nµs per insert, and how full the memory stays (sizes: lognormal around the median)');
  for (const [name, median, spread] of [
    ['one row', 61, 0],
    ['mixed, median 200 B', 200, 1.2],
    ['mixed, median 2 kB', 2000, 1.5],
  ] as const) {
    const memoryBytes = 64 * 2 ** 20;
    const store = new CacheStore({ generation: 1, memoryBytes, control, removed: () => {} });
    const random = seededRandom(SEED).next;
    const gauss = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const frames = Buffer.alloc(2 ** 20, 1);
    const entries = Array.from({ length: 20_000 }, () =>
      entryOf(0, frames.subarray(0, Math.min(2 ** 20, Math.ceil(median * Math.exp(spread * gauss()))))),
    );
    const keys = Math.ceil((3 * memoryBytes) / (entries.reduce((sum, e) => sum + e.frames.length + 200, 0) / 20_000));
    const step = (id: number): void => {
      const { key, hash } = entryOf(id, frames);
      if (store.insert({ ...entries[id % entries.length]!, key, hash }) === 0) refused++;
    };
    let refused = 0;
    for (let id = 0; id < keys; id++) step(id);
    const { evicted } = store.statistics();
    const keysOnly = process.hrtime.bigint();
    for (let id = 0; id < keys; id++) entryOf(id, frames);
    const keysNs = elapsedNs(keysOnly);
    const start = process.hrtime.bigint();
    for (let id = keys; id < 2 * keys; id++) step(id);
    const us = (elapsedNs(start) - keysNs) / keys / 1000;
    const now = store.statistics();
    store.check();
    const full = ((100 * now.bytes) / now.bytesMax).toFixed(1);
    const perInsert = ((now.evicted - evicted) / keys).toFixed(2);
    print(
      `${name.padEnd(22)} ${us.toFixed(2)} µs  ${full} % full  ${perInsert} evicted per insert  ${refused} refused`,
    );
  }
}

function benchEvictions(): void {
  const keyCount = 100_000;
  const length = 2_000_000;
  const policies: Record<string, SimulationMaker> = {
    lru: lru,
    sieve: sieve,
    ours: ours,
    's3-fifo 1 bit': s3fifo(1),
    's3-fifo 2 bits': s3fifo(3),
    optimal: belady,
  };
  const traces: Trace[] = [
    skewedTrace(keyCount, length, SEED),
    scanTrace(keyCount, length, SEED),
    driftTrace(keyCount, length, SEED),
    sessionTrace(keyCount, length, SEED),
    loopTrace(12_000, length),
  ];
  for (const share of [0.01, 0.1]) {
    const capacity = keyCount * share;
    print(`\nhit ratio in %, cache of ${capacity} of ${keyCount} keys, ${length} reads, seed ${SEED}`);
    print(
      `${''.padEnd(20)}${Object.keys(policies)
        .map((name) => name.padStart(16))
        .join('')}`,
    );
    for (const trace of traces) {
      const ratios = Object.values(policies).map((make) => hitRatio(make, trace, capacity));
      print(`${trace.name.padEnd(20)}${ratios.map((ratio) => (100 * ratio).toFixed(1).padStart(16)).join('')}`);
    }
  }
}

/** Over the second half of the trace, when every cache is warm. */
function hitRatio(make: SimulationMaker, { keys, keyCount }: Trace, capacity: number): number {
  const read = make(capacity, keys, keyCount);
  let hits = 0;
  for (let i = 0; i < keys.length; i++) if (read(keys[i]!, i) && i >= keys.length / 2) hits++;
  return hits / (keys.length / 2);
}

function benchMemory(): void {
  print('\nmemory of an entry with one row (key 89 bytes, frames 61 bytes)');
  const before = process.memoryUsage().rss;
  const memoryBytes = 2 ** 30;
  const empty = new CacheStore({ generation: 1, memoryBytes, control, removed: () => {} });
  print(`an empty store of 1 GiB touches ${((process.memoryUsage().rss - before) / 2 ** 20).toFixed(1)} MiB`);
  const frames = Buffer.alloc(FRAMES_BYTES, 1);
  for (let id = 0; id < 1_000_000; id++) empty.insert(entryOf(id, frames));
  const { entries, bytes } = empty.statistics();
  const booked = empty.books.bytes / entries;
  print(`${entries} entries: ${(bytes / entries - booked).toFixed(0)} bytes in blocks each, ${booked} booked`);
  const slots = empty.words[Store.BUCKETS]! * BUCKET_SLOTS;
  print(`${slots} slots: 8 bytes of index each`);
}

const parts = { hits: benchHits, inserts: benchInserts, evictions: benchEvictions, memory: benchMemory };
const chosen = process.argv.slice(2);
for (const [name, run] of Object.entries(parts)) if (chosen.length === 0 || chosen.includes(name)) run();
