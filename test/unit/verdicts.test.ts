/** What a worker remembers of statements: bounded whatever comes, and what is in use stays through a scan. */
import { expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import type { AnalyseRequest, Verdict } from '../../src/shared/messages.ts';
import { Verdicts } from '../../src/worker/verdicts.ts';

const VERSION = 1;
const request = (text: string): AnalyseRequest => ({ contextId: 1, text, parameterTypes: [], protocol: 'simple' });

function make(scope: Verdict['scope']) {
  const analysed: string[] = [];
  const verdicts = new Verdicts(async ({ text }) => {
    analysed.push(text);
    return { scope, catalogVersion: VERSION } as Verdict;
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const see = async (texts: readonly string[]) => {
    for (const text of texts) verdicts.lookup(request(text), VERSION);
    await settled();
  };
  return { verdicts, analysed, see };
}

it.each(['shape', 'text'] as const)(
  'keeps the verdict of scope %s on a statement in use through a scan',
  async (scope) => {
    const { verdicts, analysed, see } = make(scope);
    await see(['SELECT hot']);
    for (let i = 0; i < 20_000; i += 100) {
      await see(['SELECT hot', ...Array.from({ length: 100 }, (_, j) => `SELECT a AS c${i + j}`)]);
    }
    expect(analysed.filter((text) => text === 'SELECT hot')).toHaveLength(1);
    expect(analysed).toHaveLength(20_001);
    expect(verdicts.size).toBeLessThanOrEqual(Limits.verdictsPerWorkerMax);
  },
);

it('keeps no more text than its bound', async () => {
  const { verdicts, see } = make('text');
  const long = 'x'.repeat(Limits.statementBytesMax - 1_000);
  for (let i = 0; i < 1_000; i += 100) {
    await see(Array.from({ length: 100 }, (_, j) => `SELECT '${long}' AS c${i + j}`));
  }
  expect(verdicts.size * long.length).toBeLessThanOrEqual(Limits.verdictsTextMax);
  expect(verdicts.size).toBeGreaterThan(0);
});

it('passes through what finds too many analyses under way, and remembers nothing of it', async () => {
  const { verdicts, see } = make('text');
  const flood = Array.from({ length: Limits.analysesInFlightMax + 50 }, (_, i) => `SELECT a AS c${i}`);
  const slots = flood.map((text) => verdicts.lookup(request(text), VERSION));
  expect(slots.filter(({ failed }) => failed)).toHaveLength(50);
  await see([]);
  expect(verdicts.size).toBe(Limits.analysesInFlightMax);
});

it('judges a text by itself under each context, protocol and list of parameter types', async () => {
  const { verdicts, analysed, see } = make('shape');
  const text = 'SELECT a FROM t WHERE b = 1';
  const others: readonly AnalyseRequest[] = [
    request(text),
    { ...request(text), contextId: 2 },
    { ...request(text), protocol: 'extended' },
    { ...request(text), protocol: 'extended', parameterTypes: [23] },
    { ...request(text), protocol: 'extended', parameterTypes: [23, 25] },
  ];
  const slots = new Set(others.map((other) => verdicts.lookup(other, VERSION)));
  await see([]);
  expect(slots.size).toBe(others.length);
  expect(analysed).toHaveLength(others.length);
  for (const other of others) expect(slots).toContain(verdicts.lookup(other, VERSION));
  await see(['SELECT a FROM t WHERE b = 2', 'SELECT a /* c */ FROM t WHERE b = 3']);
  expect(analysed).toHaveLength(others.length + 1);
});
