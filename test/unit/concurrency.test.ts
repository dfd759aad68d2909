// The choices of main: threads planned from the settings, whom a connection goes to, whom to relieve.
import { describe, expect, it } from 'vitest';
import { type BalancedWorker, reliefOf } from '../../src/proxy/balancer.ts';
import { planConcurrency } from '../../src/proxy/concurrency.ts';
import type { Incoming, Lane } from '../../src/proxy/handoff.ts';
import { StealingPlacement } from '../../src/proxy/placement.ts';
import { WaitTimes } from '../../src/proxy/waiting.ts';
import { ConfigError } from '../../src/shared/errors.ts';
import { type TestFlags, testConfig } from '../support/test-config.ts';

describe('a plan', () => {
  const plan = (cores: number, flags: TestFlags) => planConcurrency(testConfig(flags), cores);

  it.each([
    [1, { workers: undefined }, 'async', 'async', 1, 0],
    [2, { workers: undefined }, 'async', 'async', 1, 0],
    [2, { workers: undefined, 'concurrency.optimize_for': 'throughput' }, 'async', 'async', 1, 0],
    [2, { workers: '2' }, 'pool', 'pool', 2, 0],
    [2, { workers: undefined, 'concurrency.pool_size': '2' }, 'pool', 'pool', 2, 0],
    [8, { workers: '2' }, 'pool', 'pool', 2, 0],
    [2, { workers: '1' }, 'async', 'async', 1, 0],
    [8, { 'concurrency.pool_size': '6' }, 'pool', 'pool', 6, 0],
    [8, { 'concurrency.optimize_for': 'throughput' }, 'work-stealing', 'work-stealing', 2, 0],
    [8, { 'concurrency.model': 'async', workers: '6' }, 'async', 'async', 1, 0],
    [8, { 'concurrency.model': 'per-connection' }, 'per-connection', 'per-connection', 0, 32],
    [8, { 'concurrency.unix': 'per-connection' }, 'pool', 'per-connection', 2, 0],
    [8, { 'concurrency.unix': 'per-connection', listen_unix: '/s' }, 'pool', 'per-connection', 2, 32],
    [8, { 'concurrency.tcp': 'async', 'concurrency.unix': 'pool', listen_unix: '/s' }, 'async', 'pool', 2, 0],
  ] as const)('for %i cores and %j', (cores, flags, tcp, unix, poolSlots, threadSlots) => {
    expect(plan(cores, flags)).toEqual({ tcp, unix, poolSlots, threadSlots });
  });

  it('that needs more threads than there can be is refused with what to lower', () => {
    const flags = { workers: '60', 'concurrency.unix': 'per-connection', listen_unix: '/s' } as const;
    expect(() => plan(2, flags)).toThrow(ConfigError);
    expect(() => plan(2, flags)).toThrow(/lower concurrency\.max_threads/);
  });
});

describe('work-stealing', () => {
  function make() {
    const sent: [slot: number, peer: string][] = [];
    const placement = new StealingPlacement(({ peer }, slot) => {
      sent.push([slot, peer]);
      return 'sent';
    });
    const come = (peer: string): void => {
      const incoming = { peer } as Incoming;
      if (!placement.offer(incoming)) placement.hold(incoming);
    };
    return { sent, placement, come };
  }
  const lane = {} as Lane;

  it('an idle worker takes the youngest of the longest deque, each worker its own oldest first', () => {
    const { sent, placement, come } = make();
    placement.add(0, lane);
    placement.add(1, lane);
    for (let i = 0; i < 10; i++) come(`${i}`);
    expect(sent.map(([slot]) => slot).sort()).toEqual([0, 0, 1, 1]);
    expect(placement.waiting).toBe(6);
    sent.length = 0;
    // Worker 1 takes all that waits for it, oldest first, then what waits for worker 0, youngest first.
    for (let i = 0; i < 6; i++) placement.took(1);
    expect(sent.map(([slot]) => slot)).toEqual([1, 1, 1, 1, 1, 1]);
    const peers = sent.map(([, peer]) => Number(peer));
    expect(peers.slice(0, 3)).toEqual([...peers.slice(0, 3)].sort((a, b) => a - b));
    expect(peers.slice(3)).toEqual([...peers.slice(3)].sort((a, b) => b - a));
    expect(placement.stolen).toBe(3);
    expect(placement.waiting).toBe(0);
  });

  it('what waited for a worker that died is not lost, and without any worker waits for the next', () => {
    const { sent, placement, come } = make();
    come('early');
    placement.add(0, lane);
    for (let i = 0; i < 5; i++) come(`${i}`);
    placement.remove(0);
    expect(placement.waiting).toBe(4);
    sent.length = 0;
    placement.add(3, lane);
    for (let i = 0; i < 4; i++) placement.took(3);
    expect(sent.map(([, peer]) => peer)).toEqual(['1', '2', '3', '4']);
    expect(placement.release()).toEqual([]);
  });
});

describe('relief', () => {
  const worker = (slot: number, sessions: number, busy: number): BalancedWorker => ({
    slot,
    sessions,
    busy,
    lane: {} as Lane,
  });

  it.each([
    ['nobody is busy', [worker(0, 9, 0.4), worker(1, 0, 0)], null],
    ['all are', [worker(0, 9, 0.95), worker(1, 3, 0.8)], null],
    ['there is one session, which would only take the heat along', [worker(0, 1, 1), worker(1, 0, 0)], null],
    ['there is one worker', [worker(0, 9, 1)], null],
    ['one is busy and one idle: half of the sessions', [worker(0, 6, 1), worker(1, 2, 0)], { slot: 0, count: 3 }],
    ['never all, nor very many at once', [worker(2, 900, 1), worker(1, 2, 0.1)], { slot: 2, count: 8 }],
    ['the idlest of several counts', [worker(0, 4, 0.9), worker(1, 4, 0.85), worker(2, 0, 0.1)], { slot: 0, count: 2 }],
  ])('when %s', (_when, workers, expected) => {
    const relief = reliefOf(workers);
    expect(relief && { slot: relief.from.slot, count: relief.count }).toEqual(expected);
  });
});

it('waits are reported by rank, as bounds that are right within a factor of two', () => {
  const waits = new WaitTimes();
  expect(waits.report()).toEqual({ count: 0, sumMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  for (let i = 0; i < 99; i++) waits.add(0.01);
  waits.add(700);
  const { count, p50Ms, p99Ms, maxMs } = waits.report();
  expect({ count, maxMs }).toEqual({ count: 100, maxMs: 700 });
  expect(p50Ms).toBeGreaterThanOrEqual(0.01);
  expect(p50Ms).toBeLessThan(0.02);
  expect(p99Ms).toBe(p50Ms);
  for (let i = 0; i < 5; i++) waits.add(600);
  expect(waits.report().p99Ms).toBe(700);
});
