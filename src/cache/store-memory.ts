/** How the memory of a store is divided into header, index and blocks; written to the header once. */
import { BUCKET_WORDS } from '../shared/memory/index-reader.ts';
import { BLOCK_UNIT_BYTES, BUCKET_SLOTS, STORE_HEADER_BYTES, Store } from '../shared/memory/layout.ts';

/**
 * Memory per index slot: one slot at least for each so many bytes. The smallest useful entry (a primary-key SELECT with one
 * short row) takes 192, so the index fills up before the memory only for entries smaller than that. Power of two
 * rounding makes the index 4 to 8 % of the memory.
 */
const SLOT_BYTES_MAX = 192;
/** Room for header, a small index and some blocks. */
const MEMORY_BYTES_MIN = 64 * 1024;

/** @throws RangeError when there is no room for blocks. */
export function createStoreMemory(options: {
  readonly generation: number;
  readonly memoryBytes: number;
  readonly buckets?: number;
}): SharedArrayBuffer {
  const bytes = options.memoryBytes - (options.memoryBytes % BLOCK_UNIT_BYTES);
  if (!(bytes >= MEMORY_BYTES_MIN)) throw new RangeError(`a store needs ${MEMORY_BYTES_MIN} bytes, not ${bytes}`);
  const buckets = options.buckets ?? bucketCount(bytes);
  const blocksStart = (STORE_HEADER_BYTES + buckets * BUCKET_WORDS * 4) / BLOCK_UNIT_BYTES;
  const blocksEnd = bytes / BLOCK_UNIT_BYTES;
  if (blocksStart >= blocksEnd) throw new RangeError(`${buckets} buckets leave no room in ${bytes} bytes`);
  const memory = new SharedArrayBuffer(bytes);
  const words = new Int32Array(memory);
  words[Store.GENERATION] = options.generation;
  words[Store.RECLAIM_EPOCH] = 1;
  words[Store.BUCKETS] = buckets;
  words[Store.BLOCKS_START] = blocksStart;
  words[Store.BLOCKS_END] = blocksEnd;
  return memory;
}

function bucketCount(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes / (SLOT_BYTES_MAX * BUCKET_SLOTS)));
}
