import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Intake } from '../../src/cache/intake.ts';

let log: string[];
let awaited: boolean;
let intake: Intake;
const frame = (bytes = 10): Buffer => Buffer.alloc(bytes);
/** To the end of this turn of the event loop, and of the next: what an immediate sets off is a millisecond later to the clock of the test. */
const turn = () => vi.advanceTimersByTimeAsync(0);
const nextTurn = () => vi.advanceTimersByTimeAsync(1);

beforeEach(() => {
  vi.useFakeTimers();
  log = [];
  awaited = false;
  intake = new Intake({
    sink: {},
    take: () => void log.push('take'),
    pause: () => void log.push('pause'),
    resume: () => void log.push('resume'),
    isOver: () => false,
    isAwaited: () => awaited,
    onError: (thrown) => {
      throw thrown;
    },
  });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it('leaves the socket alone after a small burst: five milliseconds when nobody waits, one when somebody does', async () => {
  for (const [isAwaited, gapMs] of [
    [false, 5],
    [true, 1],
  ] as const) {
    awaited = isAwaited;
    log = [];
    intake.receive(frame());
    intake.receive(frame());
    await turn();
    expect(log).toEqual(['take', 'take']);
    await nextTurn();
    await vi.advanceTimersByTimeAsync(gapMs - 1);
    expect(log).toEqual(['take', 'take', 'pause']);
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(['take', 'take', 'pause', 'resume']);
  }
});

it('takes in what the next turn reads, too: behind a pause the first read brings only what was read ahead', async () => {
  intake.receive(frame());
  await turn();
  intake.receive(frame());
  await nextTurn();
  expect(log).toEqual(['take', 'take', 'pause']);
  await vi.advanceTimersByTimeAsync(5);
});

it('reads at once what somebody begins to wait for, and only once', async () => {
  intake.receive(frame());
  await vi.advanceTimersByTimeAsync(1);
  intake.hurry();
  intake.hurry();
  await vi.advanceTimersByTimeAsync(100);
  expect(log).toEqual(['take', 'pause', 'resume']);
});

it('does not hurry a socket that is not left alone, or in the midst of a large burst', async () => {
  intake.hurry();
  intake.receive(frame(300_000));
  intake.hurry();
  expect(log).toEqual(['take', 'pause']);
  await vi.advanceTimersByTimeAsync(100);
  expect(log).toEqual(['take', 'pause', 'resume']);
});
