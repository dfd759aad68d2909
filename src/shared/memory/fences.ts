/**
 * Fences: "an entry that read this must be as fresh as that write". A fence is a round number (layout.ts) in one of
 * FENCE_COUNT words of the control memory, found by hashing (table, kind). Two relations may share a word: the later
 * write then fences both, which costs a needless pass-through and never a stale answer.
 *
 *   write                         raises                             entry                     checks
 *   point (one key, C16)          (rel, point v) and (rel, notPoint) pointed at key v          (rel, point v) and (rel, all)
 *   any other                     (rel, all)                         any other                 (rel, notPoint) and (rel, all)
 *   tables unknown                the database's own                 every entry checks its database's too
 *
 * Every pair of a write and an entry that it could change meets in a word. Words only rise (C17), and outlive cache
 * generations. So they are numbered by what outlives them too: a table is known here as its oid mixed with a hash of the
 * database's name (`fencedTable`), whatever slot of the store the database has.
 */
import { isAscii } from '../constants.ts';
import { type ControlWords, raise } from './control.ts';
import { databaseFenceWord, FENCE_COUNT, FENCES } from './layout.ts';

const Kind = { all: 0x2545f491, notPoint: 0x6c078965, point: 0x1b873593 } as const;

/** The hash of a database by its name as clients give it (FNV-1a and an avalanche). */
export function databaseHash(name: string): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(name)) h = Math.imul(h ^ byte, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}

/** What a table is called by everybody who fences: `relation` below. */
export const fencedTable = (database: number, oid: number): number => database ^ oid;

function fenceSlot(seed: number, relation: number): number {
  let h = Math.imul(seed ^ relation, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h & (FENCE_COUNT - 1);
}

/** Slot of writes that may have changed any row of the relation. */
export const fenceSlotAll = (relation: number): number => fenceSlot(Kind.all, relation);

/** Slot of point writes as seen by entries that are not pointed at one key. */
export const fenceSlotNotPoint = (relation: number): number => fenceSlot(Kind.notPoint, relation);

/** Slot of writes to the row whose key has the canonical text `value[start, end)`. */
export function fenceSlotPoint(relation: number, value: Uint8Array, start: number, end: number): number {
  let h: number = Kind.point;
  for (let i = start; i < end; i++) h = Math.imul(h ^ value[i]!, 0x01000193);
  return fenceSlot(h, relation);
}

/**
 * Slot of writes to the row with this primary key, given in canonical text; null when the key is no point. Trailing blanks are left out:
 * storing cuts them off to the length of a varchar. Beyond ASCII the client's text and the server's may differ by more than bytes.
 */
export function fenceSlotKey(relation: number, key: readonly string[]): number | null {
  if (!key.every(isAscii)) return null;
  const bytes = Buffer.from(key.map(withoutTrailingBlanks).join('\0'), 'latin1');
  return fenceSlotPoint(relation, bytes, 0, bytes.length);
}

function withoutTrailingBlanks(text: string): string {
  let end = text.length;
  while (text[end - 1] === ' ') end--;
  return text.slice(0, end);
}

/** The slots of an entry that read these relations, pointed at no key: a pair per relation, as a block keeps them. */
export function entryFenceSlots(relations: readonly number[]): number[] {
  return relations.flatMap((relation) => [fenceSlotNotPoint(relation), fenceSlotAll(relation)]);
}

/** A write of unknown rows to these tables was acknowledged: entries that read them need `round`. */
export function raiseFences(control: ControlWords, relations: readonly number[], round: number): void {
  for (const relation of relations) raise(control, FENCES + fenceSlotAll(relation), round);
}

/** A point write was acknowledged. @param pointSlot `fenceSlotPoint` of the key written */
export function raisePointFences(control: ControlWords, relation: number, pointSlot: number, round: number): void {
  raise(control, FENCES + pointSlot, round);
  raise(control, FENCES + fenceSlotNotPoint(relation), round);
}

/** A write to tables unknown was acknowledged: every entry of the database needs `round`. @param database `databaseHash` */
export function raiseDatabaseFence(control: ControlWords, database: number, round: number): void {
  raise(control, databaseFenceWord(database), round);
}

/** The round that every entry of the database needs. */
export const databaseRound = (control: ControlWords, databaseFence: number): number =>
  Atomics.load(control, databaseFence);

/** What `entryRound` needs of a block; `StoreReader` has it. */
export interface FencedBlocks {
  fenceSlots(block: number): number;
  fenceSlot(block: number, i: number): number;
}

/**
 * The round that an answer from this block needs: the highest of its database's fence and the block's own. To be called last,
 * after the copy (C19): a write acknowledged before this load is then in it. The block must be held (`enterEpoch`).
 * @param databaseFence `databaseFenceWord` of its database
 */
export function entryRound(control: ControlWords, store: FencedBlocks, block: number, databaseFence: number): number {
  let round = Atomics.load(control, databaseFence);
  const slots = store.fenceSlots(block);
  for (let i = 0; i < slots; i++) {
    const fence = Atomics.load(control, FENCES + store.fenceSlot(block, i));
    if (fence > round) round = fence;
  }
  return round;
}

/** Whether a block may answer under `strong`, given FRESH_ROUND as loaded **before** the lookup and the session's floor. */
export function entryFresh(
  control: ControlWords,
  store: FencedBlocks,
  block: number,
  databaseFence: number,
  freshRound: number,
  floorRound: number,
): boolean {
  return freshRound >= floorRound && freshRound >= entryRound(control, store, block, databaseFence);
}
