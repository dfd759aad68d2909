/** Raising fences for acknowledged writes (C15, C17). Called before the acknowledgement is passed on. */
import {
  awaitRound,
  type ControlWords,
  confirmByRound,
  passBehind,
  startedRound,
  wantRound,
  wishRound,
} from '../shared/memory/control.ts';
import { raiseDatabaseFence, raiseFences, raisePointFences } from '../shared/memory/fences.ts';
import type { AttachedCache } from './cache-link.ts';
import type { SessionConsistency } from './consistency.ts';
import type { DatabaseLink } from './database-links.ts';
import type { Written } from './transaction.ts';

/**
 * STARTED_ROUND is read now, after the acknowledgement arrived: any later round begins after the commit was flushed, so
 * it sees it. Raises what was written and the session's floor. Nobody waits for that round yet, so it is only wished for: a round costs the
 * origin as much as several writes, and whoever reads behind the fence asks for it at once (ADR-015).
 */
export function fenceWrites(
  control: ControlWords,
  written: Written,
  consistency: SessionConsistency,
  { hash, cache }: Pick<DatabaseLink, 'hash' | 'cache'>,
  faults: readonly string[],
): void {
  const round = startedRound(control) + 1;
  if (written.isUnknown) raiseDatabaseFence(control, hash, round);
  const now = cache === null ? null : { generation: cache.generation, catalogVersion: cache.reader.catalogVersion() };
  for (const [relation, slots] of written.rows(now)) {
    if (slots === null) raiseFences(control, [relation], round);
    // Test-only: the checker must notice it.
    else if (!faults.includes('point')) for (const slot of slots) raisePointFences(control, relation, slot, round);
  }
  consistency.wrote(round);
  if (written.isOrder) consistency.raiseFloor(round);
  if (cache !== null && wishRound(cache.reader.words, cache.databaseSlot, round)) cache.outbox.nudge();
}

/** Asks the cache thread for a round of the database unless somebody has: a reader waits for it. */
export function askForRound(round: number, cache: AttachedCache | null): void {
  if (cache !== null && wantRound(cache.reader.words, cache.databaseSlot, round)) cache.outbox.nudge();
}

/** The same for a round that an entry or its session needs. One beyond the next is of before rounds were numbered anew. */
export function askForNeededRound(
  control: ControlWords,
  needed: number,
  consistency: SessionConsistency,
  cache: AttachedCache,
): void {
  const next = startedRound(control) + 1;
  consistency.lowerFloor(next);
  passBehind(cache.reader.words, cache.databaseSlot);
  askForRound(Math.min(needed, next), cache);
}

/** The same for one that statements stand still for. @param isFilled it is all that an answer lacks that is stored */
export function askForAwaitedRound(round: number, cache: AttachedCache, isFilled: boolean): void {
  const ask = isFilled ? confirmByRound : awaitRound;
  if (ask(cache.reader.words, cache.databaseSlot, round)) cache.outbox.nudge();
}
