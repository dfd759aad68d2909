/** Which rounds an answer needs before it may be given. */
import type { Consistency } from '../shared/config.ts';
import { type ControlWords, startedRound } from '../shared/memory/control.ts';
import { databaseRound, entryRound } from '../shared/memory/fences.ts';
import type { AttachedCache } from './cache-link.ts';
import type { SessionConsistency } from './consistency.ts';
import { askForNeededRound } from './fence.ts';
import type { Outcome } from './outcome.ts';
import type { Told } from './told.ts';

/**
 * An answer counts from the first round that began after it was given, at every level. That round found the catalog as it was when the statement
 * was analysed (C6: a policy made meanwhile would make it another's answer), and whatever else its snapshot showed is in the cache (C18).
 * Where the origin has told the client of the statement's columns, it counts from the first round that began after that, for the same reason (C7).
 * @param told null: the columns come with the answer
 * @param freshRound loaded before the entry was looked for (C19)
 * @returns the round that it lacks, which is asked for; 0: none
 */
export function lackedRound(
  control: ControlWords,
  cache: AttachedCache,
  consistency: SessionConsistency,
  level: Consistency,
  told: Told | null,
  freshRound: number,
  block: number,
): number {
  const { reader, databaseFence } = cache;
  const confirming = Math.max(reader.filledRound(block), told === null ? 0 : toldRound(control, told));
  const asksFences = consistency.asksFences(level, freshRound);
  const needed = consistency.neededRound(level, asksFences ? entryRound(control, reader, block, databaseFence) : 0);
  if (freshRound >= needed && freshRound >= confirming && cache.isSameEpoch) return 0;
  const lacked = Math.max(needed, confirming, 1);
  askForNeededRound(control, lacked, consistency, cache);
  return lacked;
}

/** No round beyond the next one can be needed: one that is was read before rounds were numbered anew. */
function toldRound(control: ControlWords, told: Told): number {
  if (told.round > startedRound(control) + 1) told.round = startedRound(control) + 1;
  return told.round;
}

/** An answer that the origin has just given somebody else shows every write; but after one to unknown tables, which may have been DDL, the statement may be another. */
export function sharedOutcome(control: ControlWords, cache: AttachedCache, freshRound: number): Outcome {
  return freshRound >= databaseRound(control, cache.databaseFence) ? 'served' : 'cache.fenced';
}
