/** Writing a block, and its size. Its layout: shared/memory/layout.ts. */
import type { StoreReader } from '../shared/memory/index-reader.ts';
import { BLOCK_UNIT_BYTES, Block, PIN_BIT } from '../shared/memory/layout.ts';
import type { NewEntry } from './store.ts';

const UNIT_WORDS = BLOCK_UNIT_BYTES / 4;

/** Units that a block takes with a key and frames of these lengths. */
export function blockUnits(keyBytes: number, framesBytes: number, fenceSlots: number): number {
  const bytes = 4 * (Block.HEADER_WORDS + fenceSlots) + ((keyBytes + 3) & ~3) + framesBytes;
  return Math.ceil(bytes / BLOCK_UNIT_BYTES);
}

/** Units of a block that was written. */
export function unitsOf(reader: StoreReader, block: number): number {
  return blockUnits(reader.word(block, Block.KEY_BYTES), reader.framesBytes(block), reader.fenceSlots(block));
}

/** Number of the entry whose block it is (`setEntryOf`). */
export function entryOf(reader: StoreReader, block: number): number {
  return reader.word(block, Block.ENTRY);
}

export function setEntryOf(reader: StoreReader, block: number, entry: number): void {
  reader.words[block * UNIT_WORDS + Block.ENTRY] = entry;
}

/** Fills memory that no reader has, to be published by an Atomics.store of the block's number. */
export function writeBlock(reader: StoreReader, block: number, entry: NewEntry): void {
  const { key, frames, fenceSlots } = entry;
  const { words } = reader;
  const at = block * UNIT_WORDS;
  words[at + Block.HASH] = entry.hash;
  words[at + Block.KEY_BYTES] = key.length;
  words[at + Block.FRAMES_BYTES] = frames.length;
  words[at + Block.VISITED] = entry.pin === true ? PIN_BIT : 0;
  words[at + Block.FILLED_ROUND] = entry.filledRound;
  words[at + Block.ADMISSION] = entry.admission ?? 0;
  words[at + Block.ROW_DESCRIPTION_BYTES] = entry.rowDescriptionBytes;
  words[at + Block.FENCE_PAIRS] = fenceSlots.length >>> 1;
  for (let i = 0; i < fenceSlots.length; i++) words[at + Block.HEADER_WORDS + i] = fenceSlots[i]!;
  const bytes = reader.bytesOf(block);
  bytes.set(key, reader.keyOffset(block));
  bytes.set(frames, reader.framesOffset(block));
}
