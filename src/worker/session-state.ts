/**
 * The life of a session as a complete table; session.ts performs the effects.
 *
 *   startup ─▶ connecting ─▶ authenticating ─▶ ready ─▶ ending ─▶ closed
 *      │                              └───▶ tunnelling ───▶ ┤      (replication connections: bytes only)
 *      └──────▶ cancelling ─────────────────────────────▶ ┘
 */
export const SessionStates = [
  'startup',
  'connecting',
  'authenticating',
  'ready',
  'tunnelling',
  'cancelling',
  'ending',
  'closed',
] as const;
export type SessionState = (typeof SessionStates)[number];

export const SessionEvents = [
  /** A StartupMessage is complete. */
  'startupAccepted',
  /** A CancelRequest is complete. */
  'cancelAccepted',
  /** The origin's socket is open. */
  'originConnected',
  /** First ReadyForQuery of a replication connection. */
  'originTunnelled',
  /** First ReadyForQuery. */
  'authenticated',
  /** We have nothing more to say but what is queued: error, drain, Terminate, origin gone. */
  'finish',
  /** The client's socket is gone. */
  'clientClosed',
] as const;
export type SessionEvent = (typeof SessionEvents)[number];

/** null: cannot happen there. */
const table: Record<SessionState, Record<SessionEvent, SessionState | null>> = {
  startup: {
    startupAccepted: 'connecting',
    cancelAccepted: 'cancelling',
    originConnected: null,
    originTunnelled: null,
    authenticated: null,
    finish: 'ending',
    clientClosed: 'closed',
  },
  connecting: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: 'authenticating',
    originTunnelled: null,
    authenticated: null,
    finish: 'ending',
    clientClosed: 'closed',
  },
  authenticating: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: null,
    originTunnelled: 'tunnelling',
    authenticated: 'ready',
    finish: 'ending',
    clientClosed: 'closed',
  },
  ready: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: null,
    originTunnelled: null,
    authenticated: null,
    finish: 'ending',
    clientClosed: 'closed',
  },
  tunnelling: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: null,
    originTunnelled: null,
    authenticated: null,
    finish: 'ending',
    clientClosed: 'closed',
  },
  cancelling: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: null,
    originTunnelled: null,
    authenticated: null,
    finish: 'ending',
    clientClosed: 'closed',
  },
  ending: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: 'ending',
    originTunnelled: 'ending',
    authenticated: 'ending',
    finish: 'ending',
    clientClosed: 'closed',
  },
  closed: {
    startupAccepted: null,
    cancelAccepted: null,
    originConnected: 'closed',
    originTunnelled: 'closed',
    authenticated: 'closed',
    finish: 'closed',
    clientClosed: 'closed',
  },
};

/** The state after an event; null when our reasoning about the order of events was wrong. */
export function nextSession(state: SessionState, event: SessionEvent): SessionState | null {
  return table[state][event];
}
