/** The bench's command line, its cases and its progress. */
import { describe, expect, it } from 'vitest';
import type { BenchCase } from '../../bench/case.ts';
import { cases } from '../../bench/cases.ts';
import { type BenchOptions, parseOptions, UsageError } from '../../bench/options.ts';
import { describePlan, secondsOfCase, stepsOf } from '../../bench/plan.ts';
import { Progress } from '../../bench/progress.ts';
import { cellsOf } from '../../bench/runner.ts';

const parse = (...args: string[]) => parseOptions(args, '2026-01-02', ['point', 'miss'], '/report') as BenchOptions;

describe('options', () => {
  it('have defaults, fewer rounds and less time for a quick run', () => {
    expect(parse()).toMatchObject({
      quick: false,
      cases: [],
      rounds: 5,
      seconds: 1,
      pg: 18,
      date: '2026-01-02',
      out: '/report',
    });
    expect(parse('--quick')).toMatchObject({ quick: true, rounds: 3, minutesMax: 2.9 });
  });

  it('are taken as given', () => {
    const args = [
      '--case',
      'point',
      '--case',
      'miss',
      '--rounds',
      '7',
      '--workers',
      '4',
      '--pg',
      '15',
      '--compare',
      'b.json',
    ];
    expect(parse(...args)).toMatchObject({
      cases: ['point', 'miss'],
      rounds: 7,
      workers: [1, 4],
      pg: 15,
      compare: 'b.json',
    });
    expect(parse('--workers', '1').workers).toEqual([1]);
  });

  it.each([
    [['--case', 'nothing'], /no case "nothing"; there are point, miss/],
    [['--rounds', '0'], /--rounds: a whole number from 1/],
    [['--seconds', '1.5'], /--seconds/],
    [['--minutes', 'soon'], /--minutes/],
    [['--pg', '9'], /--pg: 15 or 18/],
    [['--fast'], /--fast/],
  ])('%j are refused by name', (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });

  it('ask for help and for the list', () => {
    expect([parseOptions(['-h'], '', [], ''), parseOptions(['--list'], '', [], '')]).toEqual([null, 'list']);
  });
});

describe('the cases', () => {
  it.each(cases.map((each) => [each.name, each] as const))('%s: names are unique, peers are known', (_name, each) => {
    expect(each.name).toMatch(/^[a-z-]+$/);
    expect(each.shows.length).toBeGreaterThan(30);
    const names = each.cells.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const quick of [true, false]) {
      const peers = each.peers({ quick, workers: [1, 2] }).map(({ name }) => name);
      expect(new Set(peers).size).toBe(peers.length);
      expect(peers.some((name) => name.includes('pgfresh'))).toBe(true);
      expect(cellsOf(each, quick).length).toBeGreaterThan(0);
    }
    for (const { load } of each.cells) {
      if (typeof load === 'function') continue;
      expect(load.scripts.reduce((sum, { weight = 1 }) => sum + weight, 0)).toBeGreaterThan(0);
      for (const { sql } of load.scripts) expect(sql.trim().endsWith(';')).toBe(true);
    }
  });

  it('have names of their own', () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});

describe('the plan of a run', () => {
  const options = {
    ...{ workers: [1, 2], quick: true, rounds: 3, seconds: 1, seed: 1, signal: new AbortController().signal },
    ...{ late: () => false, progress: () => undefined },
  };
  const total = (chosen: readonly BenchCase[], more: Partial<typeof options>) =>
    chosen.reduce((sum, each) => sum + secondsOfCase(each, { ...options, ...more }), 0);

  it('has a quick run end within three minutes and a full one within 50', () => {
    const quick = cases.filter((each) => each.cells.some((cell) => cell.quick));
    expect(stepsOf(quick, options)).toBeLessThan(130);
    expect(total(quick, {})).toBeLessThan(3 * 60);
    expect(total(cases, { quick: false, rounds: 5 })).toBeLessThan(50 * 60);
  });

  it('counts the rounds of each cell, and servers where they are started', () => {
    const peer = { name: 'pgfresh-1', streams: true, start: async () => null };
    const load = { mode: 'simple', clients: 1, transport: 'tcp', scripts: [] } as const;
    const each: BenchCase = {
      ...{ name: 'x', shows: '', setup: [], unit: 'rate', peers: () => [peer] },
      cells: [
        { name: 'a', load },
        { name: 'b', load, roundsMax: 2 },
        { name: 'c', load, runsOn: () => false },
      ],
    };
    expect(stepsOf([each], options)).toBe(5);
    const anew = secondsOfCase({ ...each, lifetime: 'measurement' }, options);
    expect(anew).toBeGreaterThan(secondsOfCase(each, options));
    expect(describePlan([each], options)).toMatch(/^1 case, 5 measurements, about 0:\d\d on a quiet machine$/);
  });
});

describe('progress', () => {
  const step = { caseName: 'point', cell: 'simple', peer: 'direct' };

  function output(isTTY: boolean) {
    const written: string[] = [];
    return { isTTY, columns: 80, written, write: (text: string) => void written.push(text) };
  }

  it('is a bar on a terminal, cut to its width, with the time left once it can be told', () => {
    let nowMs = 0;
    const terminal = output(true);
    const progress = new Progress(terminal, 10, () => nowMs);
    for (let i = 0; i < 6; i++) {
      progress.step(step);
      nowMs += 2_000;
    }
    expect(terminal.written[0]).toContain('0/10 point: simple · direct');
    expect(terminal.written.at(-1)).toContain('5/10 point: simple · direct · 0:10, 0:10 left');
    for (const line of terminal.written) expect(line.replace('\r\x1b[2K', '').length).toBeLessThan(80);
  });

  it('is a line for each cell elsewhere', () => {
    const file = output(false);
    const progress = new Progress(file, 4, () => 0);
    for (const cell of ['simple', 'simple', 'prepared']) progress.step({ ...step, cell });
    progress.clear();
    expect(file.written).toEqual(['[0:00 0/4] point: simple\n', '[0:00 2/4] point: prepared\n']);
  });
});
