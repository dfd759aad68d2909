/**
 * A CancelRequest is a connection of its own: it goes to the origin as it came, and the client's is closed when the origin has closed
 * its end, as PostgreSQL would. The key in it is the origin's, so nothing is looked up. Manual: Canceling Requests in Progress.
 */
import { Origin } from './origin.ts';
import type { OriginTarget } from './origin-tls.ts';

/** Encrypted as sessions are. `done` is called once, whatever happens: a cancel has no answer. */
export function forwardCancel(target: OriginTarget, readBuffer: Buffer, packet: Buffer, done: () => void): void {
  const origin = new Origin(target, readBuffer, {
    connected: () => void origin.socket.end(packet),
    bytes: () => undefined,
    drained: () => undefined,
    ended: () => {
      clearTimeout(timer);
      done();
    },
  });
  const timer = setTimeout(() => origin.socket.destroy(), target.connectTimeoutMs);
}
