import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/proxy/concurrency.ts';
import { mayPoll, parseUptime, SpareProcessors } from '../../src/proxy/spare-processors.ts';
import type { ConcurrencyConfig } from '../../src/shared/config.ts';

/** A machine: what passes between two samples, and what was said then. */
function machine(workers: number) {
  const now = { at: 5_000, idle: 70_000 as number | null, looked: 30 };
  let said: boolean | undefined;
  const spare = new SpareProcessors(
    {
      nowMs: () => now.at,
      idleMs: () => now.idle,
      lookedMs: () => now.looked,
      publish: (isSpare) => {
        said = isSpare;
      },
    },
    workers,
  );
  return (ms: number, idleMs: number | null, lookedMs = 0): boolean | undefined => {
    now.at += ms;
    now.idle = idleMs === null || now.idle === null ? idleMs : now.idle + idleMs;
    now.looked += lookedMs;
    spare.sample();
    return said;
  };
}

describe('processors to spare', () => {
  it('are there while half a processor for each worker is idle', () => {
    const one = machine(1);
    expect([one(100, 40), one(100, 50), one(100, 200), one(100, 0)]).toEqual([false, true, true, false]);
    const three = machine(3);
    expect([three(100, 140), three(100, 150)]).toEqual([false, true]);
  });

  it('are judged by the time that passed, not by that which should have', () => {
    const sample = machine(1);
    expect([sample(400, 100), sample(400, 200)]).toEqual([false, true]);
  });

  it('are there while workers look for work in them, or looking would end itself', () => {
    const sample = machine(1);
    expect([sample(100, 90), sample(100, 5, 60), sample(100, 5, 30)]).toEqual([true, true, false]);
  });

  it('are not there where the system does not say', () => {
    const sample = machine(1);
    expect([sample(100, null), sample(100, null)]).toEqual([false, false]);
  });

  it('are counted in the second figure of /proc/uptime, in seconds', () => {
    expect(parseUptime('350735.47 234388.90\n')).toBe(234_388_900);
    expect(parseUptime('350735.47')).toBeNull();
    expect(parseUptime('')).toBeNull();
  });
});

describe('whether workers may poll', () => {
  const concurrency: ConcurrencyConfig = {
    ...{ model: 'auto', tcp: undefined, unix: undefined, maxThreads: 1, threadIdleMs: 0, queueDepthMax: 1 },
    ...{ optimizeFor: 'latency', pollUs: 200 },
  };
  const plan: Plan = { tcp: 'async', unix: 'pool', poolSlots: 2, threadSlots: 0 };
  const polls = (change: Partial<ConcurrencyConfig & Plan>, usable = 2, present = usable) =>
    mayPoll({ ...concurrency, ...change } as ConcurrencyConfig, { ...plan, ...change } as Plan, usable, present);

  it('is a matter of the goal, the models, the time given and the processors', () => {
    expect(polls({})).toBe(true);
    expect(polls({}, 1)).toBe(false);
    expect(polls({ pollUs: 0 })).toBe(false);
    expect(polls({ optimizeFor: 'throughput' })).toBe(false);
    expect(polls({ tcp: 'work-stealing' })).toBe(false);
    expect(polls({ unix: 'per-connection' })).toBe(false);
    expect(polls({ tcp: 'pool' })).toBe(true);
  });

  it('is not known where the process may not use the whole machine', () => {
    expect(polls({}, 4, 64)).toBe(false);
    expect(polls({}, 64, 64)).toBe(true);
  });
});
