import { describe, expect, it } from 'vitest';
import { nextOrigin } from '../../src/worker/origin.ts';
import { nextSession, SessionEvents, type SessionState, SessionStates } from '../../src/worker/session-state.ts';

/** States reachable from one by any events. */
function reachable(from: SessionState): Set<SessionState> {
  const seen = new Set([from]);
  for (const state of seen) {
    for (const event of SessionEvents) {
      const next = nextSession(state, event);
      if (next !== null) seen.add(next);
    }
  }
  return seen;
}

describe('the life of a session', () => {
  it('reaches every state from its beginning', () => {
    expect([...reachable('startup')].sort()).toEqual([...SessionStates].sort());
  });

  it('never leaves closed, and ends from everywhere when the client is gone', () => {
    expect([...reachable('closed')]).toEqual(['closed']);
    for (const state of SessionStates) expect(nextSession(state, 'clientClosed')).toBe('closed');
  });

  it('says nothing more once it is ending', () => {
    expect([...reachable('ending')].sort()).toEqual(['closed', 'ending']);
    for (const state of SessionStates) expect(['ending', 'closed']).toContain(nextSession(state, 'finish'));
  });

  it('serves statements only after authentication', () => {
    for (const state of SessionStates) {
      for (const event of SessionEvents) {
        if (nextSession(state, event) !== 'ready' || state === 'ready') continue;
        expect([state, event]).toEqual(['authenticating', 'authenticated']);
      }
    }
  });

  it('opens an origin once', () => {
    expect(nextOrigin('connecting', 'connected')).toBe('open');
    expect(nextOrigin('closed', 'connected')).toBe('closed');
    expect(nextOrigin('open', 'ended')).toBe('closed');
  });
});
