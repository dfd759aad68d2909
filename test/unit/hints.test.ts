import { describe, expect, it } from 'vitest';
import { hintsOf } from '../../src/shared/hints.ts';

const none = { skip: false, pin: false, maxStalenessMs: null, level: null, unknown: false };

describe('hints', () => {
  it.each([
    ['/* pgfresh: skip */ SELECT 1', { ...none, skip: true }],
    ['/* pgfresh: pin, max_staleness=2s */ SELECT 1', { ...none, pin: true, maxStalenessMs: 2000 }],
    ['SELECT 1 -- pgfresh: skip', { ...none, skip: true }],
    ['/*pgfresh:skip*/SELECT 1', { ...none, skip: true }],
    ['/* pgfresh: max_staleness=250ms */ SELECT 1', { ...none, maxStalenessMs: 250 }],
    [
      'SELECT /* pgfresh: max_staleness=2s, consistency=bounded */ 1',
      { ...none, maxStalenessMs: 2000, level: 'bounded' },
    ],
    ['/* pgfresh: consistency=strong */ /* pgfresh: skip */ SELECT 1', { ...none, level: 'strong', skip: true }],
    ['/* pgfresh: max_staleness=99min */ SELECT 1', { ...none, maxStalenessMs: 60_000 }],
    ['/* pgfresh: CONSISTENCY=Off; SKIP */ SELECT 1', { ...none, level: 'off', skip: true }],
  ])('%s', (text, expected) => {
    expect(hintsOf(text)).toEqual(expected);
  });

  it.each([
    'skip_it',
    'consistency=monotonic',
    'consistency=',
    'max_staleness=1',
    'max_staleness=-1s',
    'max_staleness=1s=2s',
    'time_bucket=1min',
    'skip=1',
    'pinned',
  ])('"%s" is none', (hint) => {
    expect(hintsOf(`/* pgfresh: ${hint} */ SELECT 1`)).toEqual({ ...none, unknown: true });
  });

  it.each([
    'SELECT 1',
    "SELECT '/* pgfresh: skip */'",
    'SELECT "/* pgfresh: skip */" FROM t',
    'SELECT $$ -- pgfresh: skip $$',
    '/* not pgfresh: skip */ SELECT 1',
    '/* pgfresh: */ SELECT 1',
    '/* pgfresh: skip SELECT 1',
    "SELECT 'open /* pgfresh: skip */",
  ])('none in %s', (text) => {
    expect(hintsOf(text)).toBe(null);
  });
});
