import { describe, expect, it } from 'vitest';
import {
  AppliedPosition,
  isOver,
  judgeSilence,
  nextStreamState,
  readStreamFrame,
  StreamEvents,
  StreamStates,
  statusUpdate,
} from '../../src/cache/replication-state.ts';

describe('the state of a stream', () => {
  it('goes forward through its steps', () => {
    let state = nextStreamState('connecting', 'connected');
    for (const event of ['identified', 'slotReady', 'started'] as const) state = nextStreamState(state, event);
    expect(state).toBe('streaming');
  });

  it('can fail or be stopped at every step, and stays so', () => {
    for (const state of StreamStates.filter((each) => !isOver(each))) {
      expect(nextStreamState(state, 'error')).toBe('failed');
      expect(nextStreamState(state, 'stop')).toBe('stopped');
    }
    for (const event of StreamEvents) {
      expect(nextStreamState('failed', event)).toBe('failed');
      expect(nextStreamState('stopped', event)).toBe('stopped');
    }
  });

  it('refuses steps out of order', () => {
    expect(() => nextStreamState('connecting', 'started')).toThrow(/connecting/);
    expect(() => nextStreamState('streaming', 'slotReady')).toThrow(/streaming/);
  });
});

describe('silence', () => {
  const limits = { askMs: 100, deadMs: 1_000 };
  it('is asked about before it counts as death', () => {
    expect(judgeSilence(50, null, limits)).toBe('wait');
    expect(judgeSilence(100, null, limits)).toBe('ask');
    expect(judgeSilence(5_000, null, limits)).toBe('ask');
    expect(judgeSilence(500, 400, limits)).toBe('wait');
    expect(judgeSilence(1_000, 900, limits)).toBe('dead');
  });
});

describe('the applied position', () => {
  it('rises with the end of commits and with keepalives, and never falls', () => {
    const position = new AppliedPosition();
    expect(position.commit(100n)).toBe(true);
    expect(position.keepalive(90n, null)).toBe(false);
    expect(position.keepalive(150n, null)).toBe(true);
    expect(position.commit(150n)).toBe(false);
    expect(position.applied).toBe(150n);
  });

  it('does not pass the commit of a transaction that is still arriving, whatever a keepalive says', () => {
    const position = new AppliedPosition();
    position.keepalive(500n, 200n);
    expect(position.applied).toBe(200n);
    position.keepalive(150n, 200n);
    expect(position.applied).toBe(200n);
  });
});

describe('frames of the walsender', () => {
  it('are data, keepalives, or an error', () => {
    const keepalive = Buffer.alloc(18);
    keepalive.write('k');
    keepalive.writeBigUInt64BE(77n, 1);
    keepalive[17] = 1;
    expect(readStreamFrame(keepalive)).toEqual({ kind: 'keepalive', walEnd: 77n, replyRequested: true });
    expect(readStreamFrame(Buffer.concat([Buffer.from('w'), Buffer.alloc(24), Buffer.from('B')]))).toEqual({
      kind: 'data',
      start: 25,
    });
    for (const bad of [Buffer.alloc(0), Buffer.from('w'), keepalive.subarray(0, 17), Buffer.from('x123')]) {
      expect(() => readStreamFrame(bad)).toThrow(RangeError);
    }
  });

  it('are answered with one position for written, flushed and applied', () => {
    const frame = statusUpdate(0x1_0000_0002n, true);
    expect(frame.toString('hex')).toBe(`72${'0000000100000002'.repeat(3)}${'00'.repeat(8)}01`);
  });
});
