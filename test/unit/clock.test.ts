import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FreshnessClock } from '../../src/cache/clock.ts';
import type { ClockPorts } from '../../src/cache/clock-ports.ts';
import type { Fingerprint } from '../../src/cache/fingerprint.ts';
import type { RoundAnswer, RoundQuestion } from '../../src/cache/round.ts';
import { parseSnapshot } from '../../src/cache/settle.ts';

const catalog: Fingerprint = { objects: '1', builtin: '2', materialized: '' };

/** A clock on an origin that answers when the test says so. Time is vitest's. */
function bench(overrides: Partial<ClockPorts> = {}) {
  const asked: {
    question: RoundQuestion;
    answer: (more?: Partial<RoundAnswer>) => Promise<void>;
    fail: (error: Error) => Promise<void>;
  }[] = [];
  const seen = {
    fresh: [] as [number, number][],
    changed: [] as string[][],
    altered: [] as number[][],
    jumps: 0,
    refreshed: [] as number[],
    errors: [] as string[],
    nudged: [] as bigint[],
    snapshots: [] as string[],
    probes: [] as ((lsn: bigint) => void)[],
    awaited: [] as bigint[],
  };
  const origin = { applied: 100n, sessions: 0, reads: 0, skewMs: 0, published: new Set<number>() };
  let started = 0;
  const ports: ClockPorts = {
    clock: { nowMs: () => Date.now() },
    wallClock: { nowMs: () => Date.now() + origin.skewMs },
    ask: (question) =>
      new Promise((resolve, reject) => {
        const flush = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(0));
        asked.push({
          question,
          answer: (more = {}) => {
            // Whatever moves the log is a commit, unless the test says otherwise.
            const { lsn = 100n, snapshotText = `${lsn}:${lsn}:` } = more;
            const answer: RoundAnswer = {
              lsn,
              snapshot: parseSnapshot(snapshotText),
              snapshotText,
              configTime: 'c',
              fingerprint: catalog,
              published: new Set(origin.published),
              retainedBytes: null,
              originMs: 0,
              ...more,
            };
            resolve(answer);
            return flush();
          },
          fail: (error) => {
            reject(error);
            return flush();
          },
        });
      }),
    nudge: async (target) => void seen.nudged.push(target),
    probe: () =>
      new Promise((resolve) => {
        seen.probes.push((lsn) => resolve({ lsn, snapshot: parseSnapshot('7:7:') }));
      }),
    appliedLsn: () => origin.applied,
    awaited: (lsn) => void seen.awaited.push(lsn),
    published: () => new Set(origin.published),
    sessions: () => origin.sessions,
    beginRound: () => ++started,
    publish: (round, startMs) => void seen.fresh.push([round, startMs]),
    readsBehind: () => origin.reads,
    onSnapshot: ({ xmin, xmax }) => seen.snapshots.push(`${xmin}:${xmax}`),
    onOriginLsn: () => undefined,
    onRetained: () => undefined,
    onCatalogChanged: (catalogs) => void seen.changed.push([...catalogs]),
    onRefreshed: (oids) => void seen.refreshed.push(...oids),
    onPublicationAltered: (missing) => void seen.altered.push([...missing]),
    onJump: () => void seen.jumps++,
    onError: (error) => void seen.errors.push(error.message),
    ...overrides,
  };
  const clock = new FreshnessClock(ports, {
    heartbeatMs: 300,
    nudgeMs: 20,
    nudgeGapMs: 50,
    hurriedNudgeMs: 2,
    fillWaitMs: 4,
    probeGapMs: 3,
    pace: { factor: 3, readMs: 1, gapMsMax: 25 },
    waitingMax: 3,
    jumpMs: 500,
  });
  return { clock, asked, seen, origin };
}

describe('the freshness clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('does nothing before a catalog was accepted, and one round then', async () => {
    const { clock, asked, seen } = bench();
    clock.request(1, false);
    expect(asked).toHaveLength(0);
    clock.accept(catalog);
    await asked[0]!.answer();
    expect(seen.fresh).toEqual([[1, 1_000_000]]);
    clock.stop();
  });

  it('publishes when the stream has passed the position, with the time before the question', async () => {
    const { clock, asked, seen, origin } = bench();
    clock.accept(catalog);
    await vi.advanceTimersByTimeAsync(7);
    await asked[0]!.answer({ lsn: 200n });
    expect(seen.fresh).toEqual([]);
    clock.applied(199n, null);
    expect([seen.fresh, seen.awaited]).toEqual([[], [200n]]);
    origin.applied = 200n;
    clock.applied(200n, null);
    expect(seen.fresh).toEqual([[1, 1_000_000]]);
    clock.stop();
  });

  it('asks one question at a time and remembers that another is wanted', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    for (const round of [1, 2, 2, 2]) clock.request(round, false);
    expect(asked).toHaveLength(1);
    await asked[0]!.answer();
    expect(asked).toHaveLength(2);
    await asked[1]!.answer();
    clock.request(2, false);
    expect(asked).toHaveLength(2);
    expect(seen.fresh.map(([round]) => round)).toEqual([1, 2]);
    clock.stop();
  });

  it('asks on while earlier rounds wait for the stream, up to its bound, and completes them in order', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    for (let round = 1; round <= 5; round++) {
      clock.request(round, false);
      await asked[round - 1]?.answer({ lsn: 100n + BigInt(round) });
    }
    expect(asked).toHaveLength(3);
    clock.applied(102n, null);
    expect(seen.fresh.map(([round]) => round)).toEqual([2]);
    expect(asked).toHaveLength(4);
    clock.applied(103n, null);
    expect(seen.fresh.map(([round]) => round)).toEqual([2, 3]);
    clock.stop();
  });

  it('leaves the origin three quarters of the time', async () => {
    const { clock, asked } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ originMs: 10 });
    clock.request(2, false);
    await vi.advanceTimersByTimeAsync(29);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    clock.stop();
  });

  describe('when statements stand still for a round', () => {
    it('asks every second round time at most, whatever would pay', async () => {
      const { clock, asked } = bench();
      clock.accept(catalog);
      await vi.advanceTimersByTimeAsync(12);
      await asked[0]!.answer({ originMs: 10 });
      clock.request(2, false);
      clock.hurry(2, false);
      await vi.advanceTimersByTimeAsync(7);
      expect(asked).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toHaveLength(2);
      // That was for one round.
      await asked[1]!.answer({ originMs: 10 });
      clock.request(3, false);
      await vi.advanceTimersByTimeAsync(29);
      expect(asked).toHaveLength(2);
      clock.stop();
    });

    it('waits for no answer that is there, nor for a timer that is late', async () => {
      const { clock, asked } = bench();
      clock.accept(catalog);
      await asked[0]!.answer({ originMs: 1 });
      clock.hurry(2, true);
      await vi.advanceTimersByTimeAsync(2);
      expect(asked).toHaveLength(1);
      clock.hurry(2, false);
      expect(asked).toHaveLength(2);
      await asked[1]!.answer({ originMs: 1 });
      clock.hurry(3, false);
      expect(asked).toHaveLength(2);
      vi.setSystemTime(Date.now() + 2);
      clock.hurry(3, false);
      expect(asked).toHaveLength(3);
      clock.stop();
    });

    it('takes a snapshot first where they read what was written, and waits for an answer to confirm', async () => {
      const { clock, asked, seen } = bench();
      clock.accept(catalog);
      await asked[0]!.answer();
      clock.hurry(2, true);
      clock.hurry(2, true);
      expect([seen.probes.length, asked.length]).toEqual([1, 1]);
      seen.probes[0]!(300n);
      await vi.advanceTimersByTimeAsync(3);
      // What it shows is to be applied now.
      expect([seen.snapshots.at(-1), seen.awaited, asked.length]).toEqual(['7:7', [300n], 1]);
      clock.filled();
      expect(asked).toHaveLength(2);
      clock.stop();
    });

    it('waits for no answer for long', async () => {
      const { clock, asked, seen } = bench();
      clock.accept(catalog);
      await asked[0]!.answer();
      clock.hurry(2, true);
      seen.probes[0]!(100n);
      await vi.advanceTimersByTimeAsync(3);
      expect([seen.awaited, asked.length]).toEqual([[], 1]);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toHaveLength(2);
      clock.stop();
    });

    it('nudges sooner, and not more often (C12)', async () => {
      const { clock, asked, seen, origin } = bench();
      clock.accept(catalog);
      await asked[0]!.answer();
      for (const round of [2, 3]) {
        clock.hurry(round, false);
        await asked[round - 1]!.answer({ lsn: BigInt(round) * 100n });
        await vi.advanceTimersByTimeAsync(2);
        origin.applied = BigInt(round) * 100n;
        if (round === 2) clock.applied(origin.applied, null);
      }
      expect(seen.nudged).toEqual([200n]);
      await vi.advanceTimersByTimeAsync(50);
      expect(seen.nudged).toEqual([200n, 300n]);
      clock.stop();
    });

    it('asks for nothing before a catalog was accepted, nor after the end', async () => {
      const { clock, asked, seen } = bench();
      clock.hurry(1, true);
      clock.showSoon();
      clock.accept(catalog);
      await asked[0]!.answer();
      clock.stop();
      clock.hurry(2, true);
      clock.filled();
      clock.showSoon();
      expect([seen.probes.length, asked.length]).toEqual([0, 1]);
    });
  });

  it('waits a little for an answer of after a write, where somebody who needs the round has asked for one', async () => {
    const { clock, asked } = bench();
    clock.accept(catalog);
    await asked[0]!.answer();
    clock.request(2, true);
    await vi.advanceTimersByTimeAsync(3);
    clock.request(2, true);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    await asked[1]!.answer();
    await vi.advanceTimersByTimeAsync(25);
    clock.request(3, true);
    expect(asked).toHaveLength(2);
    clock.filled();
    expect(asked).toHaveLength(3);
    clock.stop();
  });

  it('shows what was applied by a snapshot alone: one at a time, and seldom; the one of a round on its way may be of before', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    clock.showSoon();
    clock.showSoon();
    expect(seen.probes).toHaveLength(1);
    await asked[0]!.answer();
    seen.probes[0]!(100n);
    await vi.advanceTimersByTimeAsync(2);
    clock.showSoon();
    expect(seen.probes).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    clock.showSoon();
    expect([seen.probes.length, asked.length]).toEqual([2, 1]);
    clock.stop();
    seen.probes[1]!(100n);
    await vi.advanceTimersByTimeAsync(0);
    // One of the round, one of the snapshot alone.
    expect(seen.snapshots).toHaveLength(2);
  });

  it('beats while there are sessions only', async () => {
    const { clock, asked, origin } = bench();
    clock.accept(catalog);
    await asked[0]!.answer();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked).toHaveLength(1);
    origin.sessions = 1;
    await vi.advanceTimersByTimeAsync(300);
    expect(asked).toHaveLength(2);
    clock.stop();
  });

  it('settles soon, once for many wishes', async () => {
    const { clock, asked } = bench();
    clock.accept(catalog);
    await asked[0]!.answer();
    for (let i = 0; i < 10; i++) clock.settleSoon(25);
    await vi.advanceTimersByTimeAsync(24);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    clock.stop();
  });

  it('nudges a position that is not reached, once, and not more than 20 times a second (C12)', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ lsn: 200n });
    await vi.advanceTimersByTimeAsync(19);
    expect(seen.nudged).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.nudged).toEqual([200n]);
    clock.request(2, false);
    await asked[1]!.answer({ lsn: 300n });
    await vi.advanceTimersByTimeAsync(49);
    expect(seen.nudged).toEqual([200n]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.nudged).toEqual([200n, 300n]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seen.nudged).toEqual([200n, 300n]);
    clock.stop();
  });

  it('waits no further than to the first position with the same snapshot: nothing was committed behind it', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ lsn: 100n, snapshotText: '5:7:6' });
    clock.request(2, false);
    await asked[1]!.answer({ lsn: 900n, snapshotText: '5:7:6' });
    expect(seen.fresh.map(([round]) => round)).toEqual([1, 2]);
    clock.request(3, false);
    await asked[2]!.answer({ lsn: 1000n, snapshotText: '7:7:' });
    clock.request(4, false);
    await asked[3]!.answer({ lsn: 2000n, snapshotText: '7:7:' });
    expect([seen.fresh.length, seen.awaited]).toEqual([2, [1000n, 1000n]]);
    clock.applied(1000n, null);
    expect(seen.fresh.map(([round]) => round)).toEqual([1, 2, 4]);
    clock.stop();
  });

  it('needs no position where the stream told of every transaction that the snapshot shows', async () => {
    const { clock, asked, seen, origin } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ lsn: 100n, snapshotText: '50:50:' });
    clock.request(2, false);
    await asked[1]!.answer({ lsn: 300n, snapshotText: '52:52:' });
    // Rolled back, perhaps, or on no published table: nobody knows.
    clock.applied(200n, 51);
    expect(seen.fresh.map(([round]) => round)).toEqual([1]);
    clock.applied(250n, 50);
    expect(seen.fresh.map(([round]) => round)).toEqual([1, 2]);
    // Applied before it was shown.
    origin.applied = 280n;
    clock.applied(280n, 52);
    clock.request(3, false);
    await asked[2]!.answer({ lsn: 400n, snapshotText: '53:53:' });
    expect(seen.fresh.map(([round]) => round)).toEqual([1, 2, 3]);
    expect(seen.nudged).toEqual([]);
    clock.stop();
  });

  it('does not nudge what was reached in time', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ lsn: 200n });
    await vi.advanceTimersByTimeAsync(10);
    clock.applied(200n, null);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seen.nudged).toEqual([]);
    clock.stop();
  });

  it('says nothing about freshness after the catalog changed, until the new one is accepted (C11)', async () => {
    const { clock, asked, seen, origin } = bench();
    origin.sessions = 1;
    clock.accept(catalog);
    await asked[0]!.answer({ fingerprint: { ...catalog, objects: '9', builtin: null } });
    expect(seen.changed).toEqual([['pg_class']]);
    await vi.advanceTimersByTimeAsync(5_000);
    clock.request(50, false);
    expect([asked.length, seen.fresh.length]).toEqual([1, 0]);
    clock.accept({ ...catalog, objects: '9', builtin: '2' });
    await asked[1]!.answer({ fingerprint: { ...catalog, objects: '9', builtin: '2' } });
    expect(seen.fresh.map(([round]) => round)).toEqual([2]);
    clock.stop();
  });

  it('sees the server configuration being read anew', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ configTime: 'a' });
    clock.request(2, false);
    await asked[1]!.answer({ configTime: 'b', fingerprint: null });
    expect(seen.changed).toEqual([['configuration']]);
    clock.stop();
  });

  it('lets a question that was under way at an accept judge nothing', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    clock.accept({ ...catalog, objects: '9', builtin: '2' });
    await asked[0]!.answer();
    expect([seen.changed, seen.fresh]).toEqual([[], []]);
    await asked[1]!.answer({ fingerprint: { ...catalog, objects: '9', builtin: null } });
    expect(seen.fresh.map(([round]) => round)).toEqual([2]);
    clock.stop();
  });

  it('offers a snapshot for comparison only when everything was checked at it', async () => {
    const { clock, asked } = bench();
    clock.accept(catalog);
    expect(asked[0]!.question).toEqual({ knownSnapshot: null, accepted: catalog, thorough: true });
    await asked[0]!.answer({ snapshotText: '5:5:' });
    clock.request(2, false);
    expect(asked[1]!.question).toEqual({ knownSnapshot: '5:5:', accepted: catalog, thorough: false });
    await asked[1]!.answer({ snapshotText: '6:6:', fingerprint: { ...catalog, objects: '1', builtin: null } });
    clock.request(3, false);
    expect(asked[2]!.question).toEqual({ knownSnapshot: null, accepted: catalog, thorough: false });
    await asked[2]!.answer({ fingerprint: { ...catalog, objects: '1', builtin: null } });
    await vi.advanceTimersByTimeAsync(300);
    clock.request(4, false);
    expect(asked[3]!.question.thorough).toBe(true);
    clock.stop();
  });

  it('stops for good when published tables are missing at the origin', async () => {
    const { clock, asked, seen, origin } = bench();
    origin.published = new Set([1, 2]);
    clock.accept(catalog);
    await asked[0]!.answer({ published: new Set([2, 3]) });
    expect([seen.changed, seen.altered, seen.fresh]).toEqual([[['pg_publication_rel']], [], []]);
    clock.accept(catalog);
    await asked[1]!.answer({ published: new Set([2, 3]) });
    expect([seen.altered, seen.fresh]).toEqual([[[1]], []]);
    clock.accept(catalog);
    expect(asked).toHaveLength(2);
  });

  it('goes on when a look at the catalog says why a published table is missing: it was dropped after the last one', async () => {
    const { clock, asked, seen, origin } = bench();
    origin.published = new Set([1, 2]);
    clock.accept(catalog);
    await asked[0]!.answer({ published: new Set([2]) });
    origin.published = new Set([2]);
    clock.accept(catalog);
    await asked[1]!.answer({ published: new Set([2]) });
    expect([seen.altered, seen.fresh.length]).toEqual([[], 1]);
    // Another one is missed for the first time again.
    origin.published = new Set([2, 3]);
    clock.request(9, false);
    await asked[2]!.answer({ published: new Set([2]), snapshotText: '7:7:' });
    expect(seen.altered).toEqual([]);
    clock.stop();
  });

  it('does not miss tables that were added or taken out while the question was on its way', async () => {
    const { clock, asked, seen, origin } = bench();
    origin.published = new Set([1]);
    clock.accept(catalog);
    origin.published = new Set([2]);
    await asked[0]!.answer({ published: new Set() });
    expect(seen.altered).toEqual([]);
    expect(seen.fresh).toHaveLength(1);
    clock.stop();
  });

  it('forgets rounds that a pause of the machine fell into (C14)', async () => {
    const { clock, asked, seen, origin } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ lsn: 200n });
    origin.skewMs += 60_000;
    clock.applied(200n, null);
    expect([seen.jumps, seen.fresh]).toEqual([1, []]);
    // A new round is on its way at once; a pause during the question itself counts too.
    origin.skewMs += 60_000;
    await asked[1]!.answer();
    expect([seen.jumps, seen.fresh]).toEqual([2, []]);
    await asked[2]!.answer();
    expect(seen.fresh.map(([round]) => round)).toEqual([3]);
    clock.stop();
  });

  it('knows of no transaction after a pause of the machine (C14)', async () => {
    const { clock, asked, seen, origin } = bench();
    clock.accept(catalog);
    await asked[0]!.answer({ lsn: 100n, snapshotText: '50:50:' });
    origin.skewMs = 10_000;
    clock.applied(150n, 50);
    clock.request(2, false);
    await asked[1]!.answer({ lsn: 300n, snapshotText: '51:51:' });
    expect([seen.jumps, seen.fresh.map(([round]) => round)]).toEqual([1, [1]]);
    clock.stop();
  });

  it('takes small adjustments of the time of day, and steps backwards, for what they are', async () => {
    const { clock, asked, seen, origin } = bench();
    origin.sessions = 1;
    clock.accept(catalog);
    await asked[0]!.answer();
    origin.skewMs += 400;
    await vi.advanceTimersByTimeAsync(300);
    origin.skewMs -= 10_000;
    await vi.advanceTimersByTimeAsync(300);
    expect(seen.jumps).toBe(0);
    clock.stop();
  });

  it('reports an origin that does not answer, once, and asks no more', async () => {
    const { clock, asked, seen } = bench();
    clock.accept(catalog);
    await asked[0]!.fail(new Error('gone'));
    clock.request(9, false);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([seen.errors, asked.length]).toEqual([['gone'], 1]);
  });
});
