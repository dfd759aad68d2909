/** What the bench reads out of a profile, and how it draws it. */
import { expect, it } from 'vitest';
import { type CpuProfile, callTree, topFunctions } from '../../bench/profile/cpu-profile.ts';
import { flameGraph } from '../../bench/profile/flame-graph.ts';

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber });

/** root → read (2 ms itself) → lookup (6 ms), 90 ms of idleness, and 20 ms of the profiler's own. */
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 6] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('read', 'file:///src/worker/session.ts', 9), children: [4, 5] },
    { id: 4, callFrame: frame('lookup', 'file:///src/shared/memory/index-reader.ts', 41) },
    { id: 6, callFrame: frame('post', 'node:inspector', 100) },
    { id: 5, callFrame: frame('never', 'file:///src/worker/session.ts', 1) },
  ],
  samples: [2, 3, 4, 4, 2, 6],
  timeDeltas: [50_000, 2_000, 3_000, 3_000, 40_000, 20_000],
};

it('names the functions by their own share of the busy time', () => {
  expect(topFunctions(profile, 5)).toEqual([
    { name: 'lookup memory/index-reader.ts:42', share: 0.75 },
    { name: 'read worker/session.ts:10', share: 0.25 },
  ]);
  expect(topFunctions(profile, 1)).toHaveLength(1);
});

it('adds what a function calls to its total, and leaves out idleness and what took no time', () => {
  const root = callTree(profile);
  expect([root.name, root.totalUs, root.children.length]).toEqual(['(root)', 8_000, 1]);
  const [read] = root.children;
  expect([read!.selfUs, read!.totalUs, read!.children.map(({ name }) => name)]).toEqual([
    2_000,
    8_000,
    ['lookup memory/index-reader.ts:42'],
  ]);
  expect(() => callTree({ nodes: [], samples: [], timeDeltas: [] })).toThrow('without a root');
});

it('draws a frame for each call, as wide as its share, with names escaped', () => {
  const svg = flameGraph('a < b', callTree(profile));
  expect(svg).toContain('a &#60; b');
  expect(svg).toContain('<title>lookup memory/index-reader.ts:42: 75.0 %</title>');
  const widths = [...svg.matchAll(/<rect x="[\d.]+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  expect(widths).toEqual([1184, 1184, 888]);
});
