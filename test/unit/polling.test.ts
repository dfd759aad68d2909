import { describe, expect, it } from 'vitest';
import { Poller } from '../../src/worker/polling.ts';

const limits = { windowMs: 0.2, turnMsMax: 0.02, stolenMs: 0.5, restMsMin: 10, restMsMax: 40 };
const TURN_MS = 0.004;

/** A worker whose event loop turns when the test says so. */
function bench() {
  const waiting: (() => void)[] = [];
  const seen = { yields: 0, lookedMs: 0, isSpare: true };
  /** What the next yield takes: another thread runs meanwhile. */
  let othersMs = 0;
  let nowMs = 1_000;
  const poller = new Poller(
    {
      nowMs: () => nowMs,
      yieldNow: () => {
        seen.yields++;
        nowMs += othersMs;
        othersMs = 0;
      },
      nextTurn: (callback) => waiting.push(callback),
      isSpare: () => seen.isSpare,
      onLooked: (ms) => {
        seen.lookedMs += ms;
      },
    },
    limits,
  );
  const turn = (): void => {
    nowMs += TURN_MS;
    expect(waiting.length).toBeLessThanOrEqual(1);
    waiting.shift()?.();
  };
  return {
    poller,
    seen,
    turn,
    pass: (ms: number) => {
      nowMs += ms;
    },
    takeAway: (ms: number) => {
      othersMs = ms;
    },
    /** Turns until the worker sleeps. */
    untilAsleep: () => {
      let turns = 0;
      for (; waiting.length > 0; turns++) turn();
      return turns;
    },
    /** Work, and nothing for so long that the worker sleeps. */
    fail() {
      poller.poke();
      this.untilAsleep();
    },
    /** How long it rests, in steps of a millisecond. */
    rested() {
      let restedMs = 0;
      for (; restedMs < 100; restedMs++) {
        for (let i = 0; i < 16; i++) poller.poke();
        if (poller.isPolling) break;
        nowMs += 1;
      }
      this.untilAsleep();
      return restedMs;
    },
    /** Work, two empty turns, and work. */
    find() {
      poller.poke();
      for (let i = 0; i < 3; i++) turn();
      poller.poke();
      turn();
    },
  };
}

describe('adaptive polling', () => {
  it('looks for more for the time given, yielding each time, and sleeps then', () => {
    const { poller, seen, untilAsleep } = bench();
    expect(poller.isPolling).toBe(false);
    poller.poke();
    expect(poller.isPolling).toBe(true);
    const turns = untilAsleep();
    expect(poller.isPolling).toBe(false);
    expect(turns).toBeGreaterThanOrEqual(limits.windowMs / TURN_MS);
    expect(turns).toBeLessThan(limits.windowMs / TURN_MS + 4);
    expect(seen.yields).toBe(turns - 1);
    expect(seen.lookedMs).toBeCloseTo(limits.windowMs, 1);
  });

  it('goes on for as long as work comes', () => {
    const { poller, find, seen } = bench();
    for (let i = 0; i < 1_000; i++) find();
    expect(poller.isPolling).toBe(true);
    // Two of three turns of each find were empty.
    expect(seen.lookedMs).toBeCloseTo(2_000 * TURN_MS);
  });

  it('counts work turn after turn as neither found nor missed', () => {
    const { poller, turn, seen, untilAsleep } = bench();
    for (let i = 0; i < 100; i++) {
      poller.poke();
      turn();
    }
    expect(seen.yields).toBe(0);
    untilAsleep();
    expect(poller.isPolling).toBe(false);
  });

  it('sleeps at once when somebody else wants the processor', () => {
    const { poller, turn, takeAway, seen } = bench();
    poller.poke();
    turn();
    turn();
    expect(poller.isPolling).toBe(true);
    takeAway(0.05);
    turn();
    expect(poller.isPolling).toBe(false);
    expect(seen.yields).toBe(2);
    // The time that the other one took was not spent looking.
    expect(seen.lookedMs).toBeCloseTo(TURN_MS);
  });

  it('does not begin while processors are wanted elsewhere, and ends with the next work when they are', () => {
    const { poller, find, turn, seen } = bench();
    seen.isSpare = false;
    for (let i = 0; i < 100; i++) poller.poke();
    expect(poller.isPolling).toBe(false);
    seen.isSpare = true;
    find();
    expect(poller.isPolling).toBe(true);
    seen.isSpare = false;
    poller.poke();
    turn();
    expect(poller.isPolling).toBe(false);
    expect(seen.yields).toBe(2);
    turn();
    expect(seen.yields).toBe(2);
  });

  it('rests when looking was mostly in vain, longer each time up to a bound, and tries again', () => {
    const worker = bench();
    const rest = (): number => {
      for (let i = 0; i < 4; i++) worker.fail();
      return worker.rested();
    };
    expect(rest()).toBe(10);
    // The trial was one of its failures.
    expect([rest(), rest(), rest()].map((ms) => Math.round(ms / 10))).toEqual([2, 4, 4]);
  });

  it('rests at once behind a thread that computes on and on, and forgets that when it has polled for long', () => {
    const worker = bench();
    const steal = (): number => {
      worker.poller.poke();
      worker.turn();
      worker.takeAway(3);
      worker.turn();
      expect(worker.poller.isPolling).toBe(false);
      return worker.rested();
    };
    expect([steal(), steal(), steal(), steal()].map((ms) => Math.round(ms / 10))).toEqual([1, 2, 4, 4]);
    for (let i = 0; i < 20_000; i++) worker.find();
    worker.untilAsleep();
    expect(Math.round(steal() / 10)).toBe(1);
  });

  it('forgives failures when most looks find something', () => {
    const worker = bench();
    for (let i = 0; i < 50; i++) {
      worker.find();
      worker.find();
      worker.untilAsleep();
    }
    worker.poller.poke();
    expect(worker.poller.isPolling).toBe(true);
  });
});
