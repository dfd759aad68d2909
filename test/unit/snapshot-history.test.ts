import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isVisible, type OriginSnapshot, parseSnapshot, showsAllOf } from '../../src/cache/settle.ts';
import { SnapshotHistory } from '../../src/cache/snapshot-history.ts';

/** Transactions begin and end in any order; a snapshot between any two of these. */
function historyOf(steps: readonly number[]): OriginSnapshot[] {
  const running: number[] = [];
  let next = 100;
  return steps.map((step) => {
    if (running.length === 0 || step % 3 === 0) running.push(next++);
    else running.splice(step % running.length, 1);
    return { xmin: Math.min(next, ...running), xmax: next, running: [...running] };
  });
}
const histories = fc.array(fc.nat(1_000), { minLength: 2, maxLength: 40 }).map(historyOf);
/** That ended: what may be visible. */
const ended = (snapshot: OriginSnapshot): number[] =>
  Array.from({ length: 60 }, (_, i) => 90 + i).filter((xid) => isVisible(snapshot, xid));

describe('snapshots of one server', () => {
  it('show all of an earlier one when they show each transaction that it shows', () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat(), (history, a, b) => {
        const [one, other] = [history[a % history.length]!, history[b % history.length]!];
        const shown = new Set(ended(one));
        expect(showsAllOf(one, other)).toBe(ended(other).every((xid) => shown.has(xid)));
      }),
    );
  });
});

describe('the history of snapshots', () => {
  it('says what an answer with a stamp shows, and never more than that', () => {
    const history = new SnapshotHistory();
    expect(history.shownBy(7)).toBe(null);
    history.add(parseSnapshot('10:10:'), 5);
    history.add(parseSnapshot('12:12:'), 8);
    expect([4, 5, 7, 8, 99].map((stamp) => history.shownBy(stamp)?.xmax ?? null)).toEqual([null, 10, 10, 12, 12]);
  });

  it('gives an answer of another node the stamp of the latest snapshot that it shows all of', () => {
    const history = new SnapshotHistory();
    history.add(parseSnapshot('10:20:10,15'), 5);
    history.add(parseSnapshot('15:25:15'), 8);
    expect(history.stampOf(parseSnapshot('9:20:9,10,15'))).toBe(null);
    expect(history.stampOf(parseSnapshot('10:20:10,15'))).toBe(5);
    // A later one by its numbers, in which one still runs that had ended in ours.
    expect(history.stampOf(parseSnapshot('10:26:10,15'))).toBe(5);
    expect(history.stampOf(parseSnapshot('15:30:15,27'))).toBe(8);
    history.clear();
    expect(history.stampOf(parseSnapshot('99:99:'))).toBe(null);
  });

  it('stays small and knows the distant past less well, never wrongly', () => {
    const history = new SnapshotHistory();
    for (let i = 1; i <= 100_000; i++) history.add(parseSnapshot(`${i}:${i}:`), i);
    expect(history.size).toBeLessThanOrEqual(1_024);
    for (const stamp of [1, 2, 50, 5_000, 99_000, 99_900, 100_000]) {
      expect(history.shownBy(stamp)!.xmax).toBeLessThanOrEqual(stamp);
      expect(history.stampOf(parseSnapshot(`${stamp}:${stamp}:`))!).toBeLessThanOrEqual(stamp);
    }
    expect(history.stampOf(parseSnapshot('99900:99900:'))).toBe(99_900);
    expect(history.stampOf(parseSnapshot('5000:5000:'))).not.toBe(null);
  });
});
