import { expect, it } from 'vitest';
import { Analyses } from '../../src/cache/analyses.ts';
import type { SessionContext } from '../../src/cache/context.ts';

const context = (resolutionClass: string) => ({ resolutionClass }) as SessionContext;
const simple = (text: string) => ({ text, parameterTypes: [], protocol: 'simple' as const });

function make(scope: 'shape' | 'text', limits = { analysesMax: 100, textMax: 100_000 }) {
  const analysed: string[] = [];
  let verdicts = 0;
  const analyses = new Analyses({
    analyse: (statement) => {
      analysed.push(statement.text);
      return statement.text;
    },
    scopeOf: () => scope,
    nextVerdictId: () => ++verdicts,
    ...limits,
  });
  return { analyses, analysed };
}

it('analyses a shape once, whatever its constants and comments', () => {
  const { analyses, analysed } = make('shape');
  const first = analyses.of(simple('SELECT 1 FROM t WHERE id = 1'), context('a'));
  expect(analyses.of(simple('SELECT 1 FROM t WHERE id = 2'), context('a'))).toBe(first);
  expect(analyses.of(simple('SELECT 1 FROM t WHERE id = 3 /* trace 7 */'), context('a'))).toBe(first);
  expect(analysed).toHaveLength(1);
});

it('analyses each text where the constants matter', () => {
  const { analyses, analysed } = make('text');
  analyses.of(simple('SELECT 1 FROM t WHERE id = 1'), context('a'));
  analyses.of(simple('SELECT 1 FROM t WHERE id = 2'), context('a'));
  analyses.of(simple('SELECT 1 FROM t WHERE id = 1'), context('a'));
  expect(analysed).toHaveLength(2);
});

it('keeps search paths, protocols and parameter types apart', () => {
  const { analyses, analysed } = make('shape');
  const text = 'SELECT 1 FROM t WHERE id = $1';
  analyses.of(simple(text), context('a'));
  analyses.of(simple(text), context('b'));
  analyses.of({ text, parameterTypes: [], protocol: 'extended' }, context('a'));
  analyses.of({ text, parameterTypes: [23], protocol: 'extended' }, context('a'));
  expect(analysed).toHaveLength(4);
});

it('forgets the analysis that was not used for longest', () => {
  const { analyses, analysed } = make('text', { analysesMax: 2, textMax: 100_000 });
  for (const text of ['SELECT a', 'SELECT b', 'SELECT a', 'SELECT c', 'SELECT a', 'SELECT b']) {
    analyses.of(simple(text), context(''));
  }
  expect(analysed).toEqual(['SELECT a', 'SELECT b', 'SELECT c', 'SELECT b']);
});

it('keeps no more text than its bound', () => {
  const { analyses } = make('text', { analysesMax: 100, textMax: 10_000 });
  for (let i = 0; i < 20; i++) analyses.of(simple(`SELECT ${'x'.repeat(1_000)}${i}`), context(''));
  expect(analyses.size).toBeLessThan(10);
});
