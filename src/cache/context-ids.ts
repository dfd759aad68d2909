/**
 * Numbers of contexts. The lowest bits are the slot of the context's database, so that an offer, a verdict and an entry (whose key begins
 * with the number) say which database they belong to. No number is given twice within a generation, also when a slot gets another database.
 */
import type { StoreReader } from '../shared/memory/index-reader.ts';
import { DATABASE_SLOTS } from '../shared/memory/layout.ts';

export class ContextIds {
  #count = 0;

  next(databaseSlot: number): number {
    return ++this.#count * DATABASE_SLOTS + databaseSlot;
  }
}

export const databaseSlotOf = (contextId: number): number => contextId % DATABASE_SLOTS;

/** The slot of the database that an entry belongs to. */
export function databaseSlotOfBlock(reader: StoreReader, block: number): number {
  return databaseSlotOf(reader.bytesOf(block).readUInt32BE(reader.keyOffset(block)));
}
