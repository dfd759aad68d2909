/** Back-pressure between the two sockets of a session: whoever is ahead of the other is not read for a while. */
import type net from 'node:net';
import type { ClientSocket } from '../shared/handoff.ts';
import { Limits } from '../shared/limits.ts';

export class Balance {
  private client: ClientSocket | null = null;
  private origin: net.Socket | null = null;

  /** `holdsClient`: what the client has sent already waits. `isLive`: false when the last words are being said. */
  update(client: ClientSocket, origin: net.Socket | null, holdsClient: boolean, isLive: boolean): void {
    const originQueued = origin?.writableLength ?? 0;
    const pauseClient = isLive && (holdsClient || originQueued > Limits.peerQueueBytesMax);
    const pausedClient = this.client === client;
    if (pauseClient && !pausedClient) client.pause();
    if (!pauseClient && pausedClient) client.resume();
    this.client = pauseClient ? client : null;
    if (origin === null) return;
    const pauseOrigin = client.writableLength > Limits.peerQueueBytesMax;
    const pausedOrigin = this.origin === origin;
    if (pauseOrigin && !pausedOrigin) origin.pause();
    if (!pauseOrigin && pausedOrigin) origin.resume();
    this.origin = pauseOrigin ? origin : null;
  }
}
