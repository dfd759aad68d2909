import { describe, expect, it } from 'vitest';
import { isVisible, parseSnapshot, Settler, widenXid } from '../../src/cache/settle.ts';

function settler(pendingMax = 100) {
  const published: number[] = [];
  let stamp = 10;
  const made = new Settler({ nextStamp: () => ++stamp, publish: (value) => published.push(value), pendingMax });
  return { made, published };
}

describe('a snapshot', () => {
  it('is read from its text form', () => {
    expect(parseSnapshot('10:20:10,14,15')).toEqual({ xmin: 10, xmax: 20, running: [10, 14, 15] });
    expect(parseSnapshot('10:10:')).toEqual({ xmin: 10, xmax: 10, running: [] });
    for (const text of ['', '1:2', '1:2:3,', 'a:b:c', '1:2:3:4']) expect(() => parseSnapshot(text)).toThrow(RangeError);
  });

  it('shows what ended before it, and nothing that was running or had not begun', () => {
    const snapshot = parseSnapshot('10:20:10,14');
    expect([9, 10, 13, 14, 19, 20, 21].map((xid) => isVisible(snapshot, xid))).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  it('tells the epoch of a 32-bit transaction id across the wrap', () => {
    const epoch = 2 ** 32;
    expect(widenXid(100, 120)).toBe(100);
    expect(widenXid(130, 120)).toBe(130);
    expect(widenXid(100, 3 * epoch + 50)).toBe(3 * epoch + 100);
    expect(widenXid(epoch - 5, 3 * epoch + 50)).toBe(3 * epoch - 5);
    expect(widenXid(7, 4 * epoch - 2)).toBe(4 * epoch + 7);
  });
});

describe('settling', () => {
  it('gives all transactions of an observation one stamp, and publishes it after they carry it', () => {
    let stampAtPublish: number[] = [];
    let stamp = 0;
    const made = new Settler({
      nextStamp: () => ++stamp,
      publish: () => (stampAtPublish = [a.settledStamp, b.settledStamp]),
      pendingMax: 10,
    });
    const a = made.register(11);
    const b = made.register(12);
    expect(a.settledStamp).toBe(Number.POSITIVE_INFINITY);
    expect(made.observe(parseSnapshot('13:13:'))).toBe(2);
    expect(stampAtPublish).toEqual([1, 1]);
    expect(made.pending).toBe(0);
  });

  it('does not wait for a commit that hangs to settle later ones (C24)', () => {
    const { made, published } = settler();
    const hanging = made.register(11);
    const later = made.register(12);
    made.observe(parseSnapshot('11:13:11'));
    expect([hanging.settledStamp, later.settledStamp]).toEqual([Number.POSITIVE_INFINITY, 11]);
    made.observe(parseSnapshot('11:15:11,13'));
    expect(hanging.settledStamp).toBe(Number.POSITIVE_INFINITY);
    made.observe(parseSnapshot('15:15:'));
    expect(hanging.settledStamp).toBe(13);
    expect(published).toEqual([11, 12, 13]);
  });

  it('does not settle what was applied before the snapshot could show it', () => {
    const { made, published } = settler();
    const early = made.register(20);
    expect(made.observe(parseSnapshot('20:20:'))).toBe(0);
    expect(early.settledStamp).toBe(Number.POSITIVE_INFINITY);
    expect(published).toEqual([11]);
  });

  it('has a transaction settled that a snapshot showed before the stream told of it, with the stamp of the first that did', () => {
    const { made } = settler();
    for (const text of ['20:20:', '20:22:20', '22:22:', '25:25:']) made.observe(parseSnapshot(text));
    expect(made.stamp).toBe(14);
    // Ended before the second, running in the second, not begun before the third, not begun in the last.
    expect([19, 21, 20, 24, 25].map((xid) => made.register(xid).settledStamp)).toEqual([
      11,
      12,
      13,
      14,
      Number.POSITIVE_INFINITY,
    ]);
    expect(made.pending).toBe(1);
  });

  it('remembers few snapshots: of what is older the oldest one speaks', () => {
    const { made } = settler();
    for (let xid = 100; xid < 120; xid++) made.observe(parseSnapshot(`${xid}:${xid}:`));
    expect([118, 50].map((xid) => made.register(xid).settledStamp)).toEqual([30, 23]);
  });

  it('raises no stamp for a snapshot that it has seen', () => {
    const { made, published } = settler();
    for (const text of ['20:22:20', '20:22:20', '20:22:21', '22:22:']) made.observe(parseSnapshot(text));
    expect(published).toEqual([11, 12, 13]);
  });

  it('settles across the wrap of 32 bits', () => {
    const { made } = settler();
    const epoch = 2 ** 32;
    const before = made.register(epoch - 1);
    const after = made.register(3);
    made.observe(parseSnapshot(`${2 * epoch + 3}:${2 * epoch + 3}:`));
    expect([before.settledStamp, after.settledStamp]).toEqual([11, Number.POSITIVE_INFINITY]);
  });

  it('keeps to its bound: what finds no room never settles', () => {
    const { made } = settler(1);
    const kept = made.register(1);
    const refused = made.register(2);
    made.observe(parseSnapshot('9:9:'));
    expect([kept.settledStamp, refused.settledStamp]).toEqual([11, Number.POSITIVE_INFINITY]);
    expect(made.refused).toBe(1);
  });

  it('forgets what was pending when the stream begins anew', () => {
    const { made } = settler();
    const old = made.register(1);
    made.observe(parseSnapshot('1:1:'));
    made.clear();
    expect(made.observe(parseSnapshot('9:9:'))).toBe(0);
    expect(old.settledStamp).toBe(Number.POSITIVE_INFINITY);
    // Another server's transactions have the same numbers.
    made.clear();
    expect(made.register(3).settledStamp).toBe(Number.POSITIVE_INFINITY);
  });
});
