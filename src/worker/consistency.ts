/**
 * A session's consistency level and floor, and the statements about them that the proxy answers itself:
 *
 *   SET [SESSION | LOCAL] pgfresh.consistency { = | TO } { level | DEFAULT } · RESET pgfresh.consistency · SHOW pgfresh.consistency
 */
import type { CarriedConsistency } from '../shared/baggage.ts';
import { type Consistency, ConsistencyLevels } from '../shared/config.ts';

export type LevelCommand =
  | { readonly kind: 'set'; readonly value: string | null; readonly local: boolean }
  | { readonly kind: 'show' };

const name = String.raw`(?:pgfresh\.consistency|"pgfresh"\."consistency"|"pgfresh\.consistency")`;
const setPattern = new RegExp(
  String.raw`^\s*set\s+(?:(session|local)\s+)?${name}\s*(?:=|\s+to\s)\s*(?:'([^']*)'|"([^"]*)"|([\w.]+))\s*;?\s*$`,
  'i',
);
const resetPattern = new RegExp(String.raw`^\s*reset\s+${name}\s*;?\s*$`, 'i');
const showPattern = new RegExp(String.raw`^\s*show\s+${name}\s*;?\s*$`, 'i');
/** The longest text that may be one of them. */
const LEVEL_COMMAND_BYTES_MAX = 128;

/** The command in a statement's text, or null. */
export function levelCommand(text: string): LevelCommand | null {
  if (text.length > LEVEL_COMMAND_BYTES_MAX) return null;
  if (showPattern.test(text)) return { kind: 'show' };
  if (resetPattern.test(text)) return { kind: 'set', value: null, local: false };
  const match = setPattern.exec(text);
  if (match === null) return null;
  const value = match[2] ?? match[3] ?? match[4]!;
  const isDefault = match[4]?.toLowerCase() === 'default';
  return { kind: 'set', value: isDefault ? null : value, local: match[1]?.toLowerCase() === 'local' };
}

function isLevel(value: string): value is Consistency {
  return (ConsistencyLevels as readonly string[]).includes(value);
}

/** The level named by a value as users write it, or null. */
export function parseLevel(value: string): Consistency | null {
  const lower = value.toLowerCase();
  return isLevel(lower) ? lower : null;
}

export class SessionConsistency {
  private readonly initial: Consistency;
  level: Consistency;
  /** What SET LOCAL put aside. */
  private afterTransaction: Consistency | null = null;
  /** Round that this session's next hit needs (C17: it only rises). */
  floorRound = 0;
  /** Round that covers this session's last write. */
  private writtenRound = 0;

  constructor(initial: Consistency) {
    this.initial = initial;
    this.level = initial;
  }

  /** All of it, between two transactions: for a session that goes on in another worker. */
  get carried(): CarriedConsistency {
    const { initial, level, floorRound, writtenRound } = this;
    return { initial, level, floorRound, writtenRound };
  }

  static from({ initial, level, floorRound, writtenRound }: CarriedConsistency): SessionConsistency {
    const made = new SessionConsistency(initial);
    made.level = level;
    made.floorRound = floorRound;
    made.writtenRound = writtenRound;
    return made;
  }

  /** False when the value is no level. `inTransaction`: otherwise SET LOCAL has no effect. */
  set(value: string | null, local: boolean, inTransaction: boolean): boolean {
    const level = value === null ? this.initial : parseLevel(value);
    if (level === null) return false;
    if (local && !inTransaction) return true;
    if (local) this.afterTransaction ??= this.level;
    else this.afterTransaction = null;
    this.level = level;
    return true;
  }

  transactionEnded(): void {
    if (this.afterTransaction === null) return;
    this.level = this.afterTransaction;
    this.afterTransaction = null;
  }

  raiseFloor(round: number): void {
    if (round > this.floorRound) this.floorRound = round;
  }

  /** A write of this session's was acknowledged, which `round` covers. */
  wrote(round: number): void {
    if (round > this.writtenRound) this.writtenRound = round;
  }

  /** Whether an answer's fences are to be looked at. At `session` they tell of this session's own writes among others', while a round may lack these. */
  asksFences(level: Consistency, freshRound: number): boolean {
    return seesAllWrites(level) || (level === 'session' && freshRound < this.writtenRound);
  }

  /** The round that an answer needs. @param fencedRound that of its fences; 0 where they were not looked at */
  neededRound(level: Consistency, fencedRound: number): number {
    if (level === 'bounded') return 0;
    const written = level === 'session' ? Math.min(this.writtenRound, fencedRound) : fencedRound;
    return Math.max(this.floorRound, written);
  }

  /** No round beyond the next one can be needed: one that is was read before rounds were numbered anew. */
  lowerFloor(nextRound: number): void {
    this.floorRound = Math.min(this.floorRound, nextRound);
    this.writtenRound = Math.min(this.writtenRound, nextRound);
  }
}

/** Whether everybody's writes through pgfresh count. */
function seesAllWrites(level: Consistency): boolean {
  return level === 'strong' || level === 'monotonic';
}
