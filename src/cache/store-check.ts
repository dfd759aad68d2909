/** What must hold of a store's structure at any moment between two calls. For tests and post-mortems. */

import type { RetiredBlocks } from '../shared/memory/epochs.ts';
import { INDEX_WORD, type StoreReader, secondBucket } from '../shared/memory/index-reader.ts';
import { Block, BUCKET_SLOTS, Store } from '../shared/memory/layout.ts';
import type { SegregatedFit } from './allocator.ts';
import { entryOf, unitsOf } from './block.ts';
import type { EntryNumbers } from './entry-numbers.ts';
import type { EvictionPolicy } from './policy.ts';

export interface StoreParts {
  readonly reader: StoreReader;
  readonly blocks: SegregatedFit;
  readonly retired: RetiredBlocks;
  readonly policy: EvictionPolicy;
  readonly numbers: EntryNumbers;
  readonly entries: number;
  readonly liveUnits: number;
  readonly retiredUnits: number;
}

function ensure(holds: boolean, message: string): void {
  if (!holds) throw new Error(`store: ${message}`);
}

/** @throws Error naming the first broken invariant. */
export function checkStore(parts: StoreParts): void {
  const { used, free } = walkMemory(parts);
  const live = checkIndex(parts, used);
  const queued = new Set<number>();
  parts.policy.check((entry) => void queued.add(entry));
  ensure(queued.size === live.size, `${queued.size} entries in the queue, ${live.size} in the index`);
  for (const block of live.values()) {
    const entry = entryOf(parts.reader, block);
    ensure(parts.numbers.blockOf(entry) === block, `block ${block} has number ${entry}, which is another block's`);
    ensure(queued.has(entry), `entry ${entry} is not in the queue`);
  }
  checkRetired(parts, used, new Set(live.values()));
  parts.blocks.check((unit, units) => {
    ensure(free.get(unit) === units, `free run ${unit} is listed with ${units} units, not ${free.get(unit)}`);
    free.delete(unit);
  });
  ensure(free.size === 0, `${free.size} free runs are not listed`);
}

/** Every unit up to the tail belongs to exactly one used block or one free run, and no two free runs touch. */
function walkMemory(parts: StoreParts): { used: Map<number, number>; free: Map<number, number> } {
  const { blocks, reader } = parts;
  const used = new Map<number, number>();
  const free = new Map<number, number>();
  let freeBefore = false;
  let unit = blocks.first;
  while (unit < blocks.tail) {
    const freeUnits = blocks.freeRun(unit);
    ensure(!(freeBefore && freeUnits > 0), `free runs touch at ${unit}`);
    freeBefore = freeUnits > 0;
    const units = freeBefore ? freeUnits : unitsOf(reader, unit);
    ensure(units > 0, `nothing begins at ${unit}`);
    (freeBefore ? free : used).set(unit, units);
    unit += units;
  }
  ensure(unit === blocks.tail && unit <= blocks.end, `the last block ends at ${unit}, not at the tail`);
  ensure(!freeBefore, 'a free run touches the tail');
  return { used, free };
}

/** Every slot points to a used block of its hash, in one of its two buckets, with a key that no other slot has. */
function checkIndex(parts: StoreParts, used: Map<number, number>): Map<number, number> {
  const { reader } = parts;
  const buckets = reader.words[Store.BUCKETS]!;
  const live = new Map<number, number>();
  const keys = new Set<string>();
  let units = 0;
  for (let slot = 0; slot < buckets * BUCKET_SLOTS; slot++) {
    const block = reader.words[INDEX_WORD + 2 * slot + 1]!;
    if (block === 0) continue;
    const hash = reader.words[INDEX_WORD + 2 * slot]!;
    ensure(used.has(block), `slot ${slot} points to ${block}, where no block is`);
    ensure(reader.word(block, Block.HASH) === hash, `slot ${slot} has another tag than its block`);
    const bucket = Math.floor(slot / BUCKET_SLOTS);
    const rightBucket = bucket === (hash & (buckets - 1)) || bucket === secondBucket(hash, buckets - 1);
    ensure(rightBucket, `slot ${slot} is in a bucket that its hash does not choose`);
    const at = reader.keyOffset(block);
    const key = reader.bytesOf(block).toString('latin1', at, at + reader.word(block, Block.KEY_BYTES));
    ensure(!keys.has(key), `slot ${slot} has a key that another slot has`);
    keys.add(key);
    live.set(slot, block);
    units += used.get(block)!;
  }
  ensure(live.size === parts.entries, `${live.size} entries in the index, ${parts.entries} counted`);
  ensure(units === parts.liveUnits, `${units} units of entries, ${parts.liveUnits} counted`);
  ensure(new Set(live.values()).size === live.size, 'two slots point to one block');
  return live;
}

/** Every used block is an entry's or retired, never both. */
function checkRetired(parts: StoreParts, used: Map<number, number>, live: Set<number>): void {
  const retired = new Set<number>();
  let units = 0;
  parts.retired.forEach((block) => {
    ensure(used.has(block) && !live.has(block) && !retired.has(block), `retired block ${block} is in use or free`);
    retired.add(block);
    units += used.get(block)!;
  });
  ensure(units === parts.retiredUnits, `${units} retired units, ${parts.retiredUnits} counted`);
  ensure(live.size + retired.size === used.size, `${used.size - live.size - retired.size} blocks are lost`);
}
