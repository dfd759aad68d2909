/**
 * Who of a session's two sockets is read. Whoever is ahead of the other is not, for a while; and nobody for the rest of a round of the event loop in
 * which much was read here: libuv reads a socket up to 32 times in a row, which are 2 MiB, and that of a pipeline of small messages is a third of a
 * second of everybody else's time.
 */
import type net from 'node:net';
import type { ClientSocket } from '../shared/handoff.ts';
import { Limits } from '../shared/limits.ts';

/** Reads that filled the buffer, until others have their turn. */
const FULL_READS_MAX = 2;

export class Balance {
  private client: ClientSocket | null = null;
  private origin: net.Socket | null = null;
  private fullReads = 0;
  private readonly again: () => void;

  /** @param again has the session call `update` again */
  constructor(again: () => void) {
    this.again = () => {
      this.fullReads = 0;
      again();
    };
  }

  /**
   * At the end of each turn. `holdsClient`: what the client has sent already waits. `isLive`: false when the last words are being said.
   * `bytesRead`: in this turn, of either socket.
   */
  update(
    client: ClientSocket,
    origin: net.Socket | null,
    holdsClient: boolean,
    isLive: boolean,
    bytesRead: number,
  ): void {
    if (bytesRead >= Limits.readBufferBytes && ++this.fullReads === FULL_READS_MAX) setImmediate(this.again);
    const isResting = this.fullReads >= FULL_READS_MAX;
    const originQueued = origin?.writableLength ?? 0;
    const pauseClient = isLive && (isResting || holdsClient || originQueued > Limits.peerQueueBytesMax);
    const pausedClient = this.client === client;
    if (pauseClient && !pausedClient) client.pause();
    if (!pauseClient && pausedClient) client.resume();
    this.client = pauseClient ? client : null;
    if (origin === null) return;
    const pauseOrigin = isResting || client.writableLength > Limits.peerQueueBytesMax;
    const pausedOrigin = this.origin === origin;
    if (pauseOrigin && !pausedOrigin) origin.pause();
    if (!pauseOrigin && pausedOrigin) origin.resume();
    this.origin = pauseOrigin ? origin : null;
  }
}
