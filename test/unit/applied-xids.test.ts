// C12, C13: a round may do without the log's position only where every transaction that its snapshot shows was applied.
import { describe, expect, it } from 'vitest';
import { AppliedXids } from '../../src/cache/applied-xids.ts';
import { isVisible, type OriginSnapshot, parseSnapshot } from '../../src/cache/settle.ts';
import { announceSeed, seededRandom } from '../model/random.ts';

/** All that the first snapshot shows has been applied, and these transactions since. */
function since(first: string, ...applied: readonly number[]): AppliedXids {
  const xids = new AppliedXids();
  xids.completed(parseSnapshot(first));
  for (const xid of applied) xids.add(xid);
  return xids;
}
const covers = (xids: AppliedXids, snapshot: string): boolean => xids.hasAllOf(parseSnapshot(snapshot));

describe('what a snapshot shows has been applied', () => {
  it('where it is what one has shown before', () => {
    expect(covers(since('10:10:'), '10:10:')).toBe(true);
    expect(covers(since('10:12:10'), '10:12:10')).toBe(true);
  });

  it('where the stream told of all that came to be seen since', () => {
    expect(covers(since('10:10:', 10, 11), '12:12:')).toBe(true);
    expect(covers(since('10:10:', 10), '12:12:')).toBe(false);
    expect(covers(since('10:10:', 11), '12:12:')).toBe(false);
  });

  it('where what it does not show is missing', () => {
    expect(covers(since('10:10:', 11), '10:12:10')).toBe(true);
    expect(covers(since('10:10:', 10), '10:12:10')).toBe(false);
  });

  it('where one that was running is over, only if the stream told of that', () => {
    expect(covers(since('10:12:10'), '12:12:')).toBe(false);
    expect(covers(since('10:12:10', 10), '12:12:')).toBe(true);
    expect(covers(since('10:12:10', 11), '12:12:')).toBe(false);
  });

  it('not before a position was reached for the first time, nor after all was forgotten', () => {
    expect(covers(new AppliedXids(), '10:10:')).toBe(false);
    const xids = since('10:10:', 10);
    xids.clear();
    expect(covers(xids, '11:11:')).toBe(false);
  });

  it('where ids of 32 bits have begun anew', () => {
    const epoch = 2 ** 32;
    expect(covers(since(`${epoch - 1}:${epoch - 1}:`, epoch - 1, 0), `${epoch + 1}:${epoch + 1}:`)).toBe(true);
    expect(covers(since(`${epoch - 1}:${epoch - 1}:`, epoch - 1), `${epoch + 1}:${epoch + 1}:`)).toBe(false);
  });

  it('not where more came than is remembered', () => {
    const many = Array.from({ length: 10_001 }, (_, i) => 10 + i);
    expect(covers(since('10:10:', ...many), '10011:10011:')).toBe(false);
    const xids = since('10:10:', ...many);
    xids.completed(parseSnapshot('10011:10011:'));
    xids.add(10_011);
    expect(covers(xids, '10012:10012:')).toBe(true);
  });
});

it('is never said of a snapshot that shows more than was applied, whatever the order of commits', () => {
  const random = seededRandom(announceSeed('applied xids')).next;
  const pick = (n: number): number => Math.floor(random() * n);
  let said = 0;
  for (let run = 0; run < 200; run++) {
    const xids = new AppliedXids();
    /** Begun, seen by new snapshots, applied by the stream: those two in either order. Some are rolled back, or on no published table. */
    const running: number[] = [];
    const isTold = new Map<number, boolean>();
    const toShow: number[] = [];
    const toApply: number[] = [];
    const applied = new Set<number>();
    let next = 100;
    let first = true;
    const snapshot = (): OriginSnapshot => {
      const open = [...running, ...toShow].sort((a, b) => a - b);
      return { xmin: open[0] ?? next, xmax: next, running: open };
    };
    for (let step = 0; step < 120; step++) {
      const action = pick(6);
      if (action === 0) {
        isTold.set(next, pick(12) > 0);
        running.push(next++);
      } else if (action === 1 && running.length > 0) {
        const [xid] = running.splice(pick(running.length), 1);
        toShow.push(xid!);
        if (isTold.get(xid!)) toApply.push(xid!);
      } else if (action === 2 && toShow.length > 0) toShow.splice(pick(toShow.length), 1);
      else if (action === 3 && toApply.length > 0) {
        // In the order of commits.
        const xid = toApply.shift()!;
        applied.add(xid);
        xids.add(xid);
      } else {
        const taken = snapshot();
        const isAll = [...isTold].every(([xid, told]) => !told || applied.has(xid) || !isVisible(taken, xid));
        const isSaid = xids.hasAllOf(taken);
        if (isSaid) expect(isAll).toBe(true);
        if (isSaid) said++;
        // Now and then the position says it, too.
        if (isSaid || (isAll && (first || pick(3) === 0))) {
          xids.completed(taken);
          first = false;
        }
      }
    }
  }
  expect(said).toBeGreaterThan(1_000);
});
