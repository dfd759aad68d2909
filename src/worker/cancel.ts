/**
 * A CancelRequest is a connection of its own: it goes to the origin as it came, and the client's is closed when the origin has closed
 * its end, as PostgreSQL would. The key in it is the origin's, so nothing is looked up. Manual: Canceling Requests in Progress.
 */
import net from 'node:net';
import type { Upstream } from '../shared/config.ts';
import { originAddress } from './origin.ts';

/** `done` is called once, whatever happens: a cancel has no answer. */
export function forwardCancel(upstream: Upstream, packet: Buffer, timeoutMs: number, done: () => void): void {
  const socket = net.connect(originAddress(upstream));
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.on('connect', () => socket.end(packet));
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    done();
  });
  socket.resume();
}
