/**
 * Who of a session's two sockets is read. Whoever is ahead of the other is not, for a while; nor, for the rest of a round of the event loop, is one of which
 * much was read in it: libuv reads a socket up to 32 times in a row, which are 2 MiB, and that of a pipeline of small messages is a third of a second of
 * everybody else's time. The other one is read: a client that sends on and on would not hear before its end that the origin refused the beginning.
 */
import type net from 'node:net';
import type { ClientSocket } from '../shared/handoff.ts';
import { Limits } from '../shared/limits.ts';

/** Reads of one socket that filled the buffer, until others have their turn. */
const FULL_READS_MAX = 2;

export class Balance {
  private client: ClientSocket | null = null;
  private origin: net.Socket | null = null;
  private clientReads = 0;
  private originReads = 0;
  private readonly again: () => void;

  /** @param again has the session call `update` again */
  constructor(again: () => void) {
    this.again = () => {
      this.clientReads = this.originReads = 0;
      again();
    };
  }

  /**
   * At the end of each turn. `holdsClient`: what the client has sent already waits. `isLive`: false when the last words are being said.
   * Bytes of both: as many as were read in this turn.
   */
  update(
    client: ClientSocket,
    origin: net.Socket | null,
    holdsClient: boolean,
    isLive: boolean,
    ...[clientBytes, originBytes]: [clientBytes: number, originBytes: number]
  ): void {
    if (clientBytes >= Limits.readBufferBytes && ++this.clientReads === FULL_READS_MAX) setImmediate(this.again);
    if (originBytes >= Limits.readBufferBytes && ++this.originReads === FULL_READS_MAX) setImmediate(this.again);
    const originQueued = origin?.writableLength ?? 0;
    const isAhead = holdsClient || originQueued > Limits.peerQueueBytesMax;
    const pauseClient = isLive && (isAhead || this.clientReads >= FULL_READS_MAX);
    const pausedClient = this.client === client;
    if (pauseClient && !pausedClient) client.pause();
    if (!pauseClient && pausedClient) client.resume();
    this.client = pauseClient ? client : null;
    if (origin === null) return;
    const pauseOrigin = this.originReads >= FULL_READS_MAX || client.writableLength > Limits.peerQueueBytesMax;
    const pausedOrigin = this.origin === origin;
    if (pauseOrigin && !pausedOrigin) origin.pause();
    if (!pauseOrigin && pausedOrigin) origin.resume();
    this.origin = pauseOrigin ? origin : null;
  }
}
