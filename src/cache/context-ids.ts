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

  /** All numbers given so far are below it, all that follow are not. */
  get limit(): number {
    return (this.#count + 1) * DATABASE_SLOTS;
  }
}

export const databaseSlotOf = (contextId: number): number => contextId % DATABASE_SLOTS;

/** The context that an entry was admitted in: its key begins with it. */
export function contextIdOfBlock(reader: StoreReader, block: number): number {
  return reader.bytesOf(block).readUInt32BE(reader.keyOffset(block));
}
