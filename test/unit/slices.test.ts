/** However many jobs are asked for at once, the event loop turns after each slice of them. */
import { expect, it } from 'vitest';
import { Slices } from '../../src/cache/slices.ts';

function make(sliceMs: number) {
  let nowMs = 0;
  const slices = new Slices({ nowMs: () => nowMs }, sliceMs);
  return {
    slices,
    /** A job that takes so long, by the clock that the slices see. */
    taking: (ms: number) => () => {
      nowMs += ms;
      return nowMs;
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('does a slice in a turn, and others get the turns between', async () => {
  const { slices, taking } = make(5);
  let done = 0;
  for (let i = 0; i < 23; i++) void slices.run(taking(1)).then(() => done++);
  const seen: number[] = [];
  for (let i = 0; i < 6; i++) {
    await Promise.resolve();
    seen.push(done);
    await turn();
  }
  expect(seen).toEqual([5, 10, 15, 20, 23, 23]);
});

it('does one job in a turn where each takes longer than a slice, in the order of asking', async () => {
  const { slices, taking } = make(5);
  const order: number[] = [];
  for (const job of [1, 2, 3]) void slices.run(taking(20)).then(() => order.push(job));
  await Promise.resolve();
  expect(order).toEqual([1]);
  await turn();
  expect(order).toEqual([1, 2]);
  await turn();
  expect(order).toEqual([1, 2, 3]);
  void slices.run(taking(1)).then(() => order.push(4));
  await Promise.resolve();
  expect(order, 'the turn of the third has no time left').toEqual([1, 2, 3]);
  await turn();
  expect(order).toEqual([1, 2, 3, 4]);
});

it('gives back what a job returns or throws, and goes on behind one that throws', async () => {
  const { slices, taking } = make(5);
  const failed = slices.run(() => {
    throw new Error('context 7 is not known');
  });
  const next = slices.run(taking(1));
  await expect(failed).rejects.toThrow('context 7 is not known');
  expect(await next).toBe(1);
  expect(await slices.run(() => 'later')).toBe('later');
});
