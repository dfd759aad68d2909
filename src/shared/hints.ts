// Hints: what a statement's comment asks of pgfresh. Comments are no part of a key, so statements that differ in hints alone share an entry.
//
//   /* pgfresh: skip */ SELECT …                                         not from the cache, and not stored
//   /* pgfresh: pin */ SELECT …                                          not pushed out by others, within a quarter of the store
//   /* pgfresh: max_staleness=250ms, consistency=bounded */ SELECT …     how old an answer may be, for this statement
//
// What is not understood is as if it were not there (`unknown`), and counted. A hint never switches on what is off.
import { type Consistency, ConsistencyLevels } from './config.ts';
import { isCommentStart, skipComment, skipToken } from './lexer.ts';
import { Limits } from './limits.ts';

export interface Hints {
  readonly skip: boolean;
  readonly pin: boolean;
  /** Null: as configured. At most `Limits.hintStalenessMsMax`. */
  readonly maxStalenessMs: number | null;
  /** Null: the session's. */
  readonly level: HintLevel | null;
  /** A hint of ours that is none. */
  readonly unknown: boolean;
}

/** `monotonic` is a promise about the answers before, which one statement cannot make. */
export type HintLevel = Exclude<Consistency, 'monotonic'>;

const MARK = 'pgfresh:';
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };

/** The hints in a statement's comments; null when there are none. */
export function hintsOf(text: string): Hints | null {
  if (!text.includes(MARK)) return null;
  const found: string[] = [];
  for (let i = 0; i < text.length; ) {
    const isComment = isCommentStart(text, i);
    const end = isComment ? skipComment(text, i) : skipToken(text, i);
    if (end < 0) return null;
    if (isComment) {
      const words = bodyOf(text.slice(i, end)).trim();
      if (words.startsWith(MARK))
        found.push(
          ...words
            .slice(MARK.length)
            .split(/[\s,;]+/)
            .filter(Boolean),
        );
    }
    i = end;
  }
  return found.length === 0 ? null : read(found);
}

function bodyOf(comment: string): string {
  return comment.startsWith('--') ? comment.slice(2) : comment.slice(2, -2);
}

function read(words: readonly string[]): Hints {
  let [skip, pin, unknown] = [false, false, false];
  let maxStalenessMs: number | null = null;
  let level: HintLevel | null = null;
  for (const word of words) {
    const hint = word.toLowerCase();
    const [name, value = ''] = hint.split(/=(.*)/s, 2);
    const durationMs = name === 'max_staleness' ? durationOf(value) : null;
    if (hint === 'skip') skip = true;
    else if (hint === 'pin') pin = true;
    else if (durationMs !== null) maxStalenessMs = Math.min(durationMs, Limits.hintStalenessMsMax);
    else if (name === 'consistency' && isHintLevel(value)) level = value;
    else unknown = true;
  }
  return { skip, pin, maxStalenessMs, level, unknown };
}

function durationOf(value: string): number | null {
  const match = /^(\d{1,6})(ms|s|min)$/.exec(value);
  return match === null ? null : Number(match[1]) * durationUnits[match[2]!]!;
}

function isHintLevel(value: string): value is HintLevel {
  return value !== 'monotonic' && (ConsistencyLevels as readonly string[]).includes(value);
}
