import { describe, expect, it } from 'vitest';
import {
  initialThread,
  nextThread,
  type ThreadEvent,
  type ThreadEventKind,
  type ThreadPhase,
  ThreadPhases,
  type ThreadState,
} from '../../src/proxy/supervisor-state.ts';

const policy = { backoffMsMin: 100, backoffMsMax: 5_000 };
const events: Readonly<Record<ThreadEventKind, ThreadEvent>> = {
  begin: { kind: 'begin' },
  started: { kind: 'started', nowMs: 0 },
  exited: { kind: 'exited', nowMs: 0 },
  unresponsive: { kind: 'unresponsive' },
  elapsed: { kind: 'elapsed' },
  stop: { kind: 'stop' },
};

/** Phase after the event, and the action that it asks for. */
const expected: Readonly<Record<ThreadPhase, Readonly<Record<ThreadEventKind, string>>>> = {
  idle: {
    begin: 'starting spawn',
    started: 'idle nothing',
    exited: 'idle nothing',
    unresponsive: 'idle nothing',
    elapsed: 'idle nothing',
    stop: 'stopped nothing',
  },
  starting: {
    begin: 'starting nothing',
    started: 'running nothing',
    exited: 'backingOff wait',
    unresponsive: 'ending terminate',
    elapsed: 'starting nothing',
    stop: 'ending terminate',
  },
  running: {
    begin: 'running nothing',
    started: 'running nothing',
    exited: 'backingOff wait',
    unresponsive: 'ending terminate',
    elapsed: 'running nothing',
    stop: 'ending terminate',
  },
  ending: {
    begin: 'ending nothing',
    started: 'ending nothing',
    exited: 'backingOff wait',
    unresponsive: 'ending nothing',
    elapsed: 'ending nothing',
    stop: 'ending terminate',
  },
  backingOff: {
    begin: 'backingOff nothing',
    started: 'backingOff nothing',
    exited: 'backingOff nothing',
    unresponsive: 'backingOff nothing',
    elapsed: 'starting spawn',
    stop: 'stopped nothing',
  },
  stopped: {
    begin: 'starting spawn',
    started: 'stopped nothing',
    exited: 'stopped nothing',
    unresponsive: 'stopped nothing',
    elapsed: 'stopped nothing',
    stop: 'stopped nothing',
  },
};

function play(...list: readonly ThreadEvent[]): { state: ThreadState; delays: number[]; spawns: number } {
  let state = initialThread;
  const delays: number[] = [];
  let spawns = 0;
  for (const event of list) {
    const next = nextThread(state, event, policy);
    state = next.state;
    if (next.action.kind === 'wait') delays.push(next.action.delayMs);
    if (next.action.kind === 'spawn') spawns++;
  }
  return { state, delays, spawns };
}

describe('a supervised thread', () => {
  it.each(
    ThreadPhases.flatMap((phase) => Object.entries(expected[phase]).map(([kind, to]) => [phase, kind, to] as const)),
  )('%s, %s → %s', (phase, kind, to) => {
    const { state, action } = nextThread({ ...initialThread, phase }, events[kind as ThreadEventKind], policy);
    expect(`${state.phase} ${action.kind}`).toBe(to);
  });

  it('waits twice as long after each death in a row, up to the maximum', () => {
    const life: ThreadEvent[] = [{ kind: 'elapsed' }, { kind: 'started', nowMs: 0 }, { kind: 'exited', nowMs: 10 }];
    const { delays, state } = play(
      { kind: 'begin' },
      ...Array.from({ length: 9 }, () => life)
        .flat()
        .slice(1),
    );
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    expect(state).toMatchObject({ generation: 9, restarts: 8, failures: 9 });
  });

  it('begins again at the shortest wait after it ran for long', () => {
    const { delays } = play(
      { kind: 'begin' },
      { kind: 'exited', nowMs: 0 },
      { kind: 'elapsed' },
      { kind: 'exited', nowMs: 0 },
      { kind: 'elapsed' },
      { kind: 'started', nowMs: 1_000 },
      { kind: 'exited', nowMs: 6_000 },
    );
    expect(delays).toEqual([100, 200, 100]);
  });

  it('is restarted after it hung, and not after it was stopped, even while it was being ended', () => {
    const hung: ThreadEvent[] = [{ kind: 'begin' }, { kind: 'started', nowMs: 0 }, { kind: 'unresponsive' }];
    expect(play(...hung, { kind: 'exited', nowMs: 1 }, { kind: 'elapsed' }).spawns).toBe(2);
    const stopped = play(...hung, { kind: 'stop' }, { kind: 'exited', nowMs: 1 }, { kind: 'elapsed' });
    expect(stopped).toMatchObject({ spawns: 1, state: { phase: 'stopped' } });
  });
});
